"""W1 with confluent-kafka and redis-py: batches of 500 events, each one call of the script."""

import datetime
import json
import os
import pathlib

import redis
from common import batches, consumer

SCRIPT = pathlib.Path(__file__).parent.parent / "profile.lua"


def units(text):
    """Money by its decimal text, in units of 1/10,000."""
    whole, _, fraction = text.partition(".")
    return int(whole + fraction.ljust(4, "0"))


MONEY = {
    "order_placed": "order_value",
    "payment_failed": "amount",
    "cart_abandoned": "cart_value",
    "refund_requested": "amount",
}
NUMBER = {"order_placed": "items_count", "review_submitted": "rating"}


def time_ms(text):
    return round(datetime.datetime.fromisoformat(text).timestamp() * 1000)


def row(message):
    """An event as the script takes it."""
    event = json.loads(message.value(), parse_float=str)
    kind, data = event["event_type"], event["data"]
    money, number = MONEY.get(kind), NUMBER.get(kind)
    return (
        f"profile:{event['customer_id']}",
        f"_m:{message.topic()}/{message.partition()}",
        message.offset(),
        kind,
        time_ms(event["timestamp"]),
        units(data[money]) if money else 0,
        data[number] if number else 0,
    )


def main():
    client = redis.Redis(os.environ["REDIS_HOST"], int(os.environ["REDIS_PORT"]))
    script = client.register_script(SCRIPT.read_text())
    source = consumer()
    for messages in batches(source):
        script(args=[json.dumps([row(message) for message in messages])])
    source.close()


if __name__ == "__main__":
    main()
