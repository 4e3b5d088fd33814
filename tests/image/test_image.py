"""What docs/install.md promises of the images. A container is a root of its own that cannot be written to, but for its volume,
with churnd as its first process, the image's user and environment, and no capability; only its network is this machine's."""

import json
import os
import pathlib
import shutil
import signal
import subprocess

import oracle
import pytest
import yaml
from services import HOST, Process, free_port, wait_for

VOLUME = "/var/lib/churnd"
MAX_MB = 120


class Image:
    """What buildah mounts and says of one, in folder NAME of CHURN_IMAGES."""

    def __init__(self, name):
        folder = pathlib.Path(os.environ["CHURN_IMAGES"])
        self.root = pathlib.Path((folder / f"{name}.root").read_text().strip())
        self.config = json.loads((folder / f"{name}.json").read_text())["Docker"]["config"]
        self.user, self.group = self.config["User"].split(":")
        self.env = dict(pair.split("=", 1) for pair in self.config["Env"])


CHURND, API = Image("churnd"), Image("prediction-api")
ROOT, CONFIG = CHURND.root, CHURND.config

# $1: the image's files, $2: the volume's folder and $3 where it belongs. What is mounted goes with the mount namespace.
ENTER = """
mount --bind "$1" "$1"
mount -o remount,bind,ro "$1"
mount -t proc proc "$1/proc"
mount -t tmpfs -o mode=755 dev "$1/dev"
for device in null zero full random urandom; do
    touch "$1/dev/$device"
    mount --bind "/dev/$device" "$1/dev/$device"
done
[ -z "$2" ] || mount --bind "$2" "$1$3"
cd "$1"
exec chroot . setpriv --reuid "$4" --regid "$5" --clear-groups --no-new-privs --bounding-set=-all --inh-caps=-all \\
    env -i -C "$6" "${@:7}"
"""


def has_private_mounts():
    return subprocess.run(["unshare", "--mount", "true"], capture_output=True).returncode == 0


def unmount():
    """What a machine whose mounts cannot be cut off, such as within a chroot, has seen of a container."""
    for image in (CHURND, API):
        while subprocess.run(["umount", "-R", image.root], capture_output=True).returncode == 0:
            pass


class Container:
    """A run of an image: of its entry point with arguments, or of another command."""

    def __init__(self, folder, name, *arguments, env=(), volume=None, image=CHURND, command=None):
        self.image, self.volume = image, volume
        if volume is None and image.config.get("Volumes"):
            self.volume = folder / f"{name}.volume"
            shutil.copytree(image.root / VOLUME[1:], self.volume)
            os.chown(self.volume, int(image.user), int(image.group))
        self.env = {**image.env, **dict(env)}
        self.process = Process(self.inside(command or [*image.config["Entrypoint"], *arguments]), folder, name)

    def inside(self, command):
        return [
            *("unshare", "--mount", "--pid", "--fork", "--kill-child"),
            *([] if has_private_mounts() else ["--propagation", "unchanged"]),
            *("bash", "-euc", ENTER, "container", self.image.root, self.volume or "", VOLUME),
            *(self.image.user, self.image.group, self.image.config["WorkingDir"], *self.pairs(), *command),
        ]

    def pairs(self):
        return [f"{name}={value}" for name, value in self.env.items()]

    def first(self):
        """The first process's id, as this machine sees it, once it runs the image's program."""
        children = pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        found = children.read_text().split() if children.exists() else []
        name = os.readlink(f"/proc/{found[0]}/exe").rpartition("/")[2] if found else None
        return int(found[0]) if name not in (None, "bash", "chroot", "setpriv", "env") else None

    def stop(self):
        """As a container is stopped: the exit status."""
        number = getattr(signal, self.image.config.get("StopSignal") or "SIGTERM")
        os.kill(wait_for("the container's program", self.first), number)
        return self.process.wait(60)

    def check_health(self, *more, change=lambda word: word):
        """The image's health check."""
        kind, *command = self.image.config["Healthcheck"]["Test"]
        assert kind == "CMD"
        return self.execute(*(change(word) for word in command), *more)

    def execute(self, *command):
        """In the container that runs, as `docker exec` does."""
        return subprocess.run(
            [
                *("nsenter", "--target", str(wait_for("its program", self.first)), "--mount", "--pid", "--root"),
                *("setpriv", "--reuid", self.image.user, "--clear-groups"),
                *("env", "-i", "-C", self.image.config["WorkingDir"], *self.pairs()),
                *command,
            ],
            capture_output=True,
            text=True,
            timeout=60,
        )


