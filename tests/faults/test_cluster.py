"""Row 10 with three brokers, as most run Kafka: they are restarted one after the other, and leaders move under the reader
and the writers."""

import pytest
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
            wait_for("other leaders", lambda n=number: all(p.leader not in (n, -1) for p in rig.kafka.partitions(*rig.topics)), 60)
            rig.kafka.start(number)
            wait_for("replicas in sync", rig.kafka.replicated, 60, 0.3)
            rig.fault("leaders go back to where they were")
            rig.kafka.prefer(rig.topics)
    fleet.tend()
    rig.fill(1000)
    rig.finish(fleet)
