"""The contract as an independent model: which records are events, what becomes of the profiles, which alerts follow.

It is written from the contract alone and shares nothing with churnd. All sums are whole numbers; money is held in
units of 1/10,000.
"""

import json
import re
import sys
import time
from collections import namedtuple

from confluent_kafka import TIMESTAMP_NOT_AVAILABLE, Consumer, KafkaError, TopicPartition

sys.set_int_max_str_digits(0)

MAX_EVENT_BYTES = 1024 * 1024
MAX_DEPTH = 64
MAX_ID_BYTES = 128
MONEY_LIMIT = 9_999_999_999_999_999  # 999,999,999,999.9999
INT64_MIN, INT64_MAX = -(1 << 63), (1 << 63) - 1
DAY_MS = 86_400_000
MAX_AHEAD_MS = DAY_MS  # of an event before its record


class Rejected(Exception):
    """A record that is no event; `reason` is what the dead letter must say (`a|b`: either is right)."""

    def __init__(self, reason, field=None):
        super().__init__(reason, field)
        self.reason = reason


# --- The event types: data fields as (kind, required, extra) ---

STR, INT, MONEY, CHOICE = "str", "int", "money", "choice"

TYPES = {
    "order_placed": {
        "order_id": (STR, True, None),
        "order_value": (MONEY, True, None),
        "items_count": (INT, True, (1, None)),
        "payment_method": (STR, True, None),
    },
    "order_cancelled": {"order_id": (STR, True, None), "reason": (STR, False, None)},
    "payment_failed": {
        "amount": (MONEY, True, None),
        "order_id": (STR, False, None),
        "payment_method": (STR, False, None),
        "failure_reason": (STR, False, None),
    },
    "support_ticket_created": {
        "ticket_id": (STR, True, None),
        "category": (STR, False, None),
        "priority": (CHOICE, False, ("low", "medium", "high", "urgent")),
    },
    "email_opened": {"campaign_id": (STR, True, None), "email_id": (STR, False, None)},
    "email_clicked": {"campaign_id": (STR, True, None), "email_id": (STR, False, None), "url": (STR, False, None)},
    "login": {"device": (STR, False, None), "session_id": (STR, False, None)},
    "product_viewed": {
        "product_id": (STR, True, None),
        "category": (STR, False, None),
        "seconds": (INT, False, (0, None)),
    },
    "cart_abandoned": {
        "cart_id": (STR, True, None),
        "cart_value": (MONEY, True, None),
        "items_count": (INT, False, (1, None)),
    },
    "review_submitted": {"product_id": (STR, True, None), "rating": (INT, True, (1, 5))},
    "refund_requested": {"order_id": (STR, True, None), "amount": (MONEY, True, None), "reason": (STR, False, None)},
    "subscription_cancelled": {"plan": (STR, False, None), "reason": (STR, False, None)},
}
PREDICTS = {"order_placed", "payment_failed", "support_ticket_created", "cart_abandoned", "subscription_cancelled"}
SEVERITY = {
    "payment_failed": "critical",
    "support_ticket_created": "warning",
    "refund_requested": "warning",
    "subscription_cancelled": "critical",
}

# `values`: the typed fields that the event has; `data`: all of the data object, as parsed.
Event = namedtuple("Event", "event_id event_type customer_id time_ms values data")


# --- JSON by RFC 8259 ---


class IntText(str):
    """A JSON number without fraction or exponent, as written."""

    __slots__ = ()


class RealText(str):
    """Any other JSON number, as written."""

    __slots__ = ()


def _no_constant(text):
    raise ValueError(f"{text} is not JSON")


_json = json.JSONDecoder(parse_int=IntText, parse_float=RealText, parse_constant=_no_constant)
_string = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
_surrogates = re.compile(
    r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    r"|(\\u[dD][89a-fA-F][0-9a-fA-F]{2})|\\.",
    re.DOTALL,
)
_surrogate_hint = re.compile(r"\\u[dD][89a-fA-F]")


def _depth(text):
    deepest = level = 0
    for c in _string.sub("", text):
        if c in "{[":
            level += 1
            deepest = max(deepest, level)
        elif c in "}]":
            level -= 1
    return deepest


