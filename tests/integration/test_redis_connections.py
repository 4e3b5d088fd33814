"""Ways to Redis: TLS, Unix sockets, Sentinels. Real servers with certificates of the tests' own; what cannot work is told apart."""

import json
import re
import signal
import socket
import time
import urllib.error
import urllib.request

import events
import oracle
import pytest
import redis as redis_client
import yaml
from certificates import Authority
from services import HOST, SRC, Redis, free_port, run_churnd, wait_for

PASSWORD = "canary-of-redis"


class Pki:
    def __init__(self, folder):
        self.ca, self.foreign = Authority(folder, "own-ca"), Authority(folder, "foreign-ca")
        self.good = self.ca.issue("good")
        self.named = self.ca.issue("named", hosts=["DNS:redis.example", "DNS:*.cache.example", "IP:10.9.8.7"])
        self.common = self.ca.issue("localhost", hosts=[])  # the name as in former times: the subject's alone
        self.expired = self.ca.issue("expired", years=(2020, 2021))
        self.early = self.ca.issue("early", years=(2090, 2100))
        self.client, self.stranger = self.ca.issue("client"), self.foreign.issue("stranger")
        self.old_client = self.ca.issue("old-client", years=(2020, 2021))


def tls_options(pki, port):
    names = {"cert-file": pki.good.cert, "key-file": pki.good.key, "ca-cert-file": pki.ca.cert, "auth-clients": "no"}
    return ["--tls-port", port, *(word for name, value in names.items() for word in (f"--tls-{name}", value))]


class SecureRedis(Redis):
    """A Redis with a port for TLS, one without, and a Unix socket."""

    def __init__(self, folder, pki):
        self.pki, self.tls_port, self.socket = pki, free_port(), folder / "redis.sock"
        super().__init__(
            folder, password=PASSWORD, options=[*tls_options(pki, self.tls_port), "--unixsocket", self.socket]
        )

    def present(self, certificate, **settings):
        """Goes on with another certificate, and with other settings, for new connections."""
        pairs = {"tls-cert-file": certificate.cert, "tls-key-file": certificate.key}
        pairs.update({name.replace("_", "-"): value for name, value in settings.items()})
        self.client.execute_command("CONFIG", "SET", *(word for pair in pairs.items() for word in map(str, pair)))

    def cut(self):
        """Ends all connections but the test's own."""
        self.client.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")


@pytest.fixture(scope="module")
def pki(tmp_path_factory):
    return Pki(tmp_path_factory.mktemp("pki"))


@pytest.fixture(scope="module")
def one_server(pki, tmp_path_factory):
    made = SecureRedis(tmp_path_factory.mktemp("redis") / "server", pki)
    yield made
    made.stop()


@pytest.fixture
def server(one_server, pki):
    one_server.present(pki.good, tls_auth_clients="no", tls_protocols="")
    one_server.client.flushall()
    return one_server


def write_pipeline(folder, store, lines=300, follow=False):
    """A pipeline that reads a file, with everything that keeps something in Redis."""
    path, config = folder / "events.jsonl", folder / "pipeline.yaml"
    if not path.exists():
        path.write_bytes(b"".join(value + b"\n" for _, value in events.load(lines, 40, 7)))
    config.write_text(
        yaml.safe_dump(
            {
                "source": {"plugin": "file", "path": str(path), "follow": follow},
                "processors": [{"plugin": "dedup"}],
                "store": {"plugin": "redis", **{name: str(value) for name, value in store.items()}},
                "sinks": [{"plugin": "prediction_local"}],
                "dead_letters": {"plugin": "file", "path": str(folder / "dead.jsonl")},
            }
        )
    )
    return path, config


def add(path, prefix):
    """More events, that are unlike those there already."""
    with path.open("ab") as file:
        file.write(b"".join(value + b"\n" for _, value in events.load(200, 60, 8, event_prefix=prefix)))


def listening(config):
    """Gives the pipeline a listener; returns what `/readyz` says when asked."""
    port = free_port()
    with config.open("a") as file:
        file.write(f"health: {{listen: '{HOST}:{port}'}}\n")

    def ready():
        try:
            with urllib.request.urlopen(f"http://{HOST}:{port}/readyz", timeout=10) as answer:
                return answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.read().decode()
        except OSError:
            return ""

    return ready


