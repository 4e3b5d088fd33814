"""The runbook, docs/operations.md: each section as a scenario against a real Kafka and Redis, its commands as they stand there, and
profiles exact afterwards."""

import contextlib
import pathlib
import re
import shutil
import subprocess
import threading

import certificates
import events
import oracle
import pytest
import services
import yaml
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import NewPartitions
from conftest import quick_group
from runbook import BEFORE, FIRST, TEXT, Installed, InstalledRedis, Machines, Section, ask, blocks, headings, sections
from services import SRC, Stack, wait_for

TOPICS = ["customer-events", "user-events"]
HOSTS = ("127.0.0.1", "127.0.0.2")


def change(settings):
    quick_group(settings)
    settings["source"]["properties"]["topic.metadata.refresh.interval.ms"] = "500"


class Place:
    """Two machines, Kafka, Redis and the prediction API, with profiles that are counted."""

    def __init__(self, folder):
        self.stack, self.seed = Stack(folder), services.random_seed()
        print(f"CHURN_TEST_SEED={self.seed}")
        self.stack.start_kafka()
        self.stack.start_scripted()
        self.kafka = self.stack.kafka
        if FIRST:
            self.machines = Installed(self.stack)
            self.redis = InstalledRedis(self.machines)
        else:
            self.redis = self.stack.start_redis()
            self.stack.env["REDIS_DIR"] = str(self.redis.folder)
            self.machines = Machines(self.stack, HOSTS)
        self.machines.install("consumer", change)
        self.kafka.create_topics({"customer-events": 4, "user-events": 1})
        self.more()
        self.machines.read_all()

    def more(self, count=2000):
        """Further events, which nobody has counted yet."""
        self.seed += 1
        self.kafka.produce("customer-events", events.load(count, 300, self.seed, event_prefix=f"s{self.seed}"))

    def model(self):
        return oracle.Model().feed_topics(self.kafka.brokers, TOPICS)

    def start(self, *hosts):
        for host in hosts or self.machines.hosts[:1]:
            self.machines.start("churnd@consumer", host)

    def assert_exact(self):
        """The instances that run get there by themselves; nothing of the events is lost or counted twice."""
        model = self.model()
        expected = model.profile_fields()
        wait_for("exact profiles", lambda: not oracle.differences(expected, self.redis.hashes("profile:")), 60, 0.2)
        for unit in self.machines.units.values():
            assert unit.process.running() or unit.process.wait() == 0, unit.log
        return model

    def wait_until_settled(self):
        """All is committed, and said to be."""

        def settled():
            with self.consumer() as consumer:
                parts = self.partitions(consumer, "customer-events")
                ends = [consumer.get_watermark_offsets(p, 10)[1] for p in parts]
                return [p.offset for p in consumer.committed(parts, 10)] == ends

        self.machines.wait_until_ready()
        wait_for("commits", settled, 60, 0.2)

    def consumer(self):
        group = {"bootstrap.servers": self.kafka.brokers, "group.id": "churn-consumer-group"}
        return contextlib.closing(Consumer(group))

    def partitions(self, consumer, topic):
        return [TopicPartition(topic, i) for i in consumer.list_topics(topic, timeout=10).topics[topic].partitions]

    def ends(self, topic):
        """How many records were ever written to each partition."""
        with self.consumer() as consumer:
            return [consumer.get_watermark_offsets(p, 10)[1] for p in self.partitions(consumer, topic)]

    def alerts(self):
        return [a[4] for a in oracle.read_topics(self.kafka.brokers, ["customer-alerts"])]


class Traffic:
    """Events that arrive while a section is followed."""

    def __init__(self, place):
        self.place, self.stopped = place, threading.Event()
        self.thread = threading.Thread(target=self._produce)

    def _produce(self):
        while not self.stopped.wait(0.05):
            self.place.more(50)

    def __enter__(self):
        self.thread.start()

    def __exit__(self, *_):
        self.stopped.set()
        self.thread.join()


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    made = Place(tmp_path_factory.mktemp("operations"))
    yield made
    made.machines.close()
    made.stack.stop()


