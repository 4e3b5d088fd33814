"""What containers need: of the program, and of the files that deploy it."""

import os
import shutil
import signal

import pytest
from services import CHURND, Process, wait_for
from test_constructors import with_constructor


@pytest.mark.skipif(shutil.which("unshare") is None, reason="no unshare")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda n: n.name)
def test_a_stop_as_the_first_process_while_it_starts(tmp_path, number):
    """To the first process of a container the kernel gives no signal whose action is the default."""
    with_constructor(
        tmp_path / "plugins/slow.so",
        'if (getpid() == 1) { (void)open("here", O_CREAT | O_WRONLY, 0600);'
        ' while (access("go", F_OK) != 0) { (void)usleep(10000); } }',
        lambda text: "#include <fcntl.h>\n" + text,
    )
    config = tmp_path / "p.yaml"
    config.write_text(
        "source: {plugin: generate, events: 0}\nevents: {types: [slow]}\nsinks: [{plugin: file, path: /dev/null}]\n"
    )
    apart = ["unshare", "--pid", "--fork", "--kill-child", *(["--user", "--map-root-user"] if os.getuid() else [])]
    process = Process([*apart, CHURND, "-c", config, "--plugin-path", "plugins"], tmp_path, "first", cwd=tmp_path)
    try:
        wait_for("its start", (tmp_path / "here").exists)
        with open(f"/proc/{process.pid}/task/{process.pid}/children") as children:
            first = int(children.read())
        os.kill(first, number)
        (tmp_path / "go").touch()
        assert process.wait(60) == 0, process.err
        assert f"{number.name}: finishing what was read" in process.err
    finally:
        process.end()
