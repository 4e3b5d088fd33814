"""What both workloads share: a consumer that reads a topic from its beginning to the end that it has at the start."""

import os

from confluent_kafka import Consumer, TopicPartition

BATCH = 500


def consumer():
    return Consumer(
        {
            "bootstrap.servers": os.environ["KAFKA_BROKER"],
            "group.id": os.environ["BENCH_GROUP"],
            "auto.offset.reset": "earliest",
            # At least once: what is done is stored below, and committed in the background.
            "enable.auto.offset.store": False,
            # librdkafka's advice for throughput: fetch far ahead, and look again soon when the queue was full.
            "queued.min.messages": 1000000,
            "fetch.queue.backoff.ms": 10,
        }
    )


def batches(source):
    """Lists of up to BATCH messages. Asking for the next one says that the last one is done."""
    source.subscribe([os.environ["BENCH_TOPIC"]])
    left = int(os.environ["BENCH_COUNT"])
    while left > 0:
        messages = source.consume(BATCH, timeout=1.0)
        if not messages:
            continue
        for message in messages:
            if message.error():
                raise SystemExit(f"{message.error()}")
        yield messages
        done = {m.partition(): m.offset() + 1 for m in messages}
        source.store_offsets(offsets=[TopicPartition(os.environ["BENCH_TOPIC"], p, o) for p, o in done.items()])
        left -= len(messages)
