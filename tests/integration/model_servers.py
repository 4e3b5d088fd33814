"""MLServer and `mlflow models serve`: the real ones, where CHURN_MODEL_SERVERS names a Python environment that has them
(scripts/test-model-servers.sh makes it), with what they were asked and answered written down; else a server that knows the
exchanges that were written down, and nothing else."""

import json
import os
import pathlib
import subprocess
import urllib.error
import urllib.request

from services import BUILD, HOST, Process, Scripted, free_port, wait_for

HERE = pathlib.Path(__file__).resolve().parent.parent / "model-servers"
RECORDED = HERE / "recorded.json"


def without_id(body):
    """A request without what names its record, which another run calls otherwise."""
    return {key: value for key, value in json.loads(body).items() if key != "id"} if body else None


def fetch(url, body=None, method="GET"):
    request = urllib.request.Request(url, data=body, method=method, headers={"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


class Exchanges:
    """A server before the real ones that writes down what passes, or one that repeats it."""

    def __init__(self):
        self.known = []
        self.targets = {}
        self.front = Scripted(gets=True)
        self.front.mode = self.answer

    @property
    def url(self):
        return self.front.url

    def answer(self, request):
        asked = {"path": request["path"], "body": without_id(request["body"])}
        if self.targets:
            target = self.targets["mlflow" if request["path"] == "/invocations" else "mlserver"]
            method = "POST" if request["body"] else "GET"
            status, body = fetch(target + request["path"], request["body"] or None, method)
            answer = json.loads(body)
            if isinstance(answer, dict) and "id" in answer:
                answer["id"] = "1"  # MLServer makes one up for a request that has none
            self.known.append({**asked, "status": status, "answer": answer})
            return status, body
        for known in self.known:
            if known["path"] == asked["path"] and known["body"] == asked["body"]:
                return known["status"], json.dumps(known["answer"]).encode()
        return 404, b'{"error": "this was never asked of the real server"}'


class ModelServers:
    def __init__(self, folder, rows):
        self.exchanges = Exchanges()
        self.things = []
        self.real = os.environ.get("CHURN_MODEL_SERVERS")
        if self.real:
            self.start(folder, pathlib.Path(self.real) / "bin", rows)
            return
        recorded = json.loads(RECORDED.read_text())
        self.said, self.exchanges.known = recorded["said"], recorded["exchanges"]

    @property
    def url(self):
        return self.exchanges.url

    def start(self, folder, programs, rows):
        run = subprocess.run(
            [programs / "python", HERE / "train.py", folder],
            input=json.dumps(rows),
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert run.returncode == 0, run.stderr
        self.said = json.loads(run.stdout.splitlines()[-1])
        http, other, metrics, mlflow = (free_port() for _ in range(4))
        (folder / "mlserver/settings.json").write_text(
            json.dumps(
                {"host": HOST, "http_port": http, "grpc_port": other, "metrics_port": metrics, "parallel_workers": 0}
            )
        )
        path = {"PATH": f"{programs}:{os.environ['PATH']}"}
        self.things += [
            Process([programs / "mlserver", "start", "."], folder, "mlserver", env=path, cwd=folder / "mlserver"),
            Process(
                [programs / "mlflow", "models", "serve", "-m", folder / "mlflow", "--env-manager", "local"]
                + ["-h", HOST, "-p", str(mlflow)],
                folder,
                "mlflow",
                env={**path, "MLFLOW_TRACKING_URI": f"file:{folder}/runs"},
            ),
        ]
        self.exchanges.targets = {"mlserver": f"http://{HOST}:{http}", "mlflow": f"http://{HOST}:{mlflow}"}
        wait_for("MLServer to have its models", lambda: self.is_ready("mlserver", "/v2/health/ready"), timeout=180)
        wait_for("MLflow to have its model", lambda: self.is_ready("mlflow", "/ping"), timeout=180)

    def is_ready(self, name, path):
        assert all(thing.running() for thing in self.things), [thing.err[-2000:] for thing in self.things]
        try:
            return fetch(self.exchanges.targets[name] + path)[0] == 200
        except OSError:
            return False

    def stop(self):
        self.exchanges.front.stop()
        for thing in self.things:
            thing.end()
        if self.real:
            known = {json.dumps(exchange, sort_keys=True): exchange for exchange in self.exchanges.known}
            written = {"said": self.said, "exchanges": [known[text] for text in sorted(known)]}
            (BUILD / "model-servers-recorded.json").write_text(json.dumps(written, indent=1, sort_keys=True) + "\n")