@pytest.fixture
def run(tmp_path):
    made = []

    def start(name, *arguments, **how):
        made.append(Container(tmp_path, name, *arguments, **how))
        return made[-1]

    yield start
    for container in made:
        container.process.end()
    unmount()


# --- What it is ---


def test_it_is_small():
    """With all that lies in it, as it lies on the disk."""
    size = int(subprocess.run(["du", "-sxm", ROOT], check=True, capture_output=True, text=True).stdout.split()[0])
    print(f"{size} MB")
    assert size < MAX_MB
    for folder in ("usr/share/man", "usr/share/locale", "var/lib/apt/lists", "var/cache/apt", "usr/include"):
        assert not any((ROOT / folder).glob("*")), folder
    assert not list(ROOT.rglob("*.a"))
    own = {str(p.relative_to(ROOT)) for p in ROOT.rglob("*churn*") if "/plugins-1/" not in str(p)}
    assert own == {
        *("etc/churnd", "usr/bin/churnd", "usr/lib/churn", "usr/share/doc/churnd", "var/lib/churnd"),
    }, "of churnd what runs pipelines, and no more"


def test_it_is_described():
    assert CONFIG["Entrypoint"] == ["churnd"] and not CONFIG["Cmd"]
    assert list(CONFIG["Volumes"]) == [VOLUME] and CONFIG["WorkingDir"] == VOLUME
    assert list(CONFIG["ExposedPorts"]) == ["8080/tcp"]
    labels = {name.removeprefix("org.opencontainers.image."): value for name, value in CONFIG["Labels"].items()}
    assert labels["title"] == "churnd" and labels["licenses"] == "Apache-2.0" and labels["version"] == "test"


def test_nothing_in_it_raises_privileges():
    assert int(CHURND.user) > 0 and int(CHURND.group) > 0, "by number, for Kubernetes' runAsNonRoot"
    files = [p for p in ROOT.rglob("*") if p.is_file() and not p.is_symlink()]
    assert len(files) > 1000
    assert [p for p in files if p.stat().st_mode & 0o6000] == []
    theirs = [p for p in ROOT.rglob("*") if p.lstat().st_uid == int(CHURND.user)]
    assert theirs == [ROOT / VOLUME[1:]], "what it runs cannot be changed by it"


# --- What it does ---


def test_the_quickstart(run):
    first = run("first", "-c", "/etc/churnd/quickstart.yaml")
    assert first.process.wait(120) == 0, first.process.err
    assert "20,000   applied 19,797" in first.process.out
    again = run("again", "-c", "/etc/churnd/quickstart.yaml", volume=first.volume)
    assert again.process.wait(60) == 0, again.process.err
    shown = run("shown", "profile", "-c", "/etc/churnd/quickstart.yaml", "cust_000001", volume=first.volume)
    assert shown.process.wait(60) == 0 and "events_total               2663" in shown.process.out


def test_a_container_may_do_nothing_else(run):
    script = "id -u; grep -E 'CapEff|CapBnd|NoNewPrivs' /proc/self/status; touch /etc/x /usr/bin/x /x; true"
    shell = run("shell", command=["sh", "-c", script])
    assert shell.process.wait(60) == 0
    user, *privileges = shell.process.out.split("\n")
    assert user == CHURND.user
    assert [line.split()[1].strip("0") for line in privileges[:3]] == ["", "", "1"]
    assert shell.process.err.count("Read-only file system") == 3, shell.process.err


