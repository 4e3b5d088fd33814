"""HTTP as real deployments have it, of webhooks and the prediction API alike: authorities, client certificates, logins,
headers and proxies; what does not work is told apart, and no secret is shown or sent to anybody else."""

import base64
import contextlib
import http.server
import json
import os
import re
import shlex
import shutil
import socket
import ssl
import subprocess
import textwrap
import threading

import pytest
import yaml
from certificates import Authority
from services import HOST, SRC, free_port, run_churnd, wait_for

CANARY = "canary-7f3a"
EVENT = {
    "event_id": "c1_1",
    "event_type": "payment_failed",  # predicts and alerts
    "customer_id": "c1",
    "timestamp": "2026-01-01T00:00:00Z",
    "data": {"amount": 5},
}
ANSWER = json.dumps({"churn_probability": 0.25}).encode()


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """An authority and a stranger, and what each has signed."""
    folder = tmp_path_factory.mktemp("certificates")
    ca, stranger = Authority(folder), Authority(folder, "stranger")
    return {
        "ca": ca,
        "stranger": stranger,
        "server": ca.issue("server"),
        "elsewhere": ca.issue("elsewhere", hosts=["DNS:api.example"]),
        "old": ca.issue("old", years=(2020, 2021)),
        "client": ca.issue("client"),
        "intruder": stranger.issue("intruder"),
        "old client": ca.issue("old-client", years=(2020, 2021)),
    }


class Server:
    """Notes each POST: its path, headers, and whose certificate the client has shown. `to`: it redirects there."""

    def __init__(self, shown=None, trusted=None, to=None):
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                self.rfile.read(int(self.headers["Content-Length"]))
                peer = self.connection.getpeercert() if shown is not None else None
                who = dict(part[0] for part in peer["subject"])["commonName"] if peer else None
                outer.requests.append((self.path, dict(self.headers), who))
                self.answer(307 if to is not None else 200, {} if to is None else {"Location": to})

            def do_GET(self):
                self.answer(404, {})

            def answer(self, status, headers):
                self.send_response(status)
                for name, value in {"Content-Length": len(ANSWER), **headers}.items():
                    self.send_header(name, str(value))
                self.end_headers()
                self.wfile.write(ANSWER)

            def log_message(self, *_):
                pass

        class Listener(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_):
                pass

            def finish_request(self, request, address):
                if shown is not None:
                    request.settimeout(20)
                    request = self.context.wrap_socket(request, server_side=True, do_handshake_on_connect=False)
                    if not self.shakes_hands(request):
                        return
                super().finish_request(request, address)

            def shakes_hands(self, request):
                """A client that is refused learns why: its bytes are read until it ends, or it would see a reset."""
                try:
                    request.do_handshake()
                except OSError:
                    with contextlib.suppress(OSError):
                        request.shutdown(socket.SHUT_WR)
                        while request.recv(4096):
                            pass
                    return False
                return True

        self.requests = []
        self.server = Listener((HOST, 0), Handler)
        self.port = self.server.server_port
        self.scheme = "https" if shown is not None else "http"
        if shown is not None:
            self.server.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.server.context.load_cert_chain(shown.cert, shown.key)
        if trusted is not None:
            self.server.context.verify_mode = ssl.CERT_REQUIRED
            self.server.context.load_verify_locations(trusted.cert)
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def url(self, scheme=None):
        return f"{scheme or self.scheme}://localhost:{self.port}"

    def of(self, path):
        return [request for request in self.requests if request[0] == path]

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


