"""Judges a run under faults from what anybody can see: the topics, Redis, and the processes' own figures in /proc.

It knows nothing of churnd's code. What the profiles, alerts and dead letters must be comes from the model of the contract
in tests/integration/oracle.py; what a checkpoint is called comes from the manual.
"""

import logging
import os
import threading
import time

import oracle
import redis as redis_client
from confluent_kafka import Consumer, KafkaException, TopicPartition

PAGE = os.sysconf("SC_PAGE_SIZE")
WARM_UP_S = 5
FDS_MORE, RSS_MORE = 24, 48 << 20  # what a long run may have more at its end: connections to the API, full caches


def checkpoint_key(prefix, topic, partition):
    return f"churnd:checkpoint:{prefix}{topic}/{partition}"


class Group:
    """What a consumer group has committed and where its topics end, asked by a consumer that never joins it."""

    def __init__(self, brokers, group, topics):
        quiet = logging.getLogger("librdkafka")
        quiet.setLevel(logging.CRITICAL)
        self.topics = topics
        self.consumer = Consumer(
            {
                "bootstrap.servers": brokers,
                "group.id": group,
                "enable.auto.commit": False,
                "topic.metadata.refresh.interval.ms": 1000,
                "logger": quiet,
            }
        )

    def partitions(self):
        return [
            TopicPartition(t, p)
            for t in self.topics
            for p in self.consumer.list_topics(t, timeout=10).topics[t].partitions
        ]

    def committed(self, partitions=None):
        """(topic, partition) → next offset; 0 where nothing is committed."""
        answer = self._ask(lambda: self.consumer.committed(partitions or self.partitions(), timeout=10))
        return {(p.topic, p.partition): max(p.offset, 0) for p in answer if p.error is None}

    @staticmethod
    def _ask(question, within=5):
        """A broker that has just started has no coordinator for a moment."""
        end = time.monotonic() + within
        while True:
            try:
                return question()
            except KafkaException:
                if time.monotonic() > end:
                    raise
                time.sleep(0.2)

    def ends(self):
        return {
            (p.topic, p.partition): self.consumer.get_watermark_offsets(p, timeout=10)[1] for p in self.partitions()
        }

    def lag(self):
        committed = self.committed()
        return sum(end - committed.get(place, 0) for place, end in self.ends().items())

    def close(self):
        self.consumer.close()


class Watch(threading.Thread):
    """Looks at a run from the side while faults happen.

    Safety: what the group has committed, read first, is never beyond the checkpoint in the store, read afterwards. While
    the store has lost acknowledged writes this cannot hold: `store_lost` stops the comparison until the group has been seen
    where the checkpoints are. Resources: file descriptors and memory of the processes that `pids` names.
    """

    def __init__(self, brokers, group, topics, store, pids, prefix="profile:", interval=0.15):
        super().__init__(daemon=True)
        self.brokers, self.group, self.topics, self.store, self.pids = brokers, group, topics, store, pids
        self.prefix, self.interval = prefix, interval
        self.samples, self.violations, self.resources = 0, [], {}
        self.lost = False
        self.failure = None
        self.ended = threading.Event()
        self.known = threading.Event()
        self.known.set()
        self.start()

    def store_lost(self):
        self.lost = True

    def without_store(self):
        """Until `with_store` nobody knows which server is the store."""
        self.known.clear()

    def with_store(self):
        """Another server may be the store now, which may lack acknowledged writes."""
        self.store_lost()
        self.known.set()

    def checkpoints(self, places):
        pipe = self.store().pipeline(transaction=False)
        for topic, partition in places:
            pipe.hget(checkpoint_key(self.prefix, topic, partition), "offset")
        return {place: int(offset or 0) for place, offset in zip(places, pipe.execute(), strict=True)}

    def compare(self, group):
        """One sample; None while one side cannot be asked."""
        lost_before = self.lost
        try:
            committed = group.committed()
            places = list(committed)
            stored = self.checkpoints(places)
        except (KafkaException, KeyError, redis_client.RedisError, OSError):
            return None
        if not self.known.is_set():
            return None
        beyond = [
            f"{t}/{p}: committed {committed[t, p]}, checkpoint {stored[t, p]}"
            for t, p in places
            if committed[t, p] > stored[t, p]
        ]
        if self.lost and lost_before and not beyond and any(stored.values()):
            self.lost = False
        return [] if self.lost or lost_before else beyond

    def run(self):
        group = Group(self.brokers, self.group, self.topics)
        try:
            while not self.ended.wait(self.interval):
                beyond = self.compare(group)
                if beyond is not None:
                    self.samples += 1
                    self.violations += beyond
                self.measure()
        except Exception as e:  # said at the end of the test, by check()
            self.failure = e
        finally:
            group.close()

    def measure(self):
        now = time.monotonic()
        for pid in list(self.pids()):
            try:
                fds = len(os.listdir(f"/proc/{pid}/fd"))
                with open(f"/proc/{pid}/statm") as statm:
                    rss = int(statm.read().split()[1]) * PAGE
            except (OSError, IndexError):
                continue
            self.resources.setdefault(pid, []).append((now, fds, rss))

    def peak_rss(self):
        return max((rss for samples in self.resources.values() for _, _, rss in samples), default=0)

    def close(self):
        self.ended.set()
        self.join(30)

    def check(self):
        assert self.failure is None, f"the watch itself failed: {self.failure!r}"
        assert self.samples > 0, "not one sample of committed offsets and checkpoints"
        assert not self.violations, f"committed beyond the checkpoint in {len(self.violations)} samples:\n" + "\n".join(
            self.violations[:10]
        )
        for pid, samples in self.resources.items():
            check_flat(pid, samples)


def check_flat(pid, samples):
    """Of a process that lived long: what it held in the last quarter against the first half, after a warm-up."""
    warm = [s for s in samples if s[0] - samples[0][0] > WARM_UP_S]
    if len(warm) < 40:
        return
    early, late = warm[: len(warm) // 2], warm[-(len(warm) // 4) :]
    for name, column, more in (("file descriptors", 1, FDS_MORE), ("bytes of memory", 2, RSS_MORE)):
        before, after = max(s[column] for s in early), sorted(s[column] for s in late)[len(late) // 2]
        assert after <= before + more, (
            f"process {pid} grew: at most {before} {name} in its first half, {after} at its end"
        )


def alerts(brokers, topic, model):
    """Each expected one at least once, no other, equal ids with equal bytes. Returns the share of repeats."""
    raw = [record[4] for record in oracle.read_topics(brokers, [topic])]
    by_id = {}
    for value in raw:
        alert_id, _ = oracle.parse_alert(value)
        assert by_id.setdefault(alert_id, value) == value, f"two alerts with the id {alert_id} differ"
    repeats = oracle.assert_alerts(model, raw)
    return repeats / len(raw) if raw else 0.0


def dead_letters(letters, model):
    """Each bad offset at least once, equal positions with equal content, no good offset. Returns the share of repeats."""
    letters = list(letters)
    once = {}
    for letter in letters:
        assert once.setdefault(letter[1:4], letter) == letter, f"two dead letters of {letter[1:4]} differ"
    oracle.assert_dead_letters(model, once.values())
    return 1 - len(once) / len(letters) if letters else 0.0


def published_predictions(brokers, topic):
    return {record[3].decode() for record in oracle.read_topics(brokers, [topic])}
