"""Row 10 with three brokers, as most run Kafka: they are restarted one after the other, and leaders move under the reader
and the writers."""

import events
import pytest
from confluent_kafka.admin import NewTopic
from services import wait_for


@pytest.mark.ci
def test_rolling_restart(cluster_rig):
    """An upgrade of the brokers: each is away for a while, the coordinators of the groups among them."""
    rig = cluster_rig
    rig.up(count=6000, bad=True)
    fleet = rig.fleet(2)
    rig.writes(300)
    with rig.streaming():
        rig.fault("the brokers are restarted one after the other")
        rig.kafka.roll()
    fleet.tend()
    rig.fill(1000)
    rig.finish(fleet)


def test_leaders_move(cluster_rig):
    """Killed brokers lose their partitions to others and get them back, again and again."""
    rig = cluster_rig
    rig.up(count=6000, bad=True)
    fleet = rig.fleet(2)
    rig.writes(300)
    with rig.streaming():
        for number in rig.kafka.nodes:
            rig.fault(f"kill -9 of broker {number}")
            rig.kafka.kill(number)
            wait_for(
                "other leaders",
                lambda n=number: all(p.leader not in (n, -1) for p in rig.kafka.partitions(*rig.topics)),
                60,
            )
            rig.kafka.start(number)
            wait_for("replicas in sync", rig.kafka.replicated, 60, 0.3)
            rig.fault("leaders go back to where they were")
            rig.kafka.prefer(rig.topics)
    fleet.tend()
    rig.fill(1000)
    rig.finish(fleet)


# --- An unclean election ---


def cut(rig, leader, follower, count):
    """The topic's follower is away while `count` records are written, and leads it then, without them."""
    topic = rig.topics[0]
    rig.fault(f"kill -9 of broker {follower}; it misses {count} records")
    rig.kafka.kill(follower)
    wait_for("its absence", lambda: [p.isrs for p in rig.kafka.partitions(topic)] == [[leader]], 60)
    rig.fill(count)


def elect(rig, leader, follower):
    topic = rig.topics[0]
    rig.fault(f"kill -9 of broker {leader}; broker {follower} leads without the records that it missed")
    rig.kafka.kill(leader)
    rig.kafka.start(follower)
    wait_for("the unclean election", lambda: rig.kafka.leader(topic) == follower, 90, 0.3)


@pytest.mark.parametrize("state", ["running", "stopped"])
def test_unclean_election(cluster_rig, state):
    """Events that were counted are gone, and new ones stand in their places: it halts, and goes on halting."""
    rig = cluster_rig
    rig.topics, (leader, follower) = rig.topics[:1], list(rig.kafka.nodes)[:2]
    rig.start_services()
    rig.kafka.manage(
        "create_topics",
        [
            NewTopic(
                rig.topics[0],
                1,
                replica_assignment=[[leader, follower]],
                config={"unclean.leader.election.enable": "true", "min.insync.replicas": "1"},
            )
        ],
    )
    rig.fill(1000)
    fleet = rig.fleet()
    rig.settle(fleet)
    try:
        cut(rig, leader, follower, 500)
        rig.settle(fleet)
        member = fleet.take()
        if state == "stopped":
            assert member.terminate() == 0
        before = rig.store.hashes("profile:")
        elect(rig, leader, follower)
        if state == "running":
            assert member.wait(90) == 1, member.err[-3000:]
            assert "unclean election" in member.err and "epoch" in member.err, member.err[-3000:]
        rig.kafka.produce(rig.topics[0], events.load(2000, 50, rig.seed + 1))
        fleet.start()
        member = fleet.take()
        assert member.wait(60) == 1, member.err[-3000:]
        assert "unclean election" in member.err and "epoch" in member.err, member.err[-3000:]
        assert rig.store.hashes("profile:") == before, "events in the places of counted ones were taken"
    finally:
        for number in (leader, follower):
            if number not in rig.kafka.alive():
                rig.kafka.start(number)