def model_of(path):
    model = oracle.Model()
    model.feed_lines(path, path.name)
    return model


def secure(server, **more):
    return {"url": f"rediss://:{PASSWORD}@{HOST}:{server.tls_port}", "ca_file": server.pki.ca.cert, **more}


def check(folder, store):
    done = run_churnd("check", "-c", write_pipeline(folder, store)[1], "--connect", "--format", "json")
    assert PASSWORD not in done.stdout + done.stderr
    return done.returncode, [f for f in json.loads(done.stdout) if f["severity"] == "error"]


def fault(folder, store):
    """The one thing that `check --connect` finds wrong, and the option whose line it names."""
    status, errors = check(folder, store)
    assert status == 1 and len(errors) == 1, errors
    line = (folder / "pipeline.yaml").read_text().splitlines()[errors[0]["line"] - 1]
    return errors[0]["message"], line.split(":")[0].strip()


# --- what works ---


def test_ways_that_work(server, pki, tmp_path):
    port, tls_port = server.port, server.tls_port
    client = {"cert_file": pki.client.cert, "key_file": pki.client.key}
    ways = [
        {"url": f"redis://:{PASSWORD}@{HOST}:{port}/2"},
        {"url": f"unix://{server.socket}", "password": PASSWORD},
        secure(server),
        secure(server, url=f"rediss://default:{PASSWORD}@localhost:{tls_port}/1"),
        {"host": HOST, "port": tls_port, "tls": "true", "password": PASSWORD, "ca_file": pki.ca.cert},
        secure(server, **client),
    ]
    for way in ways:
        assert check(tmp_path, way) == (0, []), way
    server.present(pki.named)
    for more in ({"server_name": "redis.example"}, {"server_name": "a.cache.example"}, {"server_name": "10.9.8.7"}):
        assert check(tmp_path, secure(server, **more)) == (0, []), more
    assert check(tmp_path, secure(server, check_name="false")) == (0, [])
    for protocols in ("TLSv1.2", "TLSv1.3"):
        server.present(pki.good, tls_protocols=protocols, tls_auth_clients="yes")
        assert check(tmp_path, secure(server, **client)) == (0, [])


def test_everything_over_tls(server, pki, stack):
    """A run with every part that keeps something in Redis, and the commands that look at it."""
    server.present(pki.good, tls_auth_clients="yes")
    path, config = write_pipeline(
        stack.folder, secure(server, cert_file=pki.client.cert, key_file=pki.client.key), lines=4000
    )
    stack.run("-c", config, "--until-end")
    fields = server.hashes("profile:")
    oracle.assert_profiles(model_of(path), fields)
    assert server.hashes("prediction:") and server.client.keys("churnd:dedup:*")
    customer = next(iter(fields))
    shown = json.loads(run_churnd("profile", customer, "-c", config, "--format", "json", check=0).stdout)
    assert shown, shown
    run_churnd("explain", customer, "-c", config, check=0)
    run_churnd("rebuild", "-c", config, "--into", "rebuilt:", check=0)
    run_churnd("verify", "-c", config, "--against", "rebuilt:", check=0)
    assert server.hashes("rebuilt:").keys() == fields.keys()


def test_a_run_over_a_unix_socket(server, stack):
    path, config = write_pipeline(stack.folder, {"url": f"unix://{server.socket}", "password": PASSWORD})
    stack.run("-c", config, "--until-end")
    oracle.assert_profiles(model_of(path), server.hashes("profile:"))


