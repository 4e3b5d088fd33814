"""Faults of the ways themselves, with Kafka and Redis both over TLS: a connection that is cut in the middle of a record, or
changed on the way; certificates that expire, and that others, of another authority, take the place of; a broker that is killed."""

import urllib.error
import urllib.request

import pytest
from certificates import Authority
from services import HOST, Kafka, free_port, wait_for


class SecuredKafka(Kafka):
    """`TLS` in `listeners`; the tests' own way is in clear."""

    def __init__(self, folder):
        folder.mkdir()
        self.ca = Authority(folder / "certificates")
        self.good, self.renewed = self.ca.issue("kafka"), self.ca.issue("renewed")
        self.expired = self.ca.issue("expired", years=(2020, 2021))
        self.shown = folder / "shown.pem"
        self.show(self.good)
        properties = {
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": self.shown,
            "auto.create.topics.enable": "false",
        }
        super().__init__(
            folder / "broker",
            properties=[f"{name}={value}" for name, value in properties.items()],
            further={"TLS": "SSL"},
        )

    def show(self, certificate):
        """From its next start on."""
        self.shown.write_bytes(certificate.both.read_bytes())


@pytest.fixture(scope="module")
def secured(tmp_path_factory):
    made = SecuredKafka(tmp_path_factory.mktemp("kafka") / "secured")
    yield made
    made.stop()


class Ways:
    """Both ways of a rig: Redis behind its link, with an authority that can be changed under the run."""

    def __init__(self, rig, count):
        self.rig, self.listen, port = rig, free_port(), free_port()
        self.ca, self.other = Authority(rig.folder, "own-ca"), Authority(rig.folder, "other-ca")
        self.trusted = rig.folder / "trusted.pem"
        self.trust(self.ca)
        self.good, self.expired = self.ca.issue("redis"), self.ca.issue("old", years=(2020, 2021))
        options = ["--tls-port", port, "--tls-auth-clients", "no", "--tls-ca-cert-file", self.ca.cert]
        options += ["--tls-cert-file", self.good.cert, "--tls-key-file", self.good.key]
        rig.up(redis={"options": options}, count=count)
        rig.link.target_port = port

    def trust(self, authority):
        new = self.trusted.with_suffix(".new")
        new.write_bytes(authority.cert.read_bytes())
        new.rename(self.trusted)

    def show(self, certificate):
        """Of Redis, to who connects from now on; all have to."""
        self.rig.store.client.config_set("tls-cert-file", str(certificate.cert), "tls-key-file", str(certificate.key))
        self.rig.link.cut_all()

    def with_listener(self, settings):
        """Of one member alone."""
        self.settings(settings)
        settings["health"] = {"listen": f"{HOST}:{self.listen}"}

    def not_ready(self):
        """What `/readyz` says; the log tells a cause that changed meanwhile once a minute."""
        try:
            with urllib.request.urlopen(f"http://{HOST}:{self.listen}/readyz", timeout=10):
                return ""
        except urllib.error.HTTPError as refused:
            return refused.read().decode()
        except OSError:
            return ""

    def settings(self, settings):
        kafka = {"security.protocol": "ssl", "ssl.ca.location": str(self.rig.kafka.ca.cert)}
        for section in (settings["source"], settings["dead_letters"], *settings["sinks"]):
            if "brokers" in section:
                section["brokers"] = self.rig.kafka.listeners["TLS"]
                section["properties"] = {**section.get("properties", {}), **kafka}
        for name in ("host", "port", "password"):
            settings["store"].pop(name, None)
        settings["store"].update(url=f"rediss://{HOST}:{self.rig.link.port}", ca_file=str(self.trusted))


@pytest.mark.parametrize("turns", [pytest.param(4, marks=pytest.mark.ci), 60])
def test_redis_is_cut_within_a_record_of_tls(secured_rig, turns):
    """After so many bytes, by a wrong one, by the end of one direction: what was answered before it counts, nothing behind."""
    rig = secured_rig
    ways = Ways(rig, 3000)
    fleet = rig.fleet(2, ways.settings)
    for turn in range(turns):
        rig.fill(200)
        rig.writes(20)
        if turn % 4 == 3:
            rig.fault("half-closed")
            rig.link.half_close()
        elif turn % 4 == 2:
            rig.fault("a corrupt byte")
            rig.link.corrupt = 1
        else:
            rig.link.cut_after = rig.rng.randrange(1, 4000)
            rig.fault(f"cut after {rig.link.cut_after} bytes")
            rig.fill(500)
            wait_for("the cut", lambda: rig.link.cut_after is None, 30, 0.01)
    rig.finish(fleet)


@pytest.mark.ci
def test_certificates_of_redis_under_the_run(secured_rig):
    """One that has expired is said, and waited for; then comes one of another authority, and its file is read again."""
    rig = secured_rig
    ways = Ways(rig, 3000)
    fleet = rig.fleet(1, ways.with_listener)
    rig.writes(200)
    rig.fault("Redis' certificate has expired")
    ways.show(ways.expired)
    rig.fill(500)
    wait_for("the cause", lambda: "certificate expired" in ways.not_ready(), 60)
    assert all(m.running() for m in fleet.members)
    rig.fault("Redis has a certificate of another authority")
    ways.show(ways.other.issue("moved"))
    ways.trust(ways.other)
    rig.finish(fleet)


@pytest.mark.parametrize("expires", [pytest.param(False, marks=pytest.mark.ci, id="renewed"), True])
def test_a_broker_with_tls_is_killed(secured_rig, expires):
    """It comes back with a renewed certificate; or first with one that has expired, which is said."""
    rig = secured_rig
    ways = Ways(rig, 3000)
    fleet = rig.fleet(1, ways.with_listener)
    rig.writes(300)
    if expires:
        rig.fault("kill -9 of the broker, whose certificate has expired as it comes back")
        rig.kafka.process.kill()
        rig.kafka.show(rig.kafka.expired)
        rig.kafka.start()
        wait_for("the cause", lambda: "certificate, or that of its authority, has expired" in ways.not_ready(), 90)
    rig.fault("kill -9 of the broker, whose certificate is renewed")
    rig.kafka.process.kill()
    rig.kafka.show(rig.kafka.renewed)
    rig.kafka.start()
    fleet.tend()
    rig.fill(1000)
    rig.finish(fleet)
