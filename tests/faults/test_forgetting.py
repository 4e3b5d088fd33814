"""Row 21: a customer is forgotten while events keep coming and an instance is killed or frozen."""

import json
import signal

import oracle
import pytest
from services import wait_for

GONE = "cust_0"  # with most of the events


def forgetting(settings):
    settings["forget"] = {"key": "6c" * 32}


class Forgetter:
    """Forgets GONE of the row's pipeline; from then on the row's model has nothing of before."""

    def __init__(self, rig, fleet):
        self.rig, self.config, self.below = rig, fleet.config, {}
        rig.model = self.model

    def model(self):
        made = oracle.Model()
        for record in oracle.read_topics(self.rig.kafka.brokers, self.rig.topics):
            below = self.below.get(f"{record[0]}/{record[1]}", 0)
            if record[3] != GONE.encode() or record[2] >= below:
                made.feed(*record[:5], record.time_ms)
        return made

    def begin(self):
        return self.rig.stack.churnd("forget", GONE, "-c", self.config)

    def end(self, process, status):
        """The receipt. What a further one says counts, too: below its ends."""
        assert process.wait(90) == status, f"{process.out}\n{process.err[-3000:]}"
        receipt = json.loads(process.out)
        assert receipt["complete"] == (status == 0), receipt
        self.below = receipt["below"]
        return receipt


def settle(rig, fleet):
    model = rig.settle(fleet)
    fleet.terminate()
    oracle.assert_profiles(model, rig.store.hashes("profile:"))
    assert GONE in model.profiles, "there are events of after"


@pytest.mark.parametrize("how", ["killed", "frozen"])
def test_while_forgetting(rig, how):
    """Two instances, one of which cannot answer: it is named. Once it is back, in whatever way, the same again succeeds, and
    every profile is exact: this one of what was written after."""
    rig.up(count=3000, customers=20)
    fleet = rig.fleet(2, forgetting)
    forgetter = Forgetter(rig, fleet)
    with rig.streaming(100, 0.1):
        wait_for("a profile", lambda: rig.store.client.exists(f"profile:{GONE}"), 60)
        victim = fleet.take(rig.rng)
        victim.send(signal.SIGSTOP)
        receipt = forgetter.end(forgetter.begin(), 1)
        assert [i["pid"] for i in receipt["instances"] if not i["answered"]] == [str(victim.pid)], receipt
        rig.fault(how)
        if how == "killed":
            victim.kill()
            fleet.start()
            again = forgetter.begin()
            rig.store.client.delete(*rig.store.client.keys("churnd:instance:*"))  # whoever lives says so again
        else:
            victim.send(signal.SIGCONT)
            fleet.members.append(victim)
            again = forgetter.begin()
        forgetter.end(again, 0)
    settle(rig, fleet)