def test_the_pipelines_of_the_manual(server, watched, pki, tmp_path):
    manual = (SRC / "docs/connections.md").read_text().split("\n## Redis")[1].split("\n## ")[0]
    pipelines = re.findall(r"```yaml\n(.*?)```", manual, re.DOTALL)
    assert len(pipelines) == 3
    server.present(pki.good, tls_auth_clients="yes")
    (tmp_path / "events.jsonl").touch()
    env = {
        "REDIS_USER": "default",
        "REDIS_HOST": HOST,
        "REDIS_TLS_PORT": str(server.tls_port),
        "REDIS_PASSWORD": PASSWORD,
        "REDIS_SOCKET": str(server.socket),
        "SENTINELS": ",".join(f"{HOST}:{port}" for port in watched.sentinel_ports),
        "SENTINEL_PASSWORD": f"{PASSWORD}-sentinels",
        "CA_FILE": str(pki.ca.cert),
        "CERT_FILE": str(pki.client.cert),
        "KEY_FILE": str(pki.client.key),
    }
    for text in pipelines:
        config = tmp_path / "pipeline.yaml"
        config.write_text(text)
        run_churnd("check", "-c", config, "--connect", env=env, cwd=tmp_path, check=0)


# --- what does not ---


@pytest.mark.parametrize(
    ("certificate", "more", "words", "option"),
    [
        ("good", {"ca_file": ""}, "of the authority '/CN=own-ca', which this system does not trust: set `ca_file`", ""),
        ("good", {"ca_file": "foreign"}, "'/CN=own-ca', which `ca_file` does not have", "ca_file"),
        (
            "named",
            {},
            "a certificate for 'redis.example', '*.cache.example', '10.9.8.7', not for '127.0.0.1': connect by",
            "",
        ),
        ("common", {"server_name": "localhost"}, "for no name (subjectAltName), not for 'localhost'", "server_name"),
        ("named", {"server_name": "a.b.cache.example"}, "not for 'a.b.cache.example'", "server_name"),
        ("named", {"server_name": "10.9.8.70"}, "not for '10.9.8.70'", "server_name"),
        ("expired", {}, "its certificate expired at 2021-01-01 00:00 UTC: renew it on the server", ""),
        ("early", {}, "valid from 2090-01-01 00:00 UTC only: is one of the clocks wrong?", ""),
        ("stranger", {}, "of the authority '/CN=foreign-ca', which `ca_file` does not have", "ca_file"),
    ],
)
def test_certificates_of_the_server(server, pki, tmp_path, certificate, more, words, option):
    more = {name: pki.foreign.cert if value == "foreign" else value for name, value in more.items()}
    server.present(getattr(pki, certificate))
    message, where = fault(tmp_path, secure(server, **more))
    assert words in message and where in (option or where), (message, where)


@pytest.mark.parametrize("protocol", ["TLSv1.2", "TLSv1.3"])
def test_certificates_of_ours(server, pki, tmp_path, protocol):
    server.present(pki.good, tls_auth_clients="yes", tls_protocols=protocol)
    message, _ = fault(tmp_path, secure(server))
    assert "asks for a client certificate, and there is none: set `cert_file` and `key_file`" in message
    for bad in (pki.stranger, pki.old_client):
        message, where = fault(tmp_path, secure(server, cert_file=bad.cert, key_file=bad.key))
        assert "refuses our client certificate" in message and where == "cert_file", (message, where)


def test_ports_with_and_without_tls(server, tmp_path):
    message, where = fault(tmp_path, secure(server, url=f"rediss://:{PASSWORD}@{HOST}:{server.port}"))
    assert "does not speak TLS on this port: name its TLS port" in message and where == "url", (message, where)
    message, where = fault(tmp_path, {"url": f"redis://:{PASSWORD}@{HOST}:{server.tls_port}"})
    assert "speaks TLS on this port: set `tls: true`" in message and where == "url", (message, where)
    message, _ = fault(tmp_path, {"host": HOST, "port": server.tls_port, "password": PASSWORD})
    assert "speaks TLS on this port" in message


def test_a_handshake_that_is_not_answered(server, tmp_path):
    with socket.create_server((HOST, 0)) as silent:
        began = time.monotonic()
        store = secure(server, url=f"rediss://{HOST}:{silent.getsockname()[1]}", connect_timeout="500ms")
        message, _ = fault(tmp_path, store)
        assert "has not answered the TLS handshake for 500 ms" in message
        assert time.monotonic() - began < 20