@pytest.fixture
def place(whole):
    yield whole
    whole.machines.end()


def test_is_it_well(place):
    section = Section(place.machines, "Is it well?")
    place.start(*place.machines.hosts)
    place.assert_exact()
    place.wait_until_settled()
    for _ in range(5):
        section.run()
    with Traffic(place):
        section.run()
    for _ in range(3):
        place.wait_until_settled()
        section.run(CUSTOMER="cust_1")
    section.done()
    assert list(place.redis.client.scan_iter("*check:*")) == []


@pytest.mark.skipif(FIRST is not None, reason="its unit has no certificate")
def test_over_https(place, tmp_path, monkeypatch):
    """What asks the listener, which has a token, and a certificate of an authority that only the operator knows."""
    authority = certificates.Authority(tmp_path)
    leaf = authority.issue("churnd", [f"IP:{host}" for host in HOSTS])
    (ours,) = re.findall(r"`(export CURL_CA_BUNDLE=([^`]*))`", sections()["Before anything"])
    shutil.copy(authority.cert, place.machines.config("consumer").parent / pathlib.Path(ours[1]).name)
    told = {"CHURN_CERT_FILE": str(leaf.cert), "CHURN_KEY_FILE": str(leaf.key), "CHURN_TOKEN": "x" * 40}
    for name, value in told.items():
        monkeypatch.setitem(place.stack.env, name, value)
    place.start(*place.machines.hosts)
    for heading, count in (("Redis lost", 1), ("Is it well?", 4)):
        section = Section(place.machines, heading, f"{ours[0]}\n", r"\b(curl|caught_up|churnd (health|top))\b")
        assert len(section.left) == count, section.left
        while section.left:
            section.run()


def test_sizing(place):
    section = Section(place.machines, "Sizing")
    section.run()
    place.kafka.create_topics({"load-events": 2})
    place.machines.install("load", of_its_own)
    section.run()
    section.done()
    wait_for("clean profiles", lambda: place.redis.hashes("load:") == {})
    assert (place.machines.state() / "latency.svg").is_file()


def of_its_own(settings):
    """The pipeline of a load test."""
    settings["name"] = "churn-load"
    settings["source"].update(topics=["load-events"], group_id="churn-load")
    settings["store"]["key_prefix"] = "load:"
    settings["sinks"] = []
    settings["dead_letters"] = {"plugin": "file", "path": "load-dead-letters.jsonl"}


def test_rolling_upgrade(place):
    section = Section(place.machines, "Rolling upgrade")
    place.start(*place.machines.hosts)
    section.run()
    with Traffic(place):
        section.run(timeout=180)
        section.run()
    section.run()
    section.done()
    assert oracle.assert_alerts(place.assert_exact(), place.alerts()) == 0, (
        "an orderly stop leaves nothing to be said again"
    )


@pytest.mark.skipif(FIRST is not None, reason="it takes two machines")
def test_scaling_out_and_in(place):
    section = Section(place.machines, "Scaling out and in")
    with Traffic(place):
        section.run()
        section.run()
    assert not place.machines.active("churnd@consumer", HOSTS[1])
    section.done()

    # What the text says of further partitions.
    place.kafka.manage("create_partitions", [NewPartitions("customer-events", 6)])
    place.more()
    place.assert_exact()


def test_replay_of_yesterday(place):
    section = Section(place.machines, "Replay of yesterday")
    place.start(*place.machines.hosts)
    model = place.assert_exact()
    place.wait_until_settled()
    section.run()
    place.redis.client.delete(*(f"profile:{c}" for c in list(model.profiles)[:20]))
    sent = len(place.alerts())
    section.run()
    section.run()
    section.done()
    place.assert_exact()
    assert len(place.alerts()) == sent


