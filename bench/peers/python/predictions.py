"""W3 with confluent-kafka, redis.asyncio and aiohttp: profiles as in W1, alerts as in W2, and a prediction for each
customer with a trigger, of whom the newest one that waits counts. As many requests at a time as churnd makes."""

import asyncio
import datetime
import json
import os

import aiohttp
import redis.asyncio
from alerts import SEVERITY, alert
from common import batches, consumer
from confluent_kafka import Producer
from profiles import SCRIPT, row

PREDICTS = {"order_placed", "payment_failed", "support_ticket_created", "cart_abandoned", "subscription_cancelled"}
AT_A_TIME = 16
CACHE_S = 3600


class Waiting:
    """Customers to be predicted, each with its newest trigger; taken in the order in which they came."""

    def __init__(self):
        self.triggers, self.more, self.closed = {}, asyncio.Condition(), False

    async def add(self, triggers):
        async with self.more:
            for customer, trigger in triggers.items():
                self.triggers[customer] = trigger
            self.more.notify_all()

    async def close(self):
        async with self.more:
            self.closed = True
            self.more.notify_all()

    async def take(self):
        """(customer, trigger), or None when there is and will be none."""
        async with self.more:
            await self.more.wait_for(lambda: self.triggers or self.closed)
            if not self.triggers:
                return None
            customer = next(iter(self.triggers))
            return customer, self.triggers.pop(customer)


class Job:
    def __init__(self, client, session, target):
        self.client, self.session, self.target = client, session, target
        self.url = os.environ["API_URL"] + "/api/predict"
        self.failures = []

    def produce(self, topic, key, value):
        self.target.produce(
            topic, key=key, value=value, on_delivery=lambda error, _: self.failures.append(error) if error else None
        )

    async def predict(self, customer, trigger):
        profile = await self.client.hgetall(f"profile:{customer}")
        request = {
            "request_id": trigger["event_id"],
            "customer_id": customer,
            "trigger": {name: trigger[name] for name in ("event_id", "event_type", "timestamp")},
            "profile": profile,
        }
        async with self.session.post(self.url, json=request) as response:
            response.raise_for_status()
            answer = await response.json()
        record = {
            "churn_probability": answer["churn_probability"],
            "risk_level": answer["risk_level"],
            "model_version": answer["model_version"],
            "predicted_at": datetime.datetime.now(datetime.UTC).isoformat(),
            "event_id": trigger["event_id"],
        }
        async with self.client.pipeline(transaction=False) as pipe:
            pipe.hset(f"prediction:{customer}", mapping=record)
            pipe.expire(f"prediction:{customer}", CACHE_S)
            await pipe.execute()
        self.produce(os.environ["BENCH_PREDICTIONS"], customer, json.dumps({"customer_id": customer, **record}))

    async def serve(self, waiting):
        while (job := await waiting.take()) is not None:
            await self.predict(*job)


async def read(job, waiting):
    """All events: into profiles, then alerts and triggers."""
    script = job.client.register_script(SCRIPT.read_text())
    source = consumer()
    taking = batches(source)
    while (messages := await asyncio.to_thread(next, taking, None)) is not None:
        await script(args=[json.dumps([row(message) for message in messages])])
        triggers = {}
        for message in messages:
            event = json.loads(message.value())
            if event["event_type"] in SEVERITY:
                job.produce(os.environ["BENCH_ALERTS"], event["customer_id"], json.dumps(alert(message, event)))
            if event["event_type"] in PREDICTS:
                triggers[event["customer_id"]] = event
        job.target.poll(0)
        await waiting.add(triggers)
    await waiting.close()
    return source


async def main():
    client = redis.asyncio.Redis(
        host=os.environ["REDIS_HOST"], port=int(os.environ["REDIS_PORT"]), decode_responses=True
    )
    target = Producer({"bootstrap.servers": os.environ["KAFKA_BROKER"], "linger.ms": 5, "enable.idempotence": True})
    waiting = Waiting()
    async with aiohttp.ClientSession() as session, client:
        job = Job(client, session, target)
        source, *_ = await asyncio.gather(read(job, waiting), *(job.serve(waiting) for _ in range(AT_A_TIME)))
    if target.flush(60) != 0 or job.failures:
        raise SystemExit(f"records were not produced: {job.failures[:1]}")
    source.close()


asyncio.run(main())