@pytest.mark.parametrize(
    ("store", "line", "words"),
    [
        ("{plugin: redis, url: 'rediss://x', host: y}", "2:49", "host: says what `url` says already"),
        ("{plugin: redis, url: 'rediss://x', port: 6379}", "2:49", "port: says what `url` says already"),
        ("{plugin: redis, url: 'rediss://x', tls: true}", "2:48", "tls: says what `url` says already"),
        ("{plugin: redis, url: 'redis://x', sentinels: [y], master: m}", "2:", "sentinels: says what `url` says"),
        ("{plugin: redis, sentinels: [y], master: m, host: z}", "2:", "host: is what the sentinels tell"),
        ("{plugin: redis, sentinels: [y], master: m, port: 1}", "2:", "port: is what the sentinels tell"),
        ("{plugin: redis, sentinels: [y]}", "2:", "sentinels: needs `master`"),
        ("{plugin: redis, sentinels: ['y:z'], master: m}", "2:", "sentinels: 'y:z' is no HOST:PORT"),
        ("{plugin: redis, master: m}", "2:", "master: needs `sentinels`"),
        ("{plugin: redis, sentinel_password: canary-of-redis}", "2:", "sentinel_password: needs `sentinels`"),
        (
            "{plugin: redis, sentinels: [y], master: m, sentinel_username: u}",
            "2:",
            "sentinel_username: needs a `sentinel_password`",
        ),
        ("{plugin: redis, ca_file: /etc/hostname}", "2:", "ca_file: needs TLS: set `tls: true`"),
        (
            "{plugin: redis, url: 'redis://x', server_name: y}",
            "2:",
            "server_name: needs TLS: begin `url` with rediss://",
        ),
        ("{plugin: redis, check_name: false}", "2:", "check_name: needs TLS"),
        ("{plugin: redis, tls: true, ca_file: /nowhere}", "2:", "ca_file: '/nowhere' cannot be read"),
        ("{plugin: redis, tls: true, ca_file: /etc/hostname}", "2:", "ca_file: '/etc/hostname' holds no certificate"),
        ("{plugin: redis, tls: true, cert_file: /etc/hostname}", "2:", "cert_file: needs `key_file` beside it"),
        ("{plugin: redis, tls: true, server_name: 'a b'}", "2:", "server_name: is neither a host name nor an address"),
        ("{plugin: redis, url: 'redis://u:canary-of-redis@x:y'}", "2:", "url: names no host and port"),
    ],
)
def test_options_that_do_not_fit(tmp_path, store, line, words):
    config = tmp_path / "pipeline.yaml"
    config.write_text(
        f"source: {{plugin: generate}}\nstore: {store}\ndead_letters: {{plugin: file, path: {tmp_path}/dead}}\n"
    )
    done = run_churnd("check", "-c", config, check=1)
    assert f"pipeline.yaml:{line}" in done.stderr and words in done.stderr, done.stderr
    assert PASSWORD not in done.stdout + done.stderr


def test_the_log_of_a_run(server, pki, stack):
    """What the configuration must change ends it at the start; what the server must change is waited for."""
    server.present(pki.expired)
    path, config = write_pipeline(stack.folder, secure(server))
    daemon = stack.churnd("-c", config, "--until-end")
    wait_for("the reason", lambda: "its certificate expired at 2021-01-01" in daemon.err)
    assert "waiting, nothing is lost" in daemon.err
    server.present(pki.good)
    assert daemon.wait(60) == 0
    oracle.assert_profiles(model_of(path), server.hashes("profile:"))
    for more, words in (
        ({"ca_file": pki.foreign.cert}, "which `ca_file` does not have"),
        ({"server_name": "other"}, "not for 'other'"),
        ({"url": f"rediss://{HOST}:{server.port}"}, "does not speak TLS on this port"),
        ({"url": f"rediss://:wrong@{HOST}:{server.tls_port}"}, "refuses the user name or the password"),
    ):
        write_pipeline(stack.folder, secure(server, **more))
        done = run_churnd("-c", config, "--until-end", check=1)
        assert words in done.stderr, done.stderr


# --- what changes under a run ---


