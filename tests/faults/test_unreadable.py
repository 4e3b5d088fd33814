"""Batches of records that a partition holds and that cannot be read: a bit that flipped on the broker's disk, and one that
unpacks to more than the client takes. They are never counted wrong and never passed over in silence."""

import json
import urllib.error
import urllib.request

import pytest
import segment
import yaml
from services import HOST, free_port, run_churnd, wait_for

BATCH, BATCHES = 50, 6
AT = 120  # an offset of the third batch
BAD = range(100, 150)


def event(i, pad=""):
    return json.dumps(
        {
            "event_id": f"e{i}",
            "event_type": "refund_requested",
            "customer_id": f"c{i % 7}",
            "timestamp": "2026-01-01T00:00:00Z",
            "data": {"order_id": f"o{pad}", "amount": 1},
        }
    ).encode()


def records(first, pad=""):
    return [(f"c{i % 7}".encode(), event(i, pad), 0) for i in range(first, first + BATCH)]


def flip(batch):
    """A bit of the last amount."""
    at = batch.rindex(b'"amount": 1') + len('"amount": 1') - 1
    return batch[:at] + bytes([batch[at] ^ 8]) + batch[at + 1 :]


class Reading:
    """churnd on one topic of two partitions, with a store and files of its own."""

    def __init__(self, rig, **source):
        self.rig, self.topic, self.port = rig, rig.topic("events"), free_port()
        self.folder = rig.folder
        rig.kafka.create_topics({self.topic: 2})
        self.path = self.folder / "p.yaml"
        self.path.write_text(
            yaml.safe_dump(
                {
                    "source": {
                        "plugin": "kafka",
                        "brokers": rig.kafka.brokers,
                        "topics": [self.topic],
                        "group_id": rig.name,
                        **source,
                    },
                    "store": {"plugin": "lmdb", "path": str(self.folder / "db")},
                    "sinks": [{"plugin": "file", "input": "alerts", "path": str(self.folder / "alerts")}],
                    "dead_letters": {"plugin": "file", "path": str(self.folder / "dead")},
                    "health": {"listen": f"{HOST}:{self.port}"},
                }
            )
        )

    def start(self):
        self.process = self.rig.stack.churnd("-c", self.path)

    def ready(self):
        try:
            with urllib.request.urlopen(f"http://{HOST}:{self.port}/readyz", timeout=5) as reply:
                return reply.status, json.loads(reply.read())
        except urllib.error.HTTPError as e:
            return e.code, json.loads(e.read())
        except urllib.error.URLError:
            return None, {}

    def letters(self):
        path = self.folder / "dead"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def alerts(self):
        path = self.folder / "alerts"
        return {json.loads(line)["event_id"] for line in path.read_text().splitlines()} if path.exists() else set()

    def counted(self):
        """(events, refunds) of all profiles; with churnd ended."""
        assert self.process.terminate() == 0, self.process.err[-3000:]
        profiles = [
            run_churnd("profile", "-c", self.path, f"c{i}", "--format", "json", check=0).stdout for i in range(7)
        ]
        profiles = [json.loads(p) for p in profiles]
        return sum(int(p["events_total"]) for p in profiles), sum(float(p["refund_amount"]) for p in profiles)


@pytest.mark.ci
@pytest.mark.parametrize("way", ["wait", "dead_letter"])
def test_flipped_bit(rig, way):
    """One batch among good ones: nothing of it is counted, and nothing behind it before it is mended or set aside."""
    reading = Reading(rig, unreadable=way)
    for i in range(BATCHES):
        rig.kafka.produce(reading.topic, records(i * BATCH))
    rig.fault("a bit flips on the broker's disk")
    rig.kafka.halt()
    whole = segment.path_of(rig.kafka, reading.topic).read_bytes()
    assert segment.rewrite(rig.kafka, reading.topic, AT, flip) == (BAD[0], BAD[-1])
    rig.kafka.start()
    rig.kafka.produce(reading.topic, [(b"c0", event(1000 + i), 1) for i in range(10)])
    reading.start()
    wait_for(
        "an ERROR",
        lambda: (
            f"ERROR kafka: 1 partition waits; topic `{reading.topic}` partition 0 waits at offset "
            f"{BAD[0]} " in reading.process.err
        ),
        60,
    )
    total = BATCHES * BATCH + 10
    if way == "wait":
        wait_for("a run that is not ready", lambda: reading.ready()[0] == 503, 30)
        assert "checksum" in json.dumps(reading.ready()[1])
        wait_for("the other partition", lambda: len(reading.alerts()) == BAD[0] + 10, 30)
        rig.fault("the disk is mended")
        rig.kafka.halt()
        segment.path_of(rig.kafka, reading.topic).write_bytes(whole)
        rig.kafka.start()
        wait_for("the rest", lambda: len(reading.alerts()) == total, 60)
        wait_for("a ready run", lambda: reading.ready()[0] == 200, 30)
        assert reading.letters() == []
        assert reading.counted() == (total, total)
    else:
        wait_for("the rest", lambda: len(reading.alerts()) == total - BATCH, 90)
        wait_for("a ready run", lambda: reading.ready()[0] == 200, 30)
        letters = reading.letters()
        assert [(x["topic"], x["partition"], x["offset"]) for x in letters] == [(reading.topic, 0, i) for i in BAD]
        assert {(x["reason"], x["key"], x["value"]) for x in letters} == {("unreadable_record", None, None)}
        assert reading.counted() == (total - BATCH, total - BATCH)


def test_batch_that_unpacks_to_too_much(rig):
    """The last batch of the partition, and a second one before others: both ends are found."""
    reading = Reading(
        rig,
        unreadable="dead_letter",
        properties={"message.max.bytes": "100000", "fetch.max.bytes": "200000", "receive.message.max.bytes": "300000"},
    )
    large = {"pad": "x" * 10000}  # half a megabyte each
    for i in range(BATCHES):
        bomb = i in (2, BATCHES - 1)
        rig.kafka.produce(
            reading.topic,
            records(i * BATCH, **(large if bomb else {})),
            **({"compression.type": "zstd"} if bomb else {}),
        )
    rig.fault("two batches unpack to more than the client takes")
    reading.start()
    rest = (BATCHES - 2) * BATCH
    wait_for("the rest", lambda: len(reading.alerts()) == rest and len(reading.letters()) == 2 * BATCH, 120)
    assert [x["offset"] for x in reading.letters()] == [*BAD, *range(5 * BATCH, 6 * BATCH)]
    rig.kafka.produce(reading.topic, records(BATCHES * BATCH))
    wait_for("what comes behind", lambda: len(reading.alerts()) == rest + BATCH, 60)
    assert reading.counted() == (rest + BATCH, rest + BATCH)
