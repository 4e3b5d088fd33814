"""The prediction API of W3, in C so that no engine waits for it."""

import urllib.request

from rig import OUT
from services import HOST, Process, accepts, free_port, wait_for

PROGRAM = OUT / "prediction_api/prediction_api"


class Api:
    """Answers after `delay_ms`."""

    def __init__(self, folder, name, delay_ms):
        self.port = free_port()
        self.process = Process([PROGRAM, str(self.port), str(delay_ms)], folder, f"{name}-api")
        self.url = f"http://{HOST}:{self.port}"

    def __enter__(self):
        wait_for("the prediction API", lambda: accepts(self.port))
        return self

    def __exit__(self, *_):
        self.process.end()

    def posts(self):
        """How many it has taken."""
        with urllib.request.urlopen(self.url, timeout=10) as answer:
            return int(answer.read())
