"""Rows 5 to 9: a Redis that dies, forgets, fails over, refuses, hangs, or is a Cluster."""

import time

import events
import pytest
from services import HOST, Redis, free_port, wait_for

PERSISTENCE = {
    "nothing": ["--appendonly", "no"],
    "everysec": ["--appendonly", "yes", "--appendfsync", "everysec"],
    "always": ["--appendonly", "yes", "--appendfsync", "always"],
}


# --- Rows 5 and 6: acknowledged writes are lost ---


@pytest.mark.ci
@pytest.mark.parametrize("keeps", PERSISTENCE)
def test_redis_killed(rig, keeps):
    """Whatever it comes back with, the profiles end exact: what it lost is read again."""
    rig.up(redis={"options": PERSISTENCE[keeps]}, count=8000, bad=True)
    fleet = rig.fleet(2)
    rig.commits()
    for pause in (0, 1, 3):
        rig.fill(1000)
        rig.writes(600)
        rig.fault(f"kill -9 of a Redis that keeps {keeps}")
        rig.watch.store_lost()
        rig.store.kill()
        time.sleep(pause)
        rig.store.start()
    if keeps == "nothing":
        rig.says(fleet, "rebuil")
    rig.finish(fleet, cached=keeps != "nothing")


@pytest.mark.ci
def test_redis_lost_everything_while_churnd_was_down(rig):
    rig.up(count=6000, bad=True)
    fleet = rig.fleet()
    rig.settle(fleet)
    fleet.kill()
    rig.fault("kill -9 of churnd and of a Redis that keeps nothing")
    rig.watch.store_lost()
    rig.store.kill()
    rig.store.start()
    rig.fill(1000)
    fleet.start()
    rig.says(fleet, "rebuil")
    rig.finish(fleet, cached=False)


def flushed(client):
    client.flushall()


def swapped(client):
    client.swapdb(0, 1)  # for one that is empty, or has the data that was swapped before


@pytest.mark.parametrize("lose", [pytest.param(flushed, marks=pytest.mark.ci), swapped])
def test_all_data_goes_in_a_stream(rig, lose):
    """Under the living connection, and most profiles are in no cache: none begins anew before what it lacks is read again."""

    def small_cache(settings):
        settings["store"]["cache_size"] = "64KiB"

    rig.up(count=8000, customers=1000, bad=True)
    fleet = rig.fleet(2, small_cache)
    group = rig.group()
    with rig.streaming(every=0.1):
        for _ in range(2):
            wait_for("it to keep up", lambda: any(group.committed().values()) and group.lag() < 1500, 60, 0.1)
            rig.fault(f"Redis: all data {lose.__name__} in the stream")
            rig.watch.store_lost()
            lose(rig.store.client)
            rig.says(fleet, "lost its data|emptied")
            time.sleep(0.5)
    group.close()
    rig.finish(fleet, within=120, cached=False)


def write_into_the_void(rig, fleet):
    """Black-holes replication under load: the primary acknowledges what the replica never gets."""
    wait_for("the replica", rig.pair.in_sync)
    rig.writes(600)
    rig.fault("the replication link is black-holed")
    rig.pair.link.blackhole = True
    start = rig.pair.primary.client.info("replication")["master_repl_offset"]
    rig.fill(3000)
    return start


def fail_over(rig):
    rig.fault("the primary is killed, the replica promoted")
    rig.watch.store_lost()
    rig.pair.primary.kill()
    rig.store = rig.pair.replica
    rig.pair.promote()


@pytest.mark.ci
def test_failover_to_a_replica_that_lags(rig):
    """The replica lacks what the primary acknowledged last; a rewind makes it whole."""
    rig.up(pair=True, count=6000, bad=True)
    fleet = rig.fleet(2)
    start = write_into_the_void(rig, fleet)
    rig.writes(600)
    rig.settle(fleet)
    acknowledged = rig.pair.primary.client.info("replication")["master_repl_offset"]
    assert acknowledged > start, "the primary acknowledged nothing that the replica lacks"
    fail_over(rig)
    rig.fill(1000)
    rig.finish(fleet, cached=False)


