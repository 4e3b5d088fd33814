"""Events for the tests: a plain random load, and adversarial ones – each way to break the contract, and each way to keep it
that a careless reader gets wrong."""

import json
import random

import oracle

MIB = 1024 * 1024
BASE_MS = 1767225600000  # 2026-01-01T00:00:00Z


def event(event_type, data, customer="adversary_1", event_id=None, time="2026-03-01T12:00:00.000Z"):
    return {
        "event_id": event_id or f"{customer}_1772366400000",
        "event_type": event_type,
        "customer_id": customer,
        "timestamp": time,
        "data": data,
    }


def raw(value):
    return json.dumps(value, ensure_ascii=False).encode()


ORDER = {"order_id": "ord_1", "order_value": 10.5, "items_count": 2, "payment_method": "card"}

# Data of each type with nothing missing.
FULL = {
    "order_placed": ORDER,
    "order_cancelled": {"order_id": "ord_1", "reason": "late"},
    "payment_failed": {"amount": 19.99, "order_id": "ord_1", "payment_method": "card", "failure_reason": "funds"},
    "support_ticket_created": {"ticket_id": "t_1", "category": "billing", "priority": "high"},
    "email_opened": {"campaign_id": "c_1", "email_id": "e_1"},
    "email_clicked": {"campaign_id": "c_1", "email_id": "e_1", "url": "https://shop.example/a?b=1&c=2"},
    "login": {"device": "phone", "session_id": "s_1"},
    "product_viewed": {"product_id": "p_1", "category": "books", "seconds": 12},
    "cart_abandoned": {"cart_id": "k_1", "cart_value": 55.55, "items_count": 3},
    "review_submitted": {"product_id": "p_1", "rating": 5},
    "refund_requested": {"order_id": "ord_1", "amount": 3.25, "reason": "broken"},
    "subscription_cancelled": {"plan": "gold", "reason": "price"},
}


def load(count, customers, seed, start_ms=BASE_MS, event_prefix=""):
    """`count` valid events as (key, value); some come late, some share a time; every type occurs. Each event_id is used once
    among the loads of one `event_prefix`."""
    rng = random.Random(seed)
    types = list(FULL)
    made = []
    for i in range(count):
        customer = f"cust_{int(customers * rng.random() ** 2)}"
        kind = types[int(len(types) * rng.random())]
        time_ms = start_ms + i * 250 - (int(rng.random() * 86_400_000) if rng.random() < 0.1 else 0)
        time_ms -= time_ms % 1000 if rng.random() < 0.2 else 0
        data = dict(FULL[kind])
        cents = int(rng.random() * 100000)
        for name in ("order_value", "amount", "cart_value"):
            if name in data:
                data[name] = cents / 100
        if "items_count" in data:
            data["items_count"] = 1 + cents % 9
        if "rating" in data:
            data["rating"] = 1 + cents % 5
        if "priority" in data:
            data["priority"] = ("low", "medium", "high", "urgent")[cents % 4]
        value = json.dumps(
            {
                "event_id": f"{customer}_{event_prefix}{i}",
                "event_type": kind,
                "customer_id": customer,
                "timestamp": oracle.time_text(time_ms),
                "data": data,
            }
        )
        made.append((customer.encode(), value.encode()))
    return made


def _text(
    event_type="login",
    data="{}",
    customer="adversary_1",
    time="2026-03-01T12:00:00Z",
    before="",
    after="",
    event_id=None,
):
    """An event put together as text, for what json.dumps would not write."""
    event_id = event_id or f"{customer}_1"
    return (
        f'{{{before}"event_id":"{event_id}","event_type":"{event_type}","customer_id":"{customer}","timestamp":"{time}",'
        f'"data":{data}{after}}}'
    ).encode()


def _order(value, items="1", customer="adversary_money"):
    return _text(
        "order_placed",
        f'{{"order_id":"o","order_value":{value},"items_count":{items},"payment_method":"card"}}',
        customer,
    )