def test_a_certificate_that_changes_under_a_run(server, pki, stack):
    """What is wrong is said while it is waited for; a renewed file of ours is read without a restart; nothing is lost."""
    ours = stack.folder / "ours.pem", stack.folder / "ours.key"
    for path, of in zip(ours, (pki.old_client.cert, pki.old_client.key), strict=True):
        path.write_bytes(of.read_bytes())
    path, config = write_pipeline(stack.folder, secure(server, cert_file=ours[0], key_file=ours[1]), follow=True)
    ready = listening(config)
    daemon = stack.churnd("-c", config)
    model = model_of(path)
    wait_for("profiles", lambda: not oracle.differences(model.profile_fields(), server.hashes("profile:")))
    for certificate, auth, words in (
        (pki.expired, "no", "its certificate expired at 2021-01-01"),
        (pki.named, "no", "not for '127.0.0.1'"),
        (pki.good, "yes", "refuses our client certificate"),
    ):
        server.present(certificate, tls_auth_clients=auth)
        server.cut()
        add(path, words)
        wait_for(words, lambda words=words: words in ready())
        assert daemon.running()
    for path_of_ours, of in zip(ours, (pki.client.cert, pki.client.key), strict=True):
        new = path_of_ours.with_suffix(".new")
        new.write_bytes(of.read_bytes())
        new.replace(path_of_ours)
    model = model_of(path)
    wait_for("the rest", lambda: not oracle.differences(model.profile_fields(), server.hashes("profile:")))
    assert daemon.terminate(30) == 0
    assert PASSWORD not in daemon.err


def test_a_password_that_changes_under_a_run(server, stack):
    """The server has the new one before the pipeline does: it waits, and SIGHUP brings it."""
    server.client.execute_command("ACL", "SETUSER", "app", "on", ">old-password", "~*", "+@all")
    store = secure(server, url=f"rediss://app@{HOST}:{server.tls_port}", password="${APP_PASSWORD}")
    path, config = write_pipeline(stack.folder, store, follow=True)
    ready = listening(config)
    env_file = stack.folder / "churnd" / ".env"
    env_file.parent.mkdir(exist_ok=True)
    env_file.write_text("APP_PASSWORD=old-password\n")
    daemon = stack.churnd("-c", config)
    model = model_of(path)
    wait_for("profiles", lambda: not oracle.differences(model.profile_fields(), server.hashes("profile:")))
    server.client.execute_command("ACL", "SETUSER", "app", "<old-password", ">new-password")
    server.cut()
    add(path, "late")
    wait_for("the refusal", lambda: "refuses the user name or the password" in ready())
    assert daemon.running()
    env_file.write_text("APP_PASSWORD=new-password\n")
    daemon.send(signal.SIGHUP)
    model = model_of(path)
    wait_for("the rest", lambda: not oracle.differences(model.profile_fields(), server.hashes("profile:")), 90)
    assert daemon.terminate(30) == 0


# --- Sentinels ---


class Watched:
    """A primary and a replica behind TLS and a password that three Sentinels watch, with TLS and a password of their own."""

    def __init__(self, folder, pki):
        self.things, self.ports = [], [free_port(), free_port()]
        quick = ["--repl-diskless-sync-delay", "0", "--repl-ping-replica-period", "1", "--tls-replication", "yes"]
        for i, port in enumerate(self.ports):
            follow = ["--replicaof", f"{HOST} {self.ports[0]}"] if i else []
            options = [*tls_options(pki, port), *quick, "--masterauth", PASSWORD, *follow]
            self.things.append(Redis(folder / f"server{i}", password=PASSWORD, options=options))
        self.servers = list(self.things)
        self.sentinel_ports = [free_port() for _ in range(3)]
        for i, port in enumerate(self.sentinel_ports):
            (folder / f"sentinel{i}").mkdir(parents=True)
            config = folder / f"sentinel{i}" / "sentinel.conf"
            config.write_text(
                f"sentinel monitor churn {HOST} {self.ports[0]} 2\nsentinel auth-pass churn {PASSWORD}\n"
                "sentinel down-after-milliseconds churn 1000\nsentinel failover-timeout churn 4000\n"
            )
            options = [*tls_options(pki, port), "--tls-replication", "yes"]
            program = ["redis-server", config, "--sentinel"]
            self.things.append(
                Redis(folder / f"run{i}", password=f"{PASSWORD}-sentinels", options=options, program=program)
            )
        self.sentinels = self.things[2:]
        wait_for("the Sentinels", lambda: all(self._knows(s) for s in self.sentinels), 60)

    def _knows(self, sentinel):
        state = sentinel.client.sentinel_master("churn")
        return state["num-slaves"] == 1 and state["num-other-sentinels"] == 2

    def primary(self):
        return next(s for s in self.servers if s.process.running() and s.client.info("replication")["role"] == "master")

    def stop(self):
        for thing in reversed(self.things):
            thing.stop()


