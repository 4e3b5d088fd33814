"""The model itself: each adversarial event is what its list says, and the arithmetic agrees with the decimal module."""

import random
from decimal import ROUND_HALF_EVEN, Decimal

import events
import oracle
import pytest


def test_broken_events_are_broken():
    for name, value in events.broken():
        with pytest.raises(oracle.Rejected):
            oracle.decode(value)
            pytest.fail(f"{name} is an event")


def test_valid_events_are_valid():
    for name, value in events.valid():
        try:
            oracle.decode(value)
        except oracle.Rejected as e:
            pytest.fail(f"{name} is refused: {e.reason}")


def test_money_agrees_with_decimal():
    rng = random.Random(1)
    for _ in range(20000):
        text = str(rng.randrange(10 ** rng.randrange(1, 13)))
        if rng.random() < 0.8:
            text += "." + "".join(rng.choice("0459") for _ in range(rng.randrange(1, 9)))
        if rng.random() < 0.3:
            text += rng.choice("eE") + rng.choice(["", "+", "-"]) + str(rng.randrange(6))
        exact = Decimal(text)
        if exact <= Decimal("999999999999.9999"):
            assert oracle.money(oracle.RealText(text)) == int(
                exact.quantize(Decimal("0.0001"), ROUND_HALF_EVEN) * 10000
            ), text
        else:
            with pytest.raises(oracle.Rejected):
                oracle.money(oracle.RealText(text))


def test_time_agrees_with_datetime():
    import datetime

    rng = random.Random(2)
    epoch = datetime.datetime(1970, 1, 1)
    for _ in range(20000):
        ms = rng.randrange(-62135596800000, 253402300800000)
        text = (epoch + datetime.timedelta(milliseconds=ms)).isoformat(timespec="milliseconds") + "Z"
        assert oracle.time_text(ms) == text
        assert oracle.timestamp(text) == ms
    assert oracle.timestamp("2026-01-01T01:30:00.0019+01:30") == oracle.timestamp("2026-01-01T00:00:00.001Z")


def test_contract_examples():
    assert [oracle.money_text(u) for u in (999900, 1000000, 1234, 0, 1200)] == [
        "99.99",
        "100.00",
        "0.1234",
        "0.00",
        "0.12",
    ]
    assert [oracle.fixed(n, d, 2) for n, d in ((1, 200), (3, 200), (5, 1000), (15, 1000), (2, 3))] == [
        "0.00",
        "0.02",
        "0.00",
        "0.02",
        "0.67",
    ]