@pytest.mark.ci
def test_failover_loses_nothing_when_replicas_must_confirm(rig):
    """With `durability: replicas` nothing is committed that the replica lacks, so there is nothing to lose."""

    def confirmed(settings):
        settings["store"].update(durability="replicas", replicas="1")

    rig.up(pair=True, count=6000, bad=True)
    fleet = rig.fleet(2, confirmed)
    write_into_the_void(rig, fleet)
    group = rig.group()
    time.sleep(2.5)  # what was confirmed before may be committed still
    committed = group.committed()
    time.sleep(4)
    assert group.committed() == committed, "committed without the replica"
    group.close()
    fail_over(rig)
    rig.stack.env["REPLICAS"] = "0"
    third = rig.stack._add(
        Redis(
            rig.folder / "third", options=["--replicaof", f"{HOST} {rig.store.port}", "--repl-diskless-sync-delay", "0"]
        )
    )
    wait_for("a replica of the promoted one", lambda: third.client.info("replication")["master_link_status"] == "up")
    rig.finish(fleet, cached=False)


def killed(rig, old):
    old.kill()
    yield
    old.start()  # a Sentinel makes it a replica of the new one


def frozen(rig, old):
    """When it wakes it takes itself for the primary still."""
    old.freeze()
    yield
    old.thaw()


def asked_for(rig, old):
    rig.sentinels.fail_over()
    yield


def test_sentinels_fail_over(rig):
    """The replica that Sentinel promotes may lack what was acknowledged last, and the old primary comes back."""
    rig.up(sentinels=True, count=6000, bad=True)
    fleet = rig.fleet(2)
    with rig.streaming():
        for how in (killed, frozen, asked_for):
            rig.writes(600)
            old = rig.sentinels.primary
            rig.fault(f"failover by Sentinel, {how.__name__}")
            rig.watch.without_store()
            fault = how(rig, old)
            next(fault)
            wait_for("another primary", lambda: rig.sentinels.primary is not old, 60, 0.1)
            rig.store = rig.sentinels.primary
            rig.watch.with_store()
            rig.writes(300)
            next(fault, None)
            wait_for("two replicas", lambda: rig.store.client.info("replication")["connected_slaves"] == 2, 60, 0.1)
    rig.finish(fleet, within=120, cached=False)


# --- Row 7: Redis refuses ---


def full(client):
    client.config_set("maxmemory", 1)
    yield
    client.config_set("maxmemory", 0)


def read_only(client):
    client.replicaof(HOST, 1)
    yield
    client.replicaof("NO", "ONE")


def paused(client):
    client.client_pause(4000, all=False)
    yield
    client.client_unpause()


def scripts_flushed(client):
    for _ in range(20):
        client.script_flush()
        time.sleep(0.1)
    yield


@pytest.mark.parametrize("refuse", [full, read_only, paused, scripts_flushed])
def test_redis_refuses(rig, refuse):
    """It waits, commits nothing that is not stored, and goes on; also where no later write would show that one is missing."""
    rig.up(count=6000)
    fleet = rig.fleet(2)
    for under_load in (True, False):
        if under_load:
            rig.writes(600)
        else:
            rig.settle(fleet)
        rig.fault(f"Redis: {refuse.__name__}")
        if refuse is read_only:
            rig.watch.store_lost()  # to be a replica for a while is another history
        fault = refuse(rig.store.client)
        next(fault)
        rig.kafka.produce(rig.topics[0], events.load(60, 10**9, rig.seed))  # a customer each
        time.sleep(3)
        next(fault, None)
    rig.finish(fleet)


# --- Row 8: the connection ---


@pytest.mark.parametrize("pause", [0.5, 10])
def test_redis_frozen(rig, pause):
    rig.up(count=8000)
    fleet = rig.fleet(2)
    for _ in range(2):
        rig.writes(600)
        rig.fault(f"Redis frozen for {pause} s")
        rig.store.freeze()
        time.sleep(pause)
        rig.store.thaw()
        rig.fill(1000)
    rig.finish(fleet)