def test_key_expiry(place):
    section = Section(place.machines, "Key expiry")
    kept = place.machines.config("consumer").read_text()
    try:
        place.start()
        place.assert_exact()
        section.run()
        place.more(500)
        model = place.assert_exact()
        customer = max(model.profiles, key=lambda c: model.profiles[c].total)
        section.run(CUSTOMER=customer)
        section.run()
        section.done()
    finally:
        place.machines.config("consumer").write_text(kept)
        for key in place.redis.client.scan_iter("profile:*"):
            place.redis.client.persist(key)


def test_backup_and_restore(place):
    """Dead letters that were redriven between the two count again."""
    section = Section(place.machines, "Backup and restore")
    letters = dead_letters(place)
    with a_type_left_out(place, "login"):
        place.start(*place.machines.hosts)
        place.wait_until_settled()
        set_aside(place, letters)
        section.run()
    for host in place.machines.hosts:
        place.machines.reload("churnd@consumer", host)
    place.machines.bash(f"{BEFORE}churnd redrive", place.machines.folder, {}, 60)
    place.more(1500)
    place.assert_exact()
    place.wait_until_settled()
    section.run()
    section.run()
    said = section.run()
    assert re.search(r"redriven +3 +counted 3", said) and "rebuild required, so" not in said, said
    oracle.assert_alerts(place.assert_exact(), place.alerts())

    # From now on with an AOF, which has the restored data.
    section.run()
    section.done()
    place.machines.end()
    if not FIRST:
        assert_kept_by_aof(place)


def assert_kept_by_aof(place):
    at = place.redis.options.index("--appendonly") + 1
    place.redis.options[at] = "yes"
    try:
        place.redis.kill()
        place.redis.start()
        oracle.assert_profiles(place.model(), place.redis.hashes("profile:"))
    finally:
        place.redis.options[at] = "no"
        place.redis.client.config_set("appendonly", "no")


@contextlib.contextmanager
def redis_on_a_small_disk(place, folder):
    """On a file system of 4 MiB."""
    if FIRST:
        with place.redis.small_disk() as redis:
            yield redis
        return
    folder.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", folder], capture_output=True, text=True)
    if made.returncode != 0:
        pytest.skip(f"a small file system cannot be mounted here: {made.stderr.strip()}")
    try:
        redis = services.Redis(folder / "redis", options=["--save", "3600 1"])
        try:
            yield redis
        finally:
            redis.stop()
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def test_a_full_disk(place, tmp_path, monkeypatch):
    """Redis has its files on a disk that something else fills."""
    section = Section(place.machines, "A full disk")
    with redis_on_a_small_disk(place, tmp_path / "disk") as redis:
        if not FIRST:
            monkeypatch.setitem(place.stack.env, "REDIS_PORT", str(redis.port))
            monkeypatch.setitem(place.stack.env, "REDIS_DIR", str(redis.folder))
        monkeypatch.setattr(place, "redis", redis)
        place.start()
        place.assert_exact()
        with contextlib.suppress(OSError), (redis.folder / "old-backup.rdb").open("wb", buffering=0) as backup:
            while True:
                backup.write(bytes(4096))
        redis.client.bgsave()
        wait_for("a failed save", lambda: redis.client.info("persistence")["rdb_last_bgsave_status"] == "err")
        place.more(300)
        told = 'churnd_stalled{plugin="redis",what="write"} 1'
        wait_for("the trouble", lambda: told in ask(place.machines.url("/metrics")), 60)
        section.run()
        section.run()
        section.done()
        place.assert_exact()
        place.machines.end()


@contextlib.contextmanager
def a_type_left_out(place, name):
    """The pipeline runs, has read all that there is, and is told of this event type later."""
    place.start(*place.machines.hosts)
    place.assert_exact()
    place.wait_until_settled()
    kept = place.machines.config("consumer").read_text()
    settings = yaml.load(kept, yaml.BaseLoader)
    settings["events"]["types"] = sorted(set(oracle.TYPES) - {name})
    place.machines.config("consumer").write_text(yaml.safe_dump(settings, sort_keys=False))
    try:
        reload_all(place)
        yield
    finally:
        place.machines.config("consumer").write_text(kept)


