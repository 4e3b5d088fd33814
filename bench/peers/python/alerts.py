"""W2 with confluent-kafka: keep the events that alert, produce their alerts."""

import json
import os

from common import batches, consumer
from confluent_kafka import Producer

SEVERITY = {
    "payment_failed": "critical",
    "support_ticket_created": "warning",
    "refund_requested": "warning",
    "subscription_cancelled": "critical",
}


def alert(message, event):
    kind, data = event["event_type"], event["data"]
    severity = "critical" if data.get("priority") == "urgent" else SEVERITY[kind]
    return {
        "alert_id": f"{message.topic()}/{message.partition()}/{message.offset()}",
        "severity": severity,
        "event_id": event["event_id"],
        "event_type": kind,
        "customer_id": event["customer_id"],
        "timestamp": event["timestamp"],
        "message": f"{kind} of {event['customer_id']}",
        "data": data,
    }


def main():
    failures = []
    target = Producer({"bootstrap.servers": os.environ["KAFKA_BROKER"], "linger.ms": 5, "enable.idempotence": True})
    topic = os.environ["BENCH_ALERTS"]
    source = consumer()
    for messages in batches(source):
        for message in messages:
            event = json.loads(message.value())
            if event["event_type"] in SEVERITY:
                target.produce(
                    topic,
                    key=event["customer_id"],
                    value=json.dumps(alert(message, event)),
                    on_delivery=lambda error, _: failures.append(error) if error else None,
                )
        target.poll(0)
    if target.flush(60) != 0 or failures:
        raise SystemExit(f"alerts were not produced: {failures[:1]}")
    source.close()


if __name__ == "__main__":
    main()
