"""What is refused for the sake of security, each by itself: the message names what is wrong and what to do, at its place, and
no value. docs/security.md names where the rest is refused: certificates, logins, rights, escapes."""

import re

import pytest
import yaml
from events import refunds
from services import run_churnd

KEY = "0123456789abcdef" * 4
BASE = {
    "source": {"plugin": "file", "path": "e.jsonl"},
    "store": {"plugin": "lmdb", "path": "db"},
    "dead_letters": {"plugin": "file", "path": "dead"},
}


def redis(**options):
    return {"store": {"plugin": "redis", **options}}


def webhook(**options):
    return {"sinks": [{"plugin": "alert", "to": ["webhook"], "webhook_url": "https://127.0.0.1/hook", **options}]}


def kafka(**properties):
    named = {name.replace("__", "."): value for name, value in properties.items()}
    return {"source": {"plugin": "kafka", "brokers": "a:1", "topics": ["t"], "group_id": "g", "properties": named}}


REFUSED = {
    "a socket by half its path": (redis(url="unix://run/redis.sock"), "must name the socket by its whole path"),
    "a percent sign in a path": (redis(url="unix:///run/hunter%zz"), "has a `%` that two hexadecimal digits"),
    "a percent sign in a password": (redis(url="redis://u:hunter%zz@h"), "has a `%` in its user or password"),
    "an at sign too late": (redis(url="redis://u:hunter/2@h/0"), "has an `@` behind a `/`.*write these as %2F"),
    "a path as a host": (redis(host="/run/redis.sock"), "is a path; write a Unix socket as `url: unix:///PATH`"),
    "a header with a blank": (webhook(webhook_headers={"X Key": "hunter2"}), "is not named as an HTTP header can be"),
    "a header with a second line": (webhook(webhook_headers={"X": "hunter2\nY: 1"}), "holds a control character in"),
    "a token with a second line": (webhook(webhook_bearer="hunter2\n"), "perhaps a line break at its end"),
    "a key that is empty": ({"protect": {"keys": {"k": ""}}}, "the key is empty; `openssl rand -hex 32` makes one"),
    "a key that is short": ({"protect": {"keys": {"k": "hunter2"}}}, "protect: .*k"),
    "encryption without a key": (
        {"protect": {"alerts": "encrypt"}},
        "needs a key: add 'keys: {ID: .*NAME}}' to protect",
    ),
    "fields in a list": ({"protect": {"keys": {"k": KEY}, "fields": ["reason"]}}, "names of fields belong here"),
    "an audit without a place": (
        {"audit": {"path": "x" * 5000, "key": KEY}},
        "audit: path: at most 4088 bytes are possible",
    ),
}
WARNED = {
    "tokens of nobody": (
        kafka(
            security__protocol="sasl_ssl",
            sasl__mechanism="OAUTHBEARER",
            enable__sasl__oauthbearer__unsecure__jwt="true",
        ),
        "tokens that nobody has signed are for tests alone",
    ),
    "a login that is not used": (
        kafka(sasl__mechanism="PLAIN"),
        "is not used, since security.protocol is not sasl_ssl",
    ),
    "names that are not checked": (
        kafka(security__protocol="ssl", ssl__endpoint__identification__algorithm="none"),
        "the name in a certificate is not checked",
    ),
}


def write(folder, settings):
    (folder / "e.jsonl").write_text(refunds(1))
    (folder / "p.yaml").write_text(yaml.safe_dump({**BASE, **settings}))


@pytest.mark.parametrize("what", REFUSED)
def test_the_file_is_refused(what, tmp_path):
    settings, said = REFUSED[what]
    write(tmp_path, settings)
    for command in (["check"], ["run", "--until-end"]):
        done = run_churnd(*command, "-c", "p.yaml", cwd=tmp_path, check=1)
        assert re.search(said, done.stderr), done.stderr
        assert "hunter" not in done.stderr + done.stdout
    assert not (tmp_path / "db").exists()


@pytest.mark.parametrize("what", WARNED)
def test_the_file_is_warned_of(what, tmp_path):
    """And refused by who denies warnings."""
    settings, said = WARNED[what]
    write(tmp_path, settings)
    done = run_churnd("check", "--deny-warnings", "-c", "p.yaml", cwd=tmp_path, check=1)
    assert re.search(said, done.stderr), done.stderr


@pytest.mark.parametrize(
    "command, said",
    [
        (["audit", "whatever"], "audit: 'whatever' is neither verify nor head"),
        (["audit", "head"], "p.yaml has no audit: give it `audit: {path: FILE, key:"),
        (["decrypt"], "p.yaml has no keys to decrypt with: add them to protect: keys:"),
    ],
    ids=["no such part", "no audit", "no keys"],
)
def test_the_command_is_refused(command, said, tmp_path):
    write(tmp_path, {"audit": {"path": "audit.jsonl", "key": KEY}} if command[1:] == ["whatever"] else {})
    done = run_churnd(*command, "-c", "p.yaml", cwd=tmp_path, check=1)
    assert said in done.stderr and done.stdout == "", done.stderr