def parse_json(raw):
    """The one JSON value of `raw`; numbers stay as they are written."""
    if raw[:3] == b"\xef\xbb\xbf":
        raise Rejected("byte_order_mark")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        try:
            _json.decode(raw.decode("utf-8", "replace"))
        except (ValueError, RecursionError):
            raise Rejected("invalid_utf8|invalid_json") from None
        raise Rejected("invalid_utf8") from None
    if text.count("{") + text.count("[") > MAX_DEPTH and _depth(text) > MAX_DEPTH:
        closed = text.count("{") + text.count("[") == text.count("}") + text.count("]")
        raise Rejected("too_deep" if closed else "too_deep|invalid_json")
    try:
        value = _json.decode(text)
    except ValueError:
        raise Rejected("invalid_json" if text.strip(" \t\r\n") else "empty|invalid_json") from None
    if _surrogate_hint.search(text) and any(m.group(1) for m in _surrogates.finditer(text)):
        raise Rejected("invalid_json")
    return value


# --- Typed values ---

_money = re.compile(r"(-?)([0-9]+)(?:\.([0-9]+))?(?:[eE]([+-]?[0-9]+))?")


def money(value):
    """A JSON number as units of 1/10,000, exactly; more decimals are rounded half to even."""
    kind = type(value)
    if kind is not IntText and kind is not RealText:
        raise Rejected("wrong_type")
    sign, whole, fraction, exponent = _money.fullmatch(value).groups()
    fraction = fraction or ""
    digits = int(whole + fraction)
    if digits == 0:
        return 0
    if sign:
        raise Rejected("invalid_value")
    shift = (int(exponent) if exponent else 0) - len(fraction) + 4
    if shift > 20:
        raise Rejected("invalid_value")
    if shift >= 0:
        units = digits * 10**shift
        if units > MONEY_LIMIT:
            raise Rejected("invalid_value")
        return units
    if -shift > len(whole + fraction) + 1:
        return 0  # below half of the last place
    scale = 10**-shift
    if digits > MONEY_LIMIT * scale:
        raise Rejected("invalid_value")  # judged as written, before rounding
    return half_even(digits, scale)


def half_even(numerator, denominator):
    """numerator / denominator to the nearest whole number, ties to the even one; neither is negative."""
    quotient, rest = divmod(numerator, denominator)
    twice = 2 * rest
    if twice > denominator or (twice == denominator and quotient & 1):
        quotient += 1
    return quotient


def integer(value, limits):
    kind = type(value)
    if kind is RealText:
        raise Rejected("wrong_type|invalid_value")
    if kind is not IntText:
        raise Rejected("wrong_type")
    number = int(value)
    if not INT64_MIN <= number <= INT64_MAX:
        raise Rejected("wrong_type|invalid_value")
    low, high = limits
    if number < low or (high is not None and number > high):
        raise Rejected("invalid_value")
    return number


def string(value):
    if type(value) is not str:
        raise Rejected("wrong_type")
    return value