def broken():
    """(name, value): none of them is an event."""
    out = []

    def add(name, value):
        out.append((name, value))

    good = _text()
    add("tombstone", None)
    add("empty", b"")
    add("one space", b" ")
    add("one NUL", b"\0")
    add("byte order mark", b"\xef\xbb\xbf" + good)
    add("UTF-16", good.decode().encode("utf-16"))
    for name, piece in {
        "overlong slash": b"\xc0\xaf",
        "lone continuation": b"\x80",
        "cut sequence": b"\xe2\x82",
        "encoded surrogate": b"\xed\xa0\x80",
        "beyond Unicode": b"\xf4\x90\x80\x80",
        "latin-1": b"caf\xe9",
        "byte 255": b"\xff",
    }.items():
        add(f"UTF-8: {name}", _text(data='{"device":"@"}').replace(b"@", piece))
        add(f"UTF-8 in an ignored member: {name}", _text(after=',"x":{"y":["@"]}').replace(b"@", piece))
    add("bad UTF-8 in a name", _text(after=',"@":1').replace(b"@", b"\xfe"))

    # Not JSON. Each also within members that are ignored, where a lazy parser does not look.
    bad_values = [
        "",
        "nul",
        "tru",
        "True",
        "NaN",
        "Infinity",
        "-Infinity",
        "01",
        "-01",
        "1.",
        ".5",
        "+1",
        "-",
        "1e",
        "1e+",
        "0x10",
        "1_000",
        "1 2",
        "--1",
        "1.2.3",
        "'a'",
        '"a',
        '"\\x41"',
        '"\\u12"',
        '"\\u12G4"',
        '"\\"',
        '"a\tb"',
        '"a\nb"',
        '"a\x00b"',
        '"a\x1fb"',
        "[1,]",
        "[,1]",
        "[1 2]",
        "[1",
        "1]",
        '{"a"}',
        '{"a":}',
        '{"a":1,}',
        "{a:1}",
        '{"a" 1}',
        '{"a":1 "b":2}',
        "{1:2}",
        "[}",
        "{]",
        "/*c*/1",
        "1//c\n",
        "undefined",
        "\x0c1",
        "\u00a01",
        "\ufeff1",
        '"\\ud800"',
        '"\\udc00"',
        '"\\ud800\\u0041"',
        '"\\ud800x"',
        '"\\udc00\\ud800"',
        '"\\ud83d\\ud83d\\ude00"',
        '"\\uD800\\\\uDC00"',
        "nullnull",
        "[1]]",
        "{}{}",
    ]
    for value in bad_values:
        add(f"not JSON, top level: {value!r}", _text(after=f',"x":{value}'))
        add(f"not JSON, in data: {value!r}", _text("email_opened", f'{{"campaign_id":"c","x":[{{"y":{value}}}]}}'))
        if value:
            add(f"not JSON, in a skipped array first: {value!r}", _text(before=f'"x":[[{value}],2],'))
    for value in ("01", "1.", ".5", "+1", "1e", "NaN", "-", "1.5.5", "0x1F", "1,5"):
        add(f"not a number: {value}", _order(value))
        add(f"not an int: {value}", _order("1", value))
    add("lone surrogate as a name", _text(after=',"\\ud800":1'))
    add("lone surrogate in a typed field", _text(data='{"device":"\\ud800"}'))
    add("lone surrogate in customer_id", _text(customer="a\\udfff"))
    add("lone surrogate in a member that is repeated", _text(data='{"device":"\\ud800","device":"x"}'))
    add("text after the value", good + b"x")
    add("two values", good + good)
    add("two values, one a line", good + b"\n" + good)
    add("a comma after the value", good + b",")
    add("NUL after the value", good + b"\0")
    add("text before the value", b"x" + good)
    add("cut in the middle", good[: len(good) // 2])
    add("cut before the last brace", good[:-1])
    add("no colon", good.replace(b'"data":', b'"data"'))
    add("single quotes", good.replace(b'"', b"'"))

    for depth in (oracle.MAX_DEPTH + 1, 100, 5000):
        arrays, objects = depth - 1, depth - 2
        add(f"{depth} levels of arrays", _text(after=f',"x":{"[" * arrays}{"]" * arrays}'))
        add(
            f"{depth} levels of objects in data",
            _text(data='{"a":' * objects + "{}" + "}" * objects).replace(b'"data":{}', b""),
        )
    add("too deep in a repeated member", _text(after=f',"x":{"[" * 64}{"]" * 64},"x":1'))

    for value in ("[]", "[{}]", '"text"', "1", "-1.5", "true", "null", '["event_id"]'):
        add(f"no object: {value}", value.encode())
    add("an event within an array", b"[" + good + b"]")
    add("nothing in it", b"{}")
    for name in ("event_id", "event_type", "customer_id", "timestamp", "data"):
        whole = event("login", {})
        del whole[name]
        add(f"no {name}", raw(whole))
        add(f"{name} in other letters", raw({**whole, name.upper(): event("login", {})[name]}))
        add(
            f"{name} only within data",
            raw({**whole, "data": {name: event("login", {})[name]}}) if name != "data" else raw({**whole, "Data": {}}),
        )
        for wrong in (None, 1, True, 1.5, []) + (("text",) if name == "data" else ({},)):
            add(f"{name} is {wrong!r}", raw({**event("login", {}), name: wrong}))
    for name in ("event_id", "customer_id"):
        for what, value in {
            "empty": "",
            "129 bytes": "x" * 129,
            "129 bytes, 65 characters": "é" * 64 + "x",
            "1000 bytes": "y" * 1000,
            "33 characters of 4 bytes": "😀" * 33,
        }.items():
            add(f"{name} of {what}", raw({**event("login", {}), name: value}))
    for c in "\0\x01\t\n\r\x1b\x1f\x7f\x80\x9f":
        add(f"control character {c!r} in customer_id", raw({**event("login", {}), "customer_id": f"a{c}b"}))

    for kind in (
        "Login",
        "login ",
        "LOGIN",
        "unknown_type",
        "",
        "login\0",
        "order_placed2",
        "x" * 300,
        "../login",
        "_",
        "ログイン",
    ):
        add(f"type {kind[:20]!r}", raw(event(kind, {})))

    for time in (
        "",
        "now",
        "2026-03-01",
        "12:00:00Z",
        "2026-03-01T12:00:00",
        "2026-03-01 12:00:00Z",
        "2026-03-01T12:00Z",
        "2026-3-1T12:00:00Z",
        "2026-02-29T12:00:00Z",
        "1900-02-29T00:00:00Z",
        "2026-04-31T00:00:00Z",
        "2026-13-01T00:00:00Z",
        "2026-00-01T00:00:00Z",
        "2026-01-00T00:00:00Z",
        "2026-01-32T00:00:00Z",
        "2026-01-01T24:00:00Z",
        "2026-01-01T23:60:00Z",
        "2026-01-15T12:00:60Z",
        "2026-01-01T23:59:61Z",
        "2026-01-01T00:00:00.Z",
        "2026-01-01T00:00:00,5Z",
        "2026-01-01T00:00:00+24:00",
        "2026-01-01T00:00:00+00:60",
        "2026-01-01T00:00:00+0100",
        "2026-01-01T00:00:00+01",
        "2026-01-01T00:00:00 Z",
        " 2026-01-01T00:00:00Z",
        "2026-01-01T00:00:00Z ",
        "2026-01-01T00:00:00ZZ",
        "2026-01-01T00:00:00Z+01:00",
        "12026-01-01T00:00:00Z",
        "-026-01-01T00:00:00Z",
        "+2026-01-01T00:00:00Z",
        "2026-W01-1T00:00:00Z",
        "20260101T000000Z",
        "1767225600",
        "2026-01-01T00:00:00\u2212" + "01:00",
        "2026-01-01T0a:00:00Z",
        "２０２６-01-01T00:00:00Z",
        "2026-01-01T00:00:00.12x4Z",
        "2026/01/01T00:00:00Z",
        "2026-01-01T-1:00:00Z",
        "2026-01-01T00:00:00.1.2Z",
    ):
        add(f"time {time!r}", raw(event("login", {}, time=time)))

    for kind, fields in oracle.TYPES.items():
        for name, (what, required, _extra) in fields.items():
            full = FULL[kind]
            if required:
                add(f"{kind} without {name}", raw(event(kind, {k: v for k, v in full.items() if k != name})))
            wrong = {
                oracle.STR: (None, 1, 1.5, False, [], {}),
                oracle.CHOICE: (None, 1, True, ["low"], "", "LOW", "low ", "none"),
                oracle.INT: (None, "1", True, [], {}),
                oracle.MONEY: (None, "9.99", False, [], {}),
            }[what]
            for value in wrong:
                add(f"{kind}: {name} is {value!r}", raw(event(kind, {**full, name: value})))
    for value in (
        "-0.01",
        "-1",
        "-1e-9",
        "-0.00001",
        "1000000000000",
        "999999999999.99995",
        "999999999999.99990000001",
        "1e12",
        "1e400",
        "1E+308",
        "1e999999999",
        "1e99999999999999999999999",
        "9" * 400,
        "-1e400",
    ):
        add(f"money {value[:30]}", _order(value))
    for value in (
        "0",
        "-1",
        "1.0",
        "1.5",
        "1e0",
        "1E2",
        "10e-1",
        "9223372036854775808",
        "-9223372036854775809",
        "18446744073709551616",
        "9" * 40,
        "1e400",
        "0.0",
        "-0",
    ):
        add(f"items_count {value[:30]}", _order("1", value))
    for value in ("0", "6", "-5", "5.0", "2e0", "255", "4294967297"):
        add(f"rating {value}", _text("review_submitted", f'{{"product_id":"p","rating":{value}}}'))
    add("seconds -1", _text("product_viewed", '{"product_id":"p","seconds":-1}'))
    add("last of a repeated member is wrong", _text(data='{"device":"a","device":1}'))
    add("last data is wrong", _text("email_opened", '{"campaign_id":"c"}', after=',"data":{}'))
    add("last data is no object", _text(after=',"data":7'))
    add("last event_type is unknown", _text(after=',"event_type":"nothing"'))
    add("last timestamp is wrong", _text(after=',"timestamp":"never"'))
    add("repeated in escapes, the last wrong", _text(after=',"custo\\u006der_id":5'))
    return out


def _padded(value, size):
    """`value`, a whole event, grown to `size` bytes by a member that is ignored."""
    text = value[:-1] + b',"padding":"'
    return text + b"x" * (size - len(text) - 2) + b'"}'


def big():
    """(name, value): around the size limit, broken and not."""
    good, customer = _text("email_opened", '{"campaign_id":"c"}', customer="adversary_big"), b"adversary_big"
    return [
        ("1 MiB exactly", _padded(good, MIB)),
        ("1 MiB and one byte", _padded(good, MIB + 1)),
        ("one byte less than 1 MiB", _padded(good, MIB - 1)),
        ("1 MiB, broken", _padded(good, MIB - 1) + b"}"),
        ("1 MiB of spaces", good + b" " * (MIB - len(good))),
        ("1 MiB of brackets", b"[" * MIB),
        ("1 MiB of quotes", b'"' * MIB),
        ("1 MiB of backslashes", b'"' + b"\\" * (MIB - 1)),
        ("2 MiB", _padded(good, 2 * MIB)),
        ("1 MiB of zeros", b"\0" * MIB),
        ("a number of 1 MiB", _text(after=f',"x":{"1" * (MIB - 300)}')),
        (
            "many members",
            _text(
                "email_opened",
                '{"campaign_id":"c",' + ",".join(f'"m{i}":{i}' for i in range(60000)) + "}",
                customer.decode(),
            ),
        ),
    ]


def valid():
    """(name, value): each is an event."""
    out = []

    def add(name, value):
        out.append((name, value))

    for kind, data in FULL.items():
        add(f"{kind}, complete", raw(event(kind, data, customer="adversary_full")))
        required = {k: data[k] for k, (_, needed, _) in oracle.TYPES[kind].items() if needed}
        add(f"{kind}, required only", raw(event(kind, required, customer="adversary_required")))
        backwards = dict(reversed(event(kind, data, customer="adversary_backwards").items()))
        add(f"{kind}, data first", raw(backwards))

    for value in (
        "0",
        "0.0",
        "-0",
        "-0.0",
        "0e5",
        "0e400",
        "-0E-400",
        "0.00005",
        "0.00015",
        "0.00025",
        "0.000149999999999999999999",
        "0.000150000000000000000001",
        "1e-5",
        "5e-5",
        "1.5E-4",
        "2.5e-4",
        "1e2",
        "1E+2",
        "12e-1",
        "1.10",
        "99.990",
        "100",
        "0.1",
        "0.2",
        "0.3",
        "1e-400",
        "1e-999999999",
        "0e999999999",
        "1e-99999999999999999999999",
        "0.1e1",
        "123456789.12345",
        "999999999999.9999",
        "999999999999.9998999999",
        "9999999999999999e-4",
        "0.9999999999999e12",
        "0." + "3" * 400,
        "1" + "0" * 30 + "e-30",
        "8.005",
        "1.00005",
        "1.00015",
        "2.675",
        "1.005",
        "4503599627370496.5e-5",
        "0.30000000000000004",
        "17.00000000000000000000000000000000000000001",
    ):
        add(f"money {value[:30]}", _order(value))
    for value in ("1", "9223372036854775807", "999999999999999999", "9223372036854775806", "1234567890123456789"):
        add(f"items_count {value}", _order("1", value, "adversary_items"))
    add("seconds -0", _text("product_viewed", '{"product_id":"p","seconds":-0}'))
    add("seconds 19 digits", _text("product_viewed", '{"product_id":"p","seconds":9223372036854775807}'))

    times = (
        "2024-02-29T23:59:59.999Z",
        "2000-02-29T00:00:00Z",
        "1969-12-31T23:59:59.9999Z",
        "1970-01-01T00:00:00Z",
        "1970-01-01T00:00:00.001Z",
        "1969-12-31T23:59:59.999Z",
        "0001-01-01T00:00:00Z",
        "1583-01-01T00:00:00.5Z",
        "9999-12-31T23:59:59.999Z",
        "9999-12-31T23:59:59.9999999999Z",
        "2026-01-01T00:00:00+14:00",
        "2026-01-01T00:00:00-12:00",
        "2026-01-01T00:30:00+01:00",
        "2025-12-31T23:30:00-01:00",
        "2026-01-01T00:00:00+23:59",
        "2026-01-01T00:00:00-23:59",
        "2026-01-01T00:00:00-00:00",
        "2026-01-01T00:00:00+00:00",
        "2026-01-01t00:00:00z",
        "2026-01-01T00:00:00.1Z",
        "2026-01-01T00:00:00.12Z",
        "2026-01-01T00:00:00.1239999999999999999999999Z",
        "2026-01-01T00:00:00.0009Z",
        "2024-03-01T00:30:00+01:00",
        "2026-12-31T23:59:59.999-00:01",
        "2026-01-01T00:00:00.123456+05:45",
        "1999-12-31T23:59:59.999999Z",
        "2100-02-28T23:59:59Z",
        "2400-02-29T12:00:00Z",
    )
    for i, time in enumerate(times):
        add(f"time {time}", raw(event("login", {}, customer=f"adversary_time_{i}", time=time)))
        add(
            f"time {time} beside others",
            raw(event("order_placed", ORDER, customer=f"adversary_times_{i % 5}", time=time)),
        )
    same = "2026-05-05T05:05:05.005Z"
    for i, kind in enumerate(list(FULL) * 2):
        add(f"tie {i}", raw(event(kind, FULL[kind], customer="adversary_tie", time=same, event_id=f"tie_{i}")))
    add(
        "tie in other words",
        raw(
            event(
                "email_opened",
                FULL["email_opened"],
                customer="adversary_tie",
                time="2026-05-05T07:05:05.0059+02:00",
                event_id="tie_last",
            )
        ),
    )

    for customer in (
        "x" * 128,
        "é" * 64,
        "😀" * 32,
        "a",
        " ",
        "with space",
        "ünï/cödé:*?[]{}%$\"'\\",
        "profile:",
        "日本",
        "\u00a0x",
        "\u2028",
        "\ufeffbom",
        "a\u0301",
        "á",
        "-1",
        "{tag}",
        "a:b:c",
        "'; DROP",
        "%s%n",
        "\uffff",
        "🏳️‍🌈",
    ):
        add(f"customer {customer[:20]!r}", raw(event("login", {}, customer=customer, event_id="an_id")))
        add(
            f"customer {customer[:20]!r} places an order",
            raw(event("order_placed", ORDER, customer=customer, event_id="an_id")),
        )
    add("event_id of 128 bytes", raw(event("refund_requested", FULL["refund_requested"], event_id="z" * 128)))
    add(
        "event_id of 128 bytes, 32 characters",
        raw(event("refund_requested", FULL["refund_requested"], event_id="😀" * 32)),
    )
    add("event_id with quotes", raw(event("payment_failed", FULL["payment_failed"], event_id='a"b\\c/d')))

    add(
        "escapes in values",
        _text(
            "refund_requested",
            '{"order_id":"\\"\\\\\\/\\b\\f\\n\\r\\t\\u0041\\u00e9\\u20ac\\ud83d\\ude00\\u0000",'
            '"amount":1,"reason":"\\u2028\\u007f"}',
        ),
    )
    add(
        "escapes in all names",
        b'{"\\u0065vent_id":"e","event\\u005ftype":"login","\\u0063ustomer_id":"adversary_esc",'
        b'"t\\u0069mestamp":"2026-03-01T12:00:00Z","d\\u0061ta":{"\\u0064evice":"x"}}',
    )
    add(
        "escapes in type, id and time",
        b'{"event_id":"\\u0065","event_type":"lo\\u0067in","customer_id":"adversary\\u005fesc",'
        b'"timestamp":"2026-03-01\\u005412:00:00\\u005a","data":{}}',
    )
    add("escaped slash and choice", _text("support_ticket_created", '{"ticket_id":"a\\/b","priority":"ur\\u0067ent"}'))
    add("an escape that is no surrogate", _text(data='{"device":"\\\\ud800"}'))
    add("surrogate pairs of both letters' cases", _text(data='{"device":"\\uD83D\\uDE00\\ud83d\\ude00"}'))
    add("noncharacters", raw(event("login", {"device": "\ufdd0\uffff"})))
    add(
        "white space everywhere",
        b' \t\r\n{ "event_id"\n:\t"e" ,\r"event_type" : "login" , "customer_id" : "adversary_ws" ,\n'
        b'"timestamp" : "2026-03-01T12:00:00Z" , "data" : {\n} } \r\n\t ',
    )
    add("DEL in a value", _text(data='{"device":"a\x7fb"}'))

    add("repeated type", _text(before='"event_type":"nothing",', customer="adversary_twice"))
    add("repeated type, first of another kind", _text(before='"event_type":17,', customer="adversary_twice"))
    add("repeated data", _text("email_opened", "{}", "adversary_twice", after=',"data":{"campaign_id":"c"}'))
    add(
        "repeated data, first no object",
        _text("email_opened", "null", "adversary_twice", after=',"data":{"campaign_id":"c"}'),
    )
    add("repeated data is not joined", _text(data='{"device":7}', customer="adversary_twice", after=',"data":{}'))
    add("repeated customer", _text(customer="adversary_nobody", after=',"customer_id":"adversary_twice"'))
    add(
        "repeated customer, in escapes",
        _text(customer="adversary_nobody", after=',"custo\\u006der_id":"adversary_twice"'),
    )
    add(
        "repeated customer, first in escapes",
        _text(before='"custo\\u006der_id":"adversary_nobody",', customer="adversary_twice"),
    )
    add("repeated time", _text(time="never", customer="adversary_twice", after=',"timestamp":"2026-03-02T00:00:00Z"'))
    add("repeated field", _text("review_submitted", '{"rating":99,"product_id":"p","rating":4}', "adversary_twice"))
    add(
        "repeated money",
        _text("refund_requested", '{"order_id":"o","amount":-1,"amount":"x","amount":2.5}', "adversary_twice"),
    )
    add(
        "type after data",
        _text("login", "{}", "adversary_order").replace(b'"event_type":"login",', b"")[:-1] + b',"event_type":"login"}',
    )
    add("data of another type's fields", _text("login", '{"order_value":-5,"rating":"x","items_count":0,"device":"d"}'))

    add(
        "extra members",
        _text(before='"a":null,"b":[1,2,{"c":[]}],"":0,', after=',"z":{"data":{"customer_id":1}},"event_ID":5'),
    )
    add(
        "extra members in data",
        _text("email_opened", '{"x":{"campaign_id":1,"data":{}},"campaign_id":"c","y":[[[]]],"":{}}'),
    )
    for value in (
        "1e400",
        "-1e-400",
        "123456789012345678901234567890",
        "-0",
        "-0.0e-0",
        "1E+5",
        "0.1e-7",
        "18446744073709551615",
        "18446744073709551616",
        "-9223372036854775809",
        "1e99999999999",
        "null",
        "true",
        "false",
        '""',
        "[]",
        "{}",
        "[[],{}]",
        '"\\u0000"',
        "[1 , 2\n,\t3 ]",
        '{"a":{"a":{"a":[]}}}',
        '"\\\\"',
        '"\\\\\\""',
        '"\\/"',
        '"]}"',
        '["{[\\"",{"}":"{"}]',
    ):
        add(f"ignored: {value[:30]}", _text(after=f',"x":{value}'))
        add(f"ignored in data: {value[:30]}", _text(data=f'{{"x":[{{"y":{value}}}]}}'))
    arrays = oracle.MAX_DEPTH - 1
    add("64 levels of arrays", _text(after=f',"x":{"[" * arrays}{"]" * arrays}'))
    add("64 levels of objects", _text(data='{"a":' * (arrays - 1) + "{}" + "}" * (arrays - 1)))
    add("brackets in a text", _text(after=f',"x":"{"[{" * 500}"'))
    add("many arrays side by side", _text(after=f',"x":[{",".join(["[]"] * 5000)}]'))
    add("an empty text in a required field", _text("order_cancelled", '{"order_id":""}'))
    add("a long text", raw(event("email_clicked", {"campaign_id": "c", "url": "u" * 20000})))
    for n in range(1, 140, 7):  # ends of SIMD blocks
        add(
            f"text of {n} bytes",
            raw(event("login", {"device": "é" * (n // 2) + "x" * (n % 2)}, customer="adversary_block")),
        )
    return out


def adversarial(seed, with_big=True):
    """All of the above in random order, as (key, value); keys mostly name the customer, as they should."""
    rng = random.Random(seed)
    values = [v for _, v in broken() + valid() + (big() if with_big else [])]
    rng.shuffle(values)
    keyed = []
    for value in values:
        try:
            key = oracle.decode(value).customer_id.encode()
        except oracle.Rejected:
            key = rng.choice([b"adversary_1", b"", None, b"\xff\x00", b"cust_1"])
        if rng.random() < 0.1:
            key = rng.choice([None, b"someone else"])
        keyed.append((key, value))
    return keyed


def refunds(count, start=0):
    """Lines of refund requests, one a customer, each of which makes an alert."""
    return "".join(
        json.dumps(
            {
                "event_id": f"e{i}",
                "event_type": "refund_requested",
                "customer_id": f"c{i}",
                "timestamp": "2026-01-01T00:00:00Z",
                "data": {"order_id": "o", "amount": 1},
            }
        )
        + "\n"
        for i in range(start, start + count)
    )
