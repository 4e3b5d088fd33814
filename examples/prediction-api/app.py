"""An example of a prediction API: the other side of the sink `prediction`.

The model is a plain sum over the profile, so that one can see what it does; put a trained one in the place of `predict`.
"""

import argparse
import math
import os

from flask import Flask, jsonify, request
from werkzeug.exceptions import HTTPException

MODEL_VERSION = "example-1"

# Profile field: (weight, value beyond which it counts no more).
WEIGHTS = {
    "payment_failures": (0.6, 5),
    "refunds_requested": (0.4, 5),
    "support_tickets": (0.3, 6),
    "orders_cancelled": (0.2, 5),
    "carts_abandoned": (0.1, 10),
    "order_count": (-0.15, 20),
    "email_click_rate": (-0.8, 1),
    "logins_per_day": (-0.6, 2),
}

app = Flask(__name__)
app.config["MAX_CONTENT_LENGTH"] = 1024 * 1024


class BadRequest(ValueError):
    """What is wrong with a request, for whoever sent it."""


def number(profile, name):
    value = profile.get(name, 0)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise BadRequest(f"profile.{name} must be a number")
    return value


def predict(profile):
    score = -1.5 + (2.5 if profile.get("subscription_status") == "cancelled" else 0)
    for name, (weight, most) in WEIGHTS.items():
        score += weight * max(0, min(number(profile, name), most))
    return 1 / (1 + math.exp(-score))


def risk_level(probability):
    for level, below in (("low", 0.25), ("medium", 0.5), ("high", 0.75)):
        if probability < below:
            return level
    return "critical"


def check(body):
    if not isinstance(body, dict):
        raise BadRequest("the body must be a JSON object")
    for name in ("request_id", "customer_id"):
        if not isinstance(body.get(name), str) or not body[name]:
            raise BadRequest(f"{name} must be a non-empty string")
    trigger = body.get("trigger")
    if not isinstance(trigger, dict):
        raise BadRequest("trigger must be an object")
    for name in ("event_id", "event_type", "timestamp"):
        if not isinstance(trigger.get(name), str):
            raise BadRequest(f"trigger.{name} must be a string")
    if not isinstance(body.get("profile"), dict):
        raise BadRequest("profile must be an object")
    return body["profile"]


@app.post("/api/predict")
def api_predict():
    probability = round(predict(check(request.get_json(silent=True))), 4)
    return jsonify(churn_probability=probability, risk_level=risk_level(probability), model_version=MODEL_VERSION)


@app.get("/health")
def health():
    return jsonify(status="ok", model_version=MODEL_VERSION)


@app.errorhandler(BadRequest)
def bad_request(error):
    return jsonify(error=str(error)), 400


@app.errorhandler(HTTPException)
def http_error(error):
    return jsonify(error=error.description), error.code


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--host", default=os.environ.get("HOST", "127.0.0.1"))
    parser.add_argument("--port", type=int, default=int(os.environ.get("PORT", "5000")))
    arguments = parser.parse_args()
    app.run(host=arguments.host, port=arguments.port, threaded=True)


if __name__ == "__main__":
    main()