def test_every_shipped_pipeline_is_good(run):
    pipelines = sorted(p.name for p in (ROOT / "etc/churnd").iterdir())
    assert pipelines == ["consumer.yaml", "producer.yaml", "quickstart.yaml"]
    for name in pipelines:
        checked = run(f"check-{name}", "check", "-c", f"/etc/churnd/{name}", "--deny-warnings")
        assert checked.process.wait(60) == 0, checked.process.err


def test_producer_and_consumer(run, stack, seed):
    """From one image: by their environment alone, against a real Kafka, Redis and prediction API; both stop when they are told to."""
    kafka, redis = stack.start_kafka(), stack.start_redis()
    ports = {name: free_port() for name in ("consumer", "producer", "api")}
    here = lambda word: word.replace("0.0.0.0:5000", f"{HOST}:{ports['api']}").replace(":5000", f":{ports['api']}")
    api = run("api", image=API, command=[here(word) for word in API.config["Cmd"]])
    wait_for("the API", lambda: api.check_health(change=here).returncode == 0, 60)
    env = {
        "KAFKA_BROKER": kafka.brokers,
        "REDIS_HOST": HOST,
        "REDIS_PORT": str(redis.port),
        "API_URL": f"http://{HOST}:{ports['api']}",
    }
    own = {**env, "CHURN_LISTEN": f"0.0.0.0:{ports['consumer']}"}
    consumer = run("consumer", env=own)
    producer = run(
        "producer",
        *("-c", "/etc/churnd/producer.yaml"),
        env={
            **env,
            "CHURN_LISTEN": f"0.0.0.0:{ports['producer']}",
            "CHURN_SEED": str(seed % 100000),
            "CHURN_BAD_SHARE": "0.01",
        },
    )
    wait_for("some profiles", lambda: len(redis.client.keys("profile:*")) > 100, 120)
    wait_for("its health", lambda: consumer.check_health("--ready").returncode == 0, 60)
    healthy = consumer.check_health()
    assert healthy.returncode == 0 and json.loads(healthy.stdout)["status"] == "alive", healthy
    wait_for("no lag", lambda: consumer.check_health("--max-lag", "10s").returncode == 0, 60)
    tried = consumer.execute("churnd", "check", "--connect")
    assert tried.returncode == 0, tried
    shown = consumer.execute("churnd", "top", "--once")
    assert shown.returncode == 0 and "churn-consumer" in shown.stdout, shown
    tapped = consumer.execute("churnd", "tap", "--at", "events", "--limit", "1", "--format", "json")
    assert tapped.returncode == 0 and json.loads(tapped.stdout)["key"].startswith("cust_"), tapped
    assert producer.stop() == 0, producer.process.err[-3000:]
    model = oracle.Model().feed_topics(kafka.brokers, ["customer-events"])
    assert model.events > 100 and model.dead

    def settled():
        return sum(int(profile["events_total"]) for profile in redis.hashes("profile:").values()) == model.events

    wait_for("all events", settled, 120)
    oracle.assert_profiles(model, redis.hashes("profile:"))
    wait_for("its predictions", lambda: redis.hashes("prediction:").keys() == model.triggers.keys(), 120)
    follow_the_runbook(consumer, model)

    # Kafka is away: a restart would not mend that, and the container is told to be well, though not ready.
    kafka.halt()
    wait_for("the trouble", lambda: consumer.check_health("--ready").returncode == 1, 60)
    assert consumer.check_health().returncode == 0
    kafka.start()
    wait_for("its health", lambda: consumer.check_health("--ready").returncode == 0, 120)
    assert consumer.stop() == 0, consumer.process.err[-3000:]
    assert "SIGTERM: finishing what was read" in consumer.process.err

    # As the runbook has it for containers: a replay is the same image with other arguments, while nothing else runs.
    lost = next(iter(model.profiles))
    redis.client.delete(f"profile:{lost}")
    replay = run("replay", "--until-end", "--replay-from", "yesterday", env=own)
    assert replay.process.wait(120) == 0, replay.process.err[-3000:]
    oracle.assert_profiles(model, redis.hashes("profile:"))
    assert api.stop() == 0, api.process.err
    ask_a_model_server(run, stack, env, model)


