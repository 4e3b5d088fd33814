"""An identity provider for OAUTHBEARER: its token endpoint gives a client that shows its secret a signed JWT."""

import base64
import http.server
import json
import subprocess
import threading
import time
import urllib.parse

from services import HOST


def _b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class IdentityProvider:
    """`clients`: id → secret. `jwks`: the file with the key that its tokens are to be verified with. `given`: how many."""

    issuer, audience = "https://identity.example", "kafka"

    def __init__(self, folder, clients, lives_s=3600):
        outer = self
        folder.mkdir()
        self.key = folder / "signing.key"
        self.clients, self.lives_s, self.given = clients, lives_s, 0
        self._openssl("genrsa", "-out", self.key, "2048")
        modulus = self._openssl("rsa", "-in", self.key, "-noout", "-modulus").decode().strip().removeprefix("Modulus=")
        key = {"kty": "RSA", "use": "sig", "alg": "RS256", "kid": "1", "n": _b64(bytes.fromhex(modulus)), "e": "AQAB"}
        self.jwks = folder / "jwks.json"
        self.jwks.write_text(json.dumps({"keys": [key]}))

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                shown = base64.b64decode(self.headers.get("Authorization", "").removeprefix("Basic ")).decode()
                client, _, secret = map(urllib.parse.unquote, shown.partition(":"))
                good = secret != "" and outer.clients.get(client) == secret
                answer = {"access_token": outer.token(client)} if good else {"error": "invalid_client"}
                body = json.dumps({**answer, "token_type": "Bearer", "expires_in": outer.lives_s}).encode()
                self.send_response(200 if good else 401)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer((HOST, 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://{HOST}:{self.server.server_port}/token"
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def token(self, subject):
        self.given += 1
        now = int(time.time())
        claims = {"iss": self.issuer, "aud": self.audience, "sub": subject, "iat": now, "exp": now + self.lives_s}
        signed = ".".join(_b64(json.dumps(part).encode()) for part in ({"alg": "RS256", "kid": "1"}, claims))
        return f"{signed}.{_b64(self._openssl('dgst', '-sha256', '-sign', self.key, given=signed.encode()))}"

    def _openssl(self, *arguments, given=None):
        command = ["openssl", *map(str, arguments)]
        return subprocess.run(command, input=given, check=True, capture_output=True).stdout

    def stop(self):
        self.server.shutdown()
        self.server.server_close()