def reload_all(place):
    for host in place.machines.hosts:
        place.machines.reload("churnd@consumer", host)


def dead_letters(place):
    topic = "churn-dead-letters"
    return sum(place.ends(topic)) if place.kafka.topic_exists(topic) else 0


def set_aside(place, letters):
    """Three more, of the type that is left out."""
    place.kafka.produce("customer-events", [(b"x", events.raw(events.event("login", {}, "x"))) for _ in range(3)])
    wait_for("letters", lambda: dead_letters(place) == letters + 3)


def test_redis_lost(place):
    """With dead letters that are of events which count by now."""
    section = Section(place.machines, "Redis lost")
    with a_type_left_out(place, "login"):
        letters = dead_letters(place)
        set_aside(place, letters)
        place.wait_until_settled()
    reload_all(place)
    sent = len(place.alerts())
    place.machines.forget_logs()  # of the losses of before, after which the runbook warns of them
    place.redis.kill()
    for dump in place.redis.folder.glob("*.rdb"):
        dump.unlink()
    place.redis.start()
    read = sum(end > 0 for end in place.ends("customer-events"))
    logs = lambda: "".join(place.machines.unit("churnd@consumer", host).log for host in place.machines.hosts)
    wait_for("the way back", lambda: logs().count("rebuilt from") == read, 60)
    section.run()
    section.run()
    place.assert_exact()
    said = section.run()
    section.done()
    assert int(re.search(r"older ([\d,]+)", said)[1]) >= 3 and "counted" not in said.replace("already counted", ""), (
        said
    )
    place.assert_exact()
    assert len(place.alerts()) == sent


def test_order_of_upgrade_and_downgrade(place):
    section = Section(place.machines, "Order of upgrade and downgrade")
    section.run(PLUGINS=place.machines.plugins() / "event" if FIRST else services.BUILD / "plugins/event/.libs")
    section.done()


def test_alerts(place):
    section = Section(place.machines, "Alerts")
    section.run(**({} if FIRST else {"ALERTS": SRC / "deploy/prometheus"}))
    section.done()


def test_churnddeadletters(place):
    """A producer sends a type that the pipeline is told to take later."""
    section = Section(place.machines, "ChurndDeadLetters")
    with a_type_left_out(place, "login"):
        letters = dead_letters(place)
        set_aside(place, letters)
        section.run()
    reload_all(place)
    section.run()
    section.done()
    place.assert_exact()


def test_churndprofilesdamaged(place):
    section = Section(place.machines, "ChurndProfilesDamaged")
    customer = max(place.model().profiles.items(), key=lambda p: p[1].total)[0]
    place.redis.client.hset(f"profile:{customer}", "events_total", "many")
    other = place.machines.hosts[-1]
    place.start(other)
    place.kafka.produce("customer-events", [(customer, events.raw(events.event("login", {}, customer)))])
    wait_for("the damage", lambda: "damaged" in place.machines.unit("churnd@consumer", other).log, 60)
    section.run()
    section.run(CUSTOMER=customer)
    section.done()
    place.assert_exact()


def test_churndstoreslow(place):
    section = Section(place.machines, "ChurndStoreSlow")
    section.run()
    section.done()


def test_its_links_lead_somewhere():
    links = re.findall(r"\]\(([^)#]*)(?:#([^)]*))?\)", TEXT.read_text())
    assert len(links) > 20
    for path, anchor in links:
        target = (TEXT.parent / path).resolve() if path else TEXT
        assert target.exists() and (not anchor or anchor in headings(target)), (path, anchor)


def test_no_command_is_left_out():
    """Each section with commands is a scenario above."""
    headings = [heading for heading in sections() if blocks(heading) and heading != "Before anything"]
    tried = {name.removeprefix("test_").replace("_", " ") for name in globals() if name.startswith("test_")}
    assert len(headings) > 8
    assert [heading for heading in headings if heading.lower().rstrip("?") not in tried] == []