def follow_the_runbook(consumer, model):
    """What docs/operations.md does beside a run, in the run's container."""

    def told(*words):
        done = consumer.execute("churnd", *words)
        assert done.returncode == 0, done
        return done.stdout + done.stderr

    assert ": the same in the store" in told("explain", next(iter(model.profiles)), "events_total")
    told("rebuild", "--into", "check:")
    assert "0 different, 0 missing here, 0 missing there" in told("verify", "--against", "check:")
    assert "redriven" in told("redrive", "--since", "24h")
    told("check")
    os.kill(consumer.first(), signal.SIGHUP)
    wait_for("the reload", lambda: "reloaded churn-consumer" in consumer.process.err, 60)


FEATURES = ["events_total", "total_spent"]


def ask_a_model_server(run, stack, env, model):
    """Another pipeline, from the volume, that reads the same events and asks by the Open Inference Protocol."""
    server, pipeline = stack.start_scripted(), "kserve.yaml"
    server.mode = answer_as_kserve
    settings = {
        "name": "kserve",
        "source": {
            "plugin": "kafka",
            "brokers": "${KAFKA_BROKER}",
            "topics": ["customer-events"],
            "group_id": "kserve",
            "start": "beginning",
        },
        "store": {"plugin": "redis", "host": "${REDIS_HOST}", "port": "${REDIS_PORT}", "key_prefix": "kserve:"},
        "sinks": [
            {
                "plugin": "prediction",
                "url": server.url,
                "format": "kserve_v2",
                "model": "churn",
                "outputs": ["predict_proba"],
                "features": [{"field": name, "missing": 0} for name in FEATURES],
                "brokers": "${KAFKA_BROKER}",
                "topic": "kserve-predictions",
                "queue_topic": "kserve-requests",
                "cache_prefix": "kserve-prediction:",
            }
        ],
        "dead_letters": {"plugin": "file", "path": "dead.jsonl"},
    }
    volume = stack.folder / "kserve.volume"
    volume.mkdir()
    (volume / pipeline).write_text(yaml.safe_dump(settings, sort_keys=False))
    os.chown(volume, int(CHURND.user), int(CHURND.group))
    asked = run("kserve", "-c", pipeline, "--until-end", env=env, volume=volume)
    assert asked.process.wait(120) == 0, asked.process.err[-3000:]
    oracle.assert_profiles(model, stack.redis.hashes("kserve:"))
    predictions = stack.redis.hashes("kserve-prediction:")
    assert predictions.keys() == model.triggers.keys()
    assert {float(prediction["churn_probability"]) for prediction in predictions.values()} == {0.25}
    assert server.requests
    for request in server.requests:
        assert request["path"] == "/v2/models/churn/infer"
        assert [tensor["name"] for tensor in json.loads(request["body"])["inputs"]] == FEATURES


def answer_as_kserve(request):
    rows = json.loads(request["body"])["inputs"][0]["shape"][0]
    output = {"name": "predict_proba", "datatype": "FP64", "shape": [rows, 2], "data": [0.75, 0.25] * rows}
    return 200, json.dumps({"model_name": "churn", "outputs": [output]}).encode()


def test_the_health_check_fails_where_nobody_answers(run):
    """As of a pipeline that does not listen."""
    port = free_port()
    quiet = run("quiet", "-c", "/etc/churnd/producer.yaml", env={"CHURN_LISTEN": "", "KAFKA_BROKER": f"{HOST}:{port}"})
    failed = quiet.check_health()
    assert failed.returncode == 1 and "listens nowhere" in failed.stderr, failed
    quiet.env["CHURN_LISTEN"] = f"{HOST}:{port}"
    failed = quiet.check_health()
    assert failed.returncode == 1 and f"http://{HOST}:{port}/healthz" in failed.stderr, failed
    assert quiet.stop() == 0, quiet.process.err