class ConnectProxy:
    """Passes what CONNECT asks for on to who shows the `login`. Notes the head of each request."""

    def __init__(self, login):
        self.login = b"Basic " + base64.b64encode(login.encode())
        self.heads = []
        self.listener = socket.create_server((HOST, 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def serve(self, client):
        with client, contextlib.suppress(OSError):
            head = b""
            while b"\r\n\r\n" not in head:
                head += client.recv(4096)
            self.heads.append(head)
            if self.login not in head:
                client.sendall(b"HTTP/1.1 407 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                return
            target = head.split()[1].decode().rpartition(":")
            with socket.create_connection((target[0], int(target[2]))) as server:
                client.sendall(b"HTTP/1.1 200 Yes\r\n\r\n")
                threading.Thread(target=self.pump, args=(server, client), daemon=True).start()
                self.pump(client, server)

    def pump(self, source, sink):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)

    def stop(self):
        self.listener.close()


@pytest.fixture
def serve():
    """Makes what is stopped at the end."""
    with contextlib.ExitStack() as stack:

        def start(kind, *args, **options):
            thing = kind(*args, **options)
            stack.callback(thing.stop)
            return thing

        yield start


def write(folder, url, **both):
    """A webhook and a prediction API behind one URL, with the same settings."""
    folder.mkdir(exist_ok=True)
    (folder / "in.jsonl").write_text(json.dumps(EVENT) + "\n")
    both = {
        name: {k: str(v) for k, v in value.items()} if isinstance(value, dict) else str(value)
        for name, value in both.items()
    }
    path = folder / "p.yaml"
    path.write_text(
        yaml.safe_dump(
            {
                "source": {"plugin": "file", "path": str(folder / "in.jsonl")},
                "store": {"plugin": "lmdb", "path": str(folder / "store")},
                "sinks": [
                    {
                        "plugin": "alert",
                        "to": ["webhook"],
                        "webhook_url": f"{url}/hook",
                        **{f"webhook_{name}": value for name, value in both.items()},
                    },
                    {"plugin": "prediction", "input": "triggers", "url": url, "retry_min": "50ms", **both},
                ],
                "dead_letters": {"plugin": "file", "path": str(folder / "dead.jsonl")},
            },
            sort_keys=False,
        )
    )
    return path


def run(path, env=None):
    return run_churnd("-c", path, cwd=path.parent, check=0, timeout=120, env={"LOG_LEVEL": "DEBUG", **(env or {})})


def certificate(one):
    return {"cert_file": one.cert, "key_file": one.key}


def test_a_request_says_who_sends_it(made, serve, tmp_path):
    """With mutual TLS, by Bearer and by Basic, with headers of one's own; none of it is shown anywhere."""
    server = serve(Server, made["server"], trusted=made["ca"])
    trust = {"ca_file": made["ca"].cert, **certificate(made["client"])}
    headers = {"X-Tenant": f"tenant-{CANARY}"}
    logins = {
        "bearer": ({"bearer": f"token-{CANARY}"}, f"Bearer token-{CANARY}"),
        "basic": (
            {"user": "churn", "password": f"pass:{CANARY}"},
            "Basic " + base64.b64encode(f"churn:pass:{CANARY}".encode()).decode(),
        ),
    }
    for name, (login, expected) in logins.items():
        path = write(tmp_path / name, server.url(), headers=headers, **trust, **login)
        done = run(path)
        for asked in ("/hook", "/api/predict"):
            [(_, sent, who)] = server.of(asked)
            assert who == "client" and sent["Authorization"] == expected and sent["X-Tenant"] == headers["X-Tenant"]
        server.requests.clear()
        for arguments in (["check", "--connect"], ["graph"]):
            said = run_churnd(*arguments, "-c", path, check=0)
            assert CANARY not in said.stdout + said.stderr
        assert CANARY not in done.stdout + done.stderr


def where_the_system_trusts(folder, listed, hashed):
    """A command in whose sight the system has one authority in its list and one in its folder; other programs see no change."""
    name = subprocess.run(
        ["openssl", "x509", "-noout", "-subject_hash", "-in", hashed.cert],
        check=True,
        capture_output=True,
        text=True,
    ).stdout.strip()
    folder.mkdir()
    shutil.copy(hashed.cert, folder / f"{name}.0")
    shutil.copy(listed.cert, folder / "ca-certificates.crt")
    own_user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    mount = f'mount --bind {shlex.quote(str(folder))} /etc/ssl/certs && exec "$@"'
    command = ["unshare", "--mount", *own_user, "sh", "-c", mount, "sh"]
    if subprocess.run([*command, "true"], capture_output=True).returncode != 0:
        pytest.skip("mounts of one's own are not allowed here")
    return command


def test_no_other_authority_than_those_of_ca_file(made, serve, tmp_path):
    """Also where the system keeps its own in a folder; nor for those who ask a pipeline's own listener."""
    system = where_the_system_trusts(tmp_path / "system", made["stranger"], made["ca"])
    server = serve(Server, made["server"])
    trusting = write(tmp_path / "trusting", server.url())
    run_churnd("check", "--connect", "-c", trusting, check=0, under=system)
    strict = write(tmp_path / "strict", server.url(), ca_file=made["stranger"].cert)
    said = run_churnd("check", "--connect", "-c", strict, check=1, under=system).stderr
    assert re.search("alert: .*set `webhook_ca_file` to the certificate of its authority", said), said
    assert re.search("prediction: .*set `ca_file` to the certificate of its authority", said), said

    own = yaml.safe_dump(
        {"listen": f"{HOST}:{server.port}", **{k: str(v) for k, v in certificate(made["intruder"]).items()}}
    )
    strict.write_text(strict.read_text() + f"health:\n{textwrap.indent(own, '  ')}")
    named = ["--url", f"https://localhost:{server.port}"]
    assert "SSL" not in run_churnd("health", *named, under=system).stderr
    for arguments in (["-c", strict], [*named, "--cacert", made["stranger"].cert]):
        assert "SSL certificate problem" in run_churnd("health", *arguments, check=1, under=system).stderr


@pytest.mark.parametrize(
    "case, says",
    [
        ("a foreign authority", "set `(webhook_)?ca_file` to the certificate of its authority"),
        ("another name", "subject name.*name it in `(webhook_)?url` as its certificate does"),
        ("expired", "expired; have that certificate renewed"),
        ("no certificate", "wants a certificate of its clients; set `(webhook_)?cert_file` and `(webhook_)?key_file`"),
        ("a stranger's certificate", "does not trust the authority of this client's certificate; set `(webhook_)?cert"),
        ("an expired certificate", "this client's certificate has expired; set `(webhook_)?cert_file`"),
        ("no TLS there", "does not speak TLS at this port; correct `(webhook_)?url`: http in place of https"),
        ("no TLS here", "does not speak clear HTTP at this port.*write https in `(webhook_)?url`"),
        ("nobody", "start it, or correct `(webhook_)?url`"),
    ],
)
def test_what_is_wrong_is_told_apart(made, serve, tmp_path, case, says):
    clear = case == "no TLS there"
    shown = {"another name": "elsewhere", "expired": "old"}.get(case, "server")
    server = (
        serve(Server) if clear else serve(Server, made[shown], trusted=made["ca"] if "certificate" in case else None)
    )
    url = f"https://localhost:{server.port}"
    own = {"a stranger's certificate": "intruder", "an expired certificate": "old client"}.get(case)
    settings = {
        "ca_file": made["stranger" if case == "a foreign authority" else "ca"].cert,
        **(certificate(made[own]) if own else {}),
    }
    if case == "no TLS here":
        url, settings = server.url("http"), {}
    elif case == "nobody":
        url = f"https://localhost:{free_port()}"
    done = run_churnd("check", "--connect", "-c", write(tmp_path, url, **settings), check=1)
    for sink in ("alert", "prediction"):
        assert re.search(f"p.yaml:[0-9:]+ .*{sink}: .*cannot be reached: .*{says}", done.stderr), done.stderr


def test_combinations_that_are_refused(made, tmp_path):
    """Each with the line and column of the option at fault, and without its value."""
    ca, client, other = made["ca"], made["client"], made["server"]
    locked = tmp_path / "locked.key"
    ca._openssl("rsa", "-in", client.key, "-aes128", "-passout", "pass:x", "-out", locked)
    cases = [
        ({"password": CANARY}, "password", "needs `user`"),
        ({"user": "a:b", "password": CANARY}, "user", "colon"),
        ({"user": "a", "bearer": CANARY}, "user", "and `bearer` exclude each other"),
        ({"bearer": CANARY, "headers": {"authorization": CANARY}}, "bearer", "an Authorization among `headers`"),
        ({"bearer": f"{CANARY}\n"}, "bearer", "control character"),
        ({"cert_file": client.cert}, "cert_file", "needs `key_file`"),
        ({"key_file": client.key}, "key_file", "needs `cert_file`"),
        ({"cert_file": client.cert, "key_file": other.key}, "key_file", "is not the key of the certificate"),
        ({"cert_file": client.key, "key_file": client.key}, "cert_file", "no certificate in PEM"),
        ({"cert_file": client.cert, "key_file": client.cert}, "key_file", "no private key in PEM"),
        ({"cert_file": client.cert, "key_file": locked}, "key_file", "needs a passphrase"),
        ({"ca_file": client.key}, "ca_file", "no certificate in PEM"),
        ({"ca_file": tmp_path}, "ca_file", "is no file"),
        ({"ca_file": tmp_path / "absent"}, "ca_file", "cannot be read: No such file"),
        ({"proxy": "ftp://proxy"}, "proxy", "of http, https or socks5h"),
        ({"proxy": f"http://{CANARY}@proxy/path"}, "proxy", "without a path"),
    ]
    for settings, option, says in cases:
        path = write(tmp_path / "case", "https://localhost:1", **settings)
        done = run_churnd("check", "-c", path, check=1)
        lines = path.read_text().splitlines()
        for prefix, sink in (("webhook_", "alert"), ("", "prediction")):
            said = re.sub("`([a-z])", rf"`{prefix}\1", says)
            found = re.search(rf"p.yaml:(\d+):(\d+): .*{sink}: {prefix}{option}: .*{said}", done.stderr)
            assert found, (settings, done.stderr)
            assert lines[int(found[1]) - 1].strip().startswith(f"{prefix}{option}:"), (settings, done.stderr)
        assert CANARY not in done.stderr + done.stdout
    done = run_churnd("check", "-c", write(tmp_path / "case", "http://localhost:1", ca_file=ca.cert), check=1)
    assert done.stderr.count("is for https") == 2, done.stderr


def test_a_login_in_the_clear_is_warned_of(tmp_path):
    """Beyond this machine, be it the server or the proxy; told by `check` and at the start, as a service mesh may encrypt."""
    login = {"user": "churn", "password": CANARY, "headers": {"X-Key": CANARY}}
    done = run_churnd("check", "-c", write(tmp_path / "far", "http://192.0.2.1", **login), check=0)
    for option in ("password", "headers", "webhook_password", "webhook_headers"):
        assert re.search(f"warning: .*: {option}: is sent unencrypted to http://192.0.2.1; use https", done.stderr), (
            done.stderr
        )
    near = run_churnd("check", "-c", write(tmp_path / "near", "http://localhost:1", **login), check=0)
    assert "unencrypted" not in near.stderr
    by = run_churnd(
        "check", "-c", write(tmp_path / "by", "http://localhost:1", proxy="http://192.0.2.2:3128", **login), check=0
    )
    assert by.stderr.count("is sent unencrypted to http://localhost:1") == 4, by.stderr
    keyed = run_churnd(
        "check",
        "-c",
        write(tmp_path / "keyed", "https://localhost:1", proxy=f"http://u:{CANARY}@192.0.2.2:3128"),
        check=0,
    )
    assert keyed.stderr.count("proxy: is sent unencrypted to 192.0.2.2:3128") == 2, keyed.stderr
    assert CANARY not in done.stderr + by.stderr + keyed.stderr


def test_through_a_proxy(made, serve, tmp_path):
    """It sees its own login and where to, and nothing that is for the server. The environment's proxy is not used."""
    server = serve(Server, made["server"])
    proxy = serve(ConnectProxy, f"me:{CANARY}-proxy")
    url = f"http://me:{CANARY}-proxy@{HOST}:{proxy.port}"
    settings = {"ca_file": made["ca"].cert, "bearer": f"{CANARY}-api"}
    path = write(tmp_path / "by", server.url(), proxy=url, **settings)
    done = run(path)
    assert server.of("/hook") and server.of("/api/predict")
    assert proxy.heads and all(f"CONNECT localhost:{server.port} ".encode() in head for head in proxy.heads)
    assert not any(f"{CANARY}-api".encode() in head for head in proxy.heads)
    checked = run_churnd("check", "--connect", "-c", path, check=0)
    assert CANARY not in done.stderr + done.stdout + checked.stderr + checked.stdout
    refused = run_churnd(
        "check",
        "--connect",
        "-c",
        write(tmp_path / "no", server.url(), proxy=f"http://me:no@{HOST}:{proxy.port}", **settings),
        check=1,
    )
    assert re.search("prediction: .*407; correct `proxy`", refused.stderr), refused.stderr
    assert re.search("alert: .*407; correct `webhook_proxy`", refused.stderr), refused.stderr
    absent = f"http://{HOST}:{free_port()}"
    gone = run_churnd(
        "check", "--connect", "-c", write(tmp_path / "gone", server.url(), proxy=absent, **settings), check=1
    )
    assert re.search("prediction: .*start it, or correct `proxy`", gone.stderr), gone.stderr
    run(
        write(tmp_path / "around", server.url(), **settings),
        env={"https_proxy": absent, "HTTPS_PROXY": absent, "ALL_PROXY": absent},
    )


def test_what_the_docs_show(made, tmp_path):
    """As it stands there; once the files and the secrets are named."""
    [text] = re.findall(
        "^```yaml\n(.*?)^```$",
        (SRC / "docs/connections.md").read_text().split("## HTTP")[1].split("\n## ")[0],
        re.M | re.S,
    )
    (tmp_path / "p.yaml").write_text(text)
    named = {
        "KAFKA_BROKER": "localhost:9092",
        "REDIS_HOST": HOST,
        "REDIS_PORT": "6379",
        "API_URL": "https://localhost",
        "WEBHOOK_URL": "https://localhost/alerts",
        "CA_FILE": str(made["ca"].cert),
        "CERT_FILE": str(made["client"].cert),
        "KEY_FILE": str(made["client"].key),
        "API_TOKEN": CANARY,
        "WEBHOOK_PASSWORD": CANARY,
        "TENANT": "a",
        "PROXY": "",
    }
    run_churnd("check", "-c", tmp_path / "p.yaml", env=named, check=0)
    done = run_churnd("check", "-c", tmp_path / "p.yaml", env={**named, "API_TOKEN": ""}, check=1)
    assert "set the token of the prediction API" in done.stderr


def test_nothing_follows_a_redirect(made, serve, stack):
    """Neither login nor event go to where a server points, even at the same name; the log says what to do."""
    other = serve(Server, made["server"])
    server = serve(Server, made["server"], to=f"{other.url()}/hook")
    path = write(stack.folder, server.url(), ca_file=made["ca"].cert, bearer=CANARY)
    daemon = stack.churnd("-c", path)
    wait_for("both to be told", lambda: len(re.findall("redirects, which is not followed", daemon.err)) >= 2, 60)
    daemon.kill()
    assert server.of("/hook") and server.of("/api/predict") and not other.requests
    assert CANARY not in daemon.err


def test_the_former_name_of_bearer(serve, tmp_path):
    server = serve(Server)
    path = write(tmp_path, server.url())
    text = path.read_text()
    path.write_text(text.replace("plugin: prediction", f"plugin: prediction\n  token: {CANARY}"))
    done = run(path)
    [(_, sent, _)] = server.of("/api/predict")
    assert sent["Authorization"] == f"Bearer {CANARY}" and "bearer" in done.stderr and CANARY not in done.stderr
    path.write_text(text.replace("plugin: prediction", f"plugin: prediction\n  token: {CANARY}\n  bearer: {CANARY}"))
    assert "token: is the former name of `bearer`" in run_churnd("check", "-c", path, check=1).stderr