@pytest.fixture(scope="module")
def watched(pki, tmp_path_factory):
    made = Watched(tmp_path_factory.mktemp("watched"), pki)
    yield made
    made.stop()


def by_sentinels(watched, pki, **more):
    dead = free_port()
    return {
        "sentinels": ",".join(f"{HOST}:{port}" for port in (dead, *watched.sentinel_ports)),
        "master": "churn",
        "password": PASSWORD,
        "sentinel_password": f"{PASSWORD}-sentinels",
        "tls": "true",
        "ca_file": pki.ca.cert,
        **more,
    }


def test_what_is_wrong_with_sentinels(watched, pki, tmp_path):
    done = run_churnd("check", "-c", write_pipeline(tmp_path, by_sentinels(watched, pki))[1], "--connect", check=0)
    assert "(Sentinel) cannot be reached: Connection refused" in done.stderr + done.stdout
    live = ",".join(f"{HOST}:{port}" for port in watched.sentinel_ports)
    assert check(tmp_path, by_sentinels(watched, pki, sentinels=live)) == (0, [])
    for more, words, option in (
        ({"master": "other", "sentinels": live}, "watches no primary 'other'", "master"),
        ({"sentinel_password": "wrong", "sentinels": live}, "see `sentinel_username`", "sentinel_password"),
        ({"password": "wrong"}, "refuses the user name or the password", "password"),
        ({"sentinels": f"{HOST}:{free_port()}"}, "(Sentinel) cannot be reached", None),
        ({"ca_file": pki.foreign.cert, "sentinels": live}, "which `ca_file` does not have", "ca_file"),
    ):
        message, where = fault(tmp_path, by_sentinels(watched, pki, **more))
        assert words in message and where in (option or where,), (message, where)


def test_a_failover_is_followed(watched, pki, stack):
    """One that is ordered, then one after kill -9: the run goes on with the new primary, and each event counts once."""
    path, config = write_pipeline(stack.folder, by_sentinels(watched, pki, timeout="2s"), follow=True)
    daemon = stack.churnd("-c", config)
    model = model_of(path)
    settled = lambda: not oracle.differences(model.profile_fields(), watched.primary().hashes("profile:"))
    wait_for("profiles", settled)

    def ordered():
        try:
            return watched.sentinels[0].client.execute_command("SENTINEL", "FAILOVER", "churn")
        except redis_client.ResponseError:
            return False

    was = watched.primary()
    wait_for("a failover", ordered, 30, 0.3)
    wait_for("another primary", lambda: watched.servers[1 - watched.servers.index(was)] is watched.primary(), 60)
    for round_ in range(2):
        add(path, f"late{round_}")
        model = model_of(path)
        wait_for("the rest", settled, 60)
        if round_ == 0:
            wait_for("the replica", lambda: watched.primary().client.info("replication")["connected_slaves"] == 1, 60)
            wait_for(
                "a replica that is known as good",
                lambda: watched.sentinels[0].client.sentinel_master("churn")["num-slaves"] == 1,
                60,
            )
            watched.primary().kill()
            wait_for(
                "another primary",
                lambda: any(
                    s.process.running() and s.client.info("replication")["role"] == "master" for s in watched.servers
                ),
                60,
            )
    assert "failed over" in daemon.err
    assert daemon.terminate(30) == 0
    assert PASSWORD not in daemon.err