@pytest.mark.ci
def test_nothing_is_committed_while_writes_are_unanswered(rig):
    """Requests arrive nowhere; Kafka's side goes on. What is committed meanwhile stays behind the checkpoints."""
    rig.up(count=6000)
    fleet = rig.fleet()
    with rig.streaming():
        rig.writes(600)
        rig.fault("the link to Redis is black-holed")
        rig.link.blackhole = True
        time.sleep(5)
        rig.link.blackhole = False
        rig.link.cut_all()
    rig.finish(fleet)


def test_answers_cut_at_every_byte(rig):
    """A pipeline's answers end after 1, 2, 3, … bytes: none is taken for another's."""
    rig.up(count=0, delay=0)
    fleet = rig.fleet()
    rig.says(fleet, "worker 0 reads")
    for cut in range(1, 100):
        rig.link.cut_after = cut
        rig.kafka.produce(rig.topics[0], events.load(60, 90, rig.seed + cut))  # more answers than that
        wait_for("the cut", lambda: rig.link.cut_after is None, 20, 0.01)
        rig.fault("cut")
        time.sleep(0.2)  # connected again, or the next cut would only meet greetings
    assert rig.link.cuts == 99
    rig.finish(fleet)


def test_broken_answers(rig):
    """A wrong byte in an answer, an end of file in one direction: the connection is given up, nothing else."""
    rig.up(count=4000)
    fleet = rig.fleet()
    for turn in range(20):
        rig.fill(200)
        rig.writes(20)
        if turn % 2:
            rig.fault("half-closed")
            rig.link.half_close()
        else:
            rig.fault("a corrupt byte")
            rig.link.corrupt = 1
        time.sleep(0.2)
    rig.finish(fleet)


def test_slow_both_ways(rig):
    rig.up(count=4000)
    rig.fault("answers of Redis take 40 ms more")
    rig.link.answer_delay = 0.04
    rig.finish(rig.fleet(2))


# --- Row 9: Redis Cluster ---


def test_cluster_is_refused(rig):
    """A node of a Cluster is named as such; nothing is committed, so a plain Redis gets everything."""
    rig.up(count=2000)
    node = rig.stack._add(
        Redis(
            rig.folder / "node",
            options=[
                "--cluster-enabled",
                "yes",
                "--cluster-require-full-coverage",
                "no",
                "--cluster-port",
                free_port(),
            ],
        )
    )
    node.client.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, 8191)
    rig.fault("a node of a Redis Cluster in place of Redis")
    fleet = rig.fleet(env={"REDIS_PORT": str(node.port)})
    member = fleet.take()
    assert member.wait(30) == 1
    assert "Redis Cluster" in member.err and str(node.port) in member.err, member.err[-2000:]
    group = rig.group()
    assert not any(group.committed().values())
    group.close()
    fleet.env.clear()
    fleet.start()
    rig.finish(fleet)


# --- Row 19: the password is changed ---


def test_password_changed(rig):
    """Who has the old one ends with an error that says so; with the new one everything goes on exactly."""

    def with_password(settings):
        settings["store"].update(username="churnd", password="${STORE_PASSWORD}")

    rig.up(count=6000)
    fleet = None
    with rig.streaming():
        for password in ("oats-1", "hay-2", "straw-3"):
            rig.store.client.execute_command(
                "ACL", "SETUSER", "churnd", "reset", "on", f">{password}", "~*", "&*", "+@all"
            )
            if fleet is not None:
                rig.fault("the store's password changes")
                rig.store.client.execute_command("CLIENT", "KILL", "USER", "churnd")
                for member in fleet.members:
                    assert member.wait(60) == 1
                    assert "refuses the user name or the password" in member.err and "oats" not in member.err
            fleet = rig.fleet(2, with_password, env={"STORE_PASSWORD": password})
            rig.writes(300)
    rig.finish(fleet)