_time = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})[Tt]([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]+))?"
    r"(?:[Zz]|([+-])([0-9]{2}):([0-9]{2}))"
)
_month_days = (0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_days_of_date = {}


def _days(year, month, day):
    """Days since 1970-01-01 in the Gregorian calendar, whatever the year."""
    y = year - (month <= 2)
    era = y // 400
    of_era = y - era * 400
    of_year = (153 * (month + (-3 if month > 2 else 9)) + 2) // 5 + day - 1
    return era * 146097 + of_era * 365 + of_era // 4 - of_era // 100 + of_year - 719468


def timestamp(text):
    """RFC 3339 → ms since 1970-01-01T00:00:00Z; more decimals are cut off."""
    m = _time.fullmatch(text)
    if not m:
        raise Rejected("invalid_timestamp")
    date = text[:10]
    days = _days_of_date.get(date)
    if days is None:
        year, month, day = int(m[1]), int(m[2]), int(m[3])
        leap = month == 2 and ((year % 4 == 0 and year % 100 != 0) or year % 400 == 0)
        if not 1 <= month <= 12 or not 1 <= day <= _month_days[month] + leap:
            raise Rejected("invalid_timestamp")
        days = _days_of_date[date] = _days(year, month, day)
    hour, minute, second = int(m[4]), int(m[5]), int(m[6])
    if hour > 23 or minute > 59 or second > 59:
        raise Rejected("invalid_timestamp")
    ms = days * DAY_MS + (hour * 3600 + minute * 60 + second) * 1000
    if m[7]:
        ms += int(m[7][:3].ljust(3, "0"))
    if m[8]:
        offset_hours, offset_minutes = int(m[9]), int(m[10])
        if offset_hours > 23 or offset_minutes > 59:
            raise Rejected("invalid_timestamp")
        offset = (offset_hours * 60 + offset_minutes) * 60000
        ms += -offset if m[8] == "+" else offset
    return ms


def time_text(ms):
    """UTC, YYYY-MM-DDTHH:MM:SS.mmmZ."""
    days, ms = divmod(ms, DAY_MS)
    z = days + 719468
    era = z // 146097
    doe = z - era * 146097
    yoe = (doe - doe // 1460 + doe // 36524 - doe // 146096) // 365
    doy = doe - (365 * yoe + yoe // 4 - yoe // 100)
    mp = (5 * doy + 2) // 153
    day, month = doy - (153 * mp + 2) // 5 + 1, mp + (3 if mp < 10 else -9)
    year = yoe + era * 400 + (month <= 2)
    seconds, milli = divmod(ms, 1000)
    return (
        f"{year:04d}-{month:02d}-{day:02d}T{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
        f".{milli:03d}Z"
    )


# --- Decoding ---


def _id(top, name):
    try:
        value = top[name]
    except KeyError:
        raise Rejected("missing_field") from None
    if type(value) is not str:
        raise Rejected("wrong_type")
    if not value or (len(value) > MAX_ID_BYTES // 4 and len(value.encode()) > MAX_ID_BYTES):
        raise Rejected("invalid_value")
    return value


_control = re.compile("[\x00-\x1f\x7f-\x9f]")


def decode(raw):
    """The event in a record's value, or Rejected."""
    if not raw:
        raise Rejected("empty")
    if len(raw) > MAX_EVENT_BYTES:
        raise Rejected("too_large")
    top = parse_json(raw)
    if type(top) is not dict:
        raise Rejected("not_an_object")
    for name in ("event_id", "event_type", "customer_id", "timestamp", "data"):
        if name not in top:
            raise Rejected("missing_field")
    event_type = string(top["event_type"])
    fields = TYPES.get(event_type)
    if fields is None:
        raise Rejected("unknown_event_type" if event_type else "unknown_event_type|invalid_value")
    event_id = _id(top, "event_id")
    customer_id = _id(top, "customer_id")
    if _control.search(customer_id):
        raise Rejected("invalid_value")
    time_ms = timestamp(string(top["timestamp"]))
    data = top["data"]
    if type(data) is not dict:
        raise Rejected("wrong_type")
    values = {}
    for name, (kind, required, extra) in fields.items():
        if name not in data:
            if required:
                raise Rejected("missing_field")
            continue
        value = data[name]
        if kind is STR:
            values[name] = string(value)
        elif kind is MONEY:
            values[name] = money(value)
        elif kind is INT:
            values[name] = integer(value, extra)
        else:
            if string(value) not in extra:
                raise Rejected("invalid_value")
            values[name] = value
    return Event(event_id, event_type, customer_id, time_ms, values, data)


def severity(event):
    """The severity of the event's alert, or None."""
    if event.event_type == "support_ticket_created" and event.values.get("priority") == "urgent":
        return "critical"
    return SEVERITY.get(event.event_type)


# --- Profiles ---


class Profile:
    __slots__ = ("counts", "first", "last", "last_at", "newest", "sums", "total")

    def __init__(self):
        self.total = 0
        self.first = self.last = None
        self.last_at = None  # (time, position, type) of the event that is last
        self.counts = {}
        self.sums = {}
        self.newest = {}

    def _count(self, name, n=1):
        self.counts[name] = self.counts.get(name, 0) + n

    def _sum(self, name, units):
        self.sums[name] = self.sums.get(name, 0) + units

    def _newest(self, name, time_ms):
        if name not in self.newest or time_ms > self.newest[name]:
            self.newest[name] = time_ms

    def apply(self, event, position):
        """`position`: (topic, partition, offset)."""
        time_ms, values = event.time_ms, event.values
        self.total += 1
        if self.first is None or time_ms < self.first:
            self.first = time_ms
        if self.last is None or time_ms >= self.last:
            place = (time_ms, position, event.event_type)
            if self.last_at is None or place[:2] > self.last_at[:2]:
                self.last_at = place
            self.last = time_ms
        kind = event.event_type
        if kind == "order_placed":
            self._count("order_count")
            self._count("items_purchased", values["items_count"])
            self._sum("total_spent", values["order_value"])
            self._newest("last_order_at", time_ms)
        elif kind == "order_cancelled":
            self._count("orders_cancelled")
        elif kind == "email_opened":
            self._count("emails_opened")
        elif kind == "email_clicked":
            self._count("emails_clicked")
        elif kind == "login":
            self._count("login_count")
            self._newest("last_login_at", time_ms)
        elif kind == "product_viewed":
            self._count("products_viewed")
        elif kind == "cart_abandoned":
            self._count("carts_abandoned")
            self._sum("abandoned_value", values["cart_value"])
        elif kind == "review_submitted":
            self._count("reviews_submitted")
            self._count("rating_sum", values["rating"])
        elif kind == "support_ticket_created":
            self._count("support_tickets")
        elif kind == "refund_requested":
            self._count("refunds_requested")
            self._sum("refund_amount", values["amount"])
        elif kind == "payment_failed":
            self._count("payment_failures")
            self._sum("failed_amount", values["amount"])
            self._newest("last_payment_failure_at", time_ms)
        elif kind == "subscription_cancelled":
            self._newest("subscription_cancelled_at", time_ms)

    def fields(self):
        """The profile as the store shows it."""
        out = {
            "events_total": str(self.total),
            "first_event_at": time_text(self.first),
            "last_event_at": time_text(self.last),
            "last_event_type": self.last_at[2],
        }
        for name, count in self.counts.items():
            out[name] = str(count)
        for name, units in self.sums.items():
            out[name] = money_text(units)
        for name, time_ms in self.newest.items():
            out[name] = time_text(time_ms)
        orders = self.counts.get("order_count")
        if orders:
            out["average_order_value"] = fixed(self.sums["total_spent"], orders * 10000, 2)
        opened = self.counts.get("emails_opened")
        if opened:
            out["email_click_rate"] = fixed(self.counts.get("emails_clicked", 0), opened, 4)
        if "login_count" in self.counts:
            out["logins_per_day"] = fixed(self.counts["login_count"], 1 + (self.last - self.first) // DAY_MS, 4)
        out["subscription_status"] = "cancelled" if "subscription_cancelled_at" in self.newest else "active"
        return out


def money_text(units):
    whole, rest = divmod(units, 10000)
    text = f"{rest:04d}".rstrip("0").ljust(2, "0")
    return f"{whole}.{text}"


def fixed(numerator, denominator, decimals):
    scaled = half_even(numerator * 10**decimals, denominator)
    whole, rest = divmod(scaled, 10**decimals)
    return f"{whole}.{rest:0{decimals}d}"


# --- The model of a whole run ---

Dead = namedtuple("Dead", "reason key value")
Trigger = namedtuple("Trigger", "event_id event_type time_ms position rank")
Alert = namedtuple("Alert", "severity event_id event_type customer_id timestamp data")


class Model:
    """What a pipeline must have done after these records."""

    def __init__(self, alerts=True):
        self.profiles = {}
        self.dead = {}  # position → Dead
        self.alerts = []  # (position, Alert)
        self.triggers = {}  # customer → [Trigger], in the order of their records
        self.events = 0
        self.keep_alerts = alerts

    def feed(self, topic, partition, offset, key, raw, record_ms=None):
        position = (topic, partition, offset)
        try:
            event = decode(raw)
            if record_ms is not None and event.time_ms > record_ms + MAX_AHEAD_MS:
                raise Rejected("timestamp_ahead")
        except Rejected as e:
            self.dead[position] = Dead(e.reason, key, raw)
            return
        self.events += 1
        customer = event.customer_id
        profile = self.profiles.get(customer)
        if profile is None:
            profile = self.profiles[customer] = Profile()
        profile.apply(event, position)
        kind = event.event_type
        if kind in PREDICTS:
            self.triggers.setdefault(customer, []).append(
                Trigger(event.event_id, kind, event.time_ms, position, profile.total)
            )
        if self.keep_alerts and kind in SEVERITY:
            self.alerts.append(
                (
                    position,
                    Alert(
                        severity(event), event.event_id, kind, customer, time_text(event.time_ms), canonical(event.data)
                    ),
                )
            )

    def feed_topics(self, brokers, topics):
        for record in read_topics(brokers, topics):
            self.feed(*record[:5], record.time_ms)
        return self

    def feed_lines(self, path, topic, partition=0):
        """A file of one event a line: positions as a bounded source has them."""
        with open(path, "rb") as lines:
            for offset, line in enumerate(lines):
                self.feed(topic, partition, offset, None, line.rstrip(b"\n"))
        return self

    def profile_fields(self):
        return {customer: profile.fields() for customer, profile in self.profiles.items()}


def canonical(value):
    """A parsed JSON value as a text that is equal for equal values; numbers as they are written."""

    def plain(v):
        if isinstance(v, (IntText, RealText)):
            return "#" + v
        if isinstance(v, str):
            return "s" + v
        if isinstance(v, dict):
            return {k: plain(x) for k, x in v.items()}
        return [plain(x) for x in v] if isinstance(v, list) else v

    return json.dumps(plain(value), sort_keys=True)


class Record(tuple):
    """(topic, partition, offset, key, value, headers) of a topic's record; `time_ms` is its own timestamp, None: it has none."""


def read_topics(brokers, topics):
    """All records that the topics hold now; each partition in order."""
    consumer = Consumer(
        {
            "bootstrap.servers": brokers,
            "group.id": "churn-oracle",
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            "fetch.message.max.bytes": 4 << 20,
            "queued.min.messages": 1000000,
            "check.crcs": True,
            "enable.partition.eof": True,
        }
    )
    try:
        ends = {}
        for topic in topics:
            metadata = consumer.list_topics(topic, timeout=15).topics[topic]
            for partition in metadata.partitions:
                low, high = consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=15)
                if high > low:
                    ends[topic, partition] = high
        consumer.assign([TopicPartition(t, p, 0) for t, p in ends])
        last_seen = time.monotonic()
        while ends:
            messages = consumer.consume(20000, timeout=0.2)
            if messages:
                last_seen = time.monotonic()
            elif time.monotonic() - last_seen > 20:
                raise AssertionError(f"could not read {ends} from {brokers}")
            for m in messages:
                topic, partition, offset = m.topic(), m.partition(), m.offset()
                end = ends.get((topic, partition))
                if (
                    m.error() and m.error().code() == KafkaError._PARTITION_EOF
                ):  # behind the markers of transactions, say
                    if end is not None and offset >= end:
                        del ends[topic, partition]
                    continue
                if m.error():
                    raise AssertionError(str(m.error()))
                if end is None or offset >= end:
                    continue
                if offset == end - 1:
                    del ends[topic, partition]
                record = Record((topic, partition, offset, m.key(), m.value(), m.headers()))
                kind, time_ms = m.timestamp()
                record.time_ms = time_ms if kind != TIMESTAMP_NOT_AVAILABLE else None
                yield record
    finally:
        consumer.close()


# --- Comparing ---


def differences(expected, actual, limit=20):
    """What differs between two {customer: {field: value}}, as lines for a person; none when they are equal."""
    lines, count = [], 0

    def say(text):
        nonlocal count
        count += 1
        if count <= limit:
            lines.append(text)

    for customer in sorted(expected.keys() - actual.keys()):
        say(f"{customer!r}: no profile, though it has {expected[customer]['events_total']} events")
    for customer in sorted(actual.keys() - expected.keys()):
        say(f"{customer!r}: a profile that no event made: {actual[customer]}")
    for customer in sorted(expected.keys() & actual.keys()):
        want, got = expected[customer], actual[customer]
        if want != got:
            for name in sorted(want.keys() | got.keys()):
                if want.get(name) != got.get(name):
                    say(f"{customer!r}: {name} is {got.get(name)!r}, must be {want.get(name)!r}")
    if count > limit:
        lines.append(f"… and {count - limit} differences more")
    if count:
        totals = [sum(int(p.get("events_total", 0)) for p in side.values()) for side in (expected, actual)]
        lines.append(f"events counted: {totals[1]}, must be {totals[0]}")
    return lines


def assert_profiles(model, actual):
    lines = differences(model.profile_fields(), actual)
    assert not lines, "profiles differ from the contract:\n" + "\n".join(lines)


def assert_dead_letters(model, letters):
    """`letters`: (reason, topic, partition, offset, key, value) as they were stored; each exactly once."""
    seen, wrong = {}, []
    for reason, topic, partition, offset, key, value in letters:
        position = (topic, partition, offset)
        if position in seen:
            wrong.append(f"{position}: stored twice")
        seen[position] = reason
        want = model.dead.get(position)
        if want is None:
            wrong.append(f"{position}: a good event in the dead letters, for {reason}: {(value or b'')[:200]!r}")
            continue
        if reason not in want.reason.split("|"):
            wrong.append(f"{position}: reason {reason}, must be {want.reason}: {(value or b'')[:200]!r}")
        if (value or b"") != (want.value or b"") or (value is None) != (want.value is None):
            wrong.append(f"{position}: not the original value")
        if (key or b"") != (want.key or b""):
            wrong.append(f"{position}: key {key!r}, must be {want.key!r}")
    for position in sorted(model.dead.keys() - seen.keys()):
        dead = model.dead[position]
        wrong.append(
            f"{position}: not in the dead letters, must be there for {dead.reason}: {(dead.value or b'')[:200]!r}"
        )
    assert not wrong, f"{len(wrong)} wrong dead letters:\n" + "\n".join(wrong[:30])


def kafka_dead_letters(brokers, topic):
    for _, _, _, key, value, headers in read_topics(brokers, [topic]):
        h = {name: text.decode() for name, text in headers or []}
        assert h.get("churn.detail") and h.get("churn.written_at"), f"a dead letter without detail or time: {h}"
        yield h["churn.reason"], h["churn.topic"], int(h["churn.partition"]), int(h["churn.offset"]), key, value


def parse_alert(raw):
    """An alert as delivered → (alert_id, Alert)."""
    a = parse_json(raw)
    for name in ("alert_id", "severity", "event_id", "event_type", "customer_id", "timestamp", "message"):
        assert type(a.get(name)) is str and a[name], f"{name} of alert {raw[:500]!r}"
    assert type(a.get("data")) is dict, f"data of alert {raw[:500]!r}"
    return a["alert_id"], Alert(
        a["severity"], a["event_id"], a["event_type"], a["customer_id"], a["timestamp"], canonical(a["data"])
    )


def assert_alerts(model, raw_alerts):
    """Each expected alert at least once, no other; equal ids mean equal alerts. Returns how many were repeats."""
    by_id, count = {}, 0
    for raw in raw_alerts:
        count += 1
        alert_id, alert = parse_alert(raw)
        assert by_id.setdefault(alert_id, alert) == alert, f"two alerts with the id {alert_id}"
    expected = sorted(alert for _, alert in model.alerts)
    actual = sorted(by_id.values())
    if expected != actual:
        missing, extra = set(expected) - set(actual), set(actual) - set(expected)
        raise AssertionError(
            f"{len(expected)} alerts expected, {len(actual)} found; missing {len(missing)}, wrong "
            f"{len(extra)}:\nmissing {sorted(missing)[:5]}\nwrong {sorted(extra)[:5]}"
        )
    return count - len(by_id)


def assert_profiles_of(expected, actual):
    """Like assert_profiles for some customers only."""
    lines = differences({c: expected[c] for c in actual}, actual)
    assert not lines, "profiles differ from the contract:\n" + "\n".join(lines)
