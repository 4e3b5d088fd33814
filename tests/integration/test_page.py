"""The page in a browser, the newest alerts and single customers, in a real Chromium and over plain HTTP. CHURN_SCREENSHOTS names
a folder for pictures of the page."""

import base64
import contextlib
import http.client
import json
import os
import pathlib
import re
import signal
import socket
import ssl
import urllib.error
import urllib.parse
import urllib.request

import pytest
import yaml
from lights import certificate, start_local, wait_until_ready
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from services import HOST, Stack, accepts, free_port, run_churnd, wait_for

TOKEN = "correct-horse-battery-staple"
BASIC = {"Authorization": "Basic " + base64.b64encode(f"anybody:{TOKEN}".encode()).decode()}
EVIL = "<img src=x onerror=\"document.title='broken in'\">&amp;/ü"  # a customer
EVIL_TEXT = "<script>document.title='broken in'</script>"  # of an event


def event(number, event_type, customer, **data):
    return {
        "event_id": f"e{number}",
        "event_type": event_type,
        "customer_id": customer,
        "timestamp": f"2026-01-01T00:{number // 60 % 60:02}:{number % 60:02}Z",
        "data": data,
    }


def some_events():
    found = [
        event(i, "order_placed", f"c{i % 7}", order_id="o", order_value=9.99, items_count=1, payment_method="card")
        for i in range(70)
    ]
    found += [event(70, "payment_failed", EVIL, amount=1, order_id=EVIL_TEXT)]
    found += [event(71, "support_ticket_created", "c1", ticket_id=EVIL_TEXT, priority="urgent")]
    return [json.dumps(e) for e in found] + ["no event", '{"event_id": 1}']


def ask(url, headers=None, context=None, method="GET"):
    """(status, body, headers)"""
    request = urllib.request.Request(url, headers=headers or {}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=20, context=context) as reply:
            return reply.status, reply.read().decode(), reply.headers
    except urllib.error.HTTPError as e:
        return e.code, e.read().decode(), e.headers


class Run:
    """A followed file into Redis, alerts, predictions and dead letters beside it."""

    def __init__(self, stack, **health):
        self.stack = stack
        self.port = free_port()
        self.url = f"http://{HOST}:{self.port}"
        folder = stack.folder
        (folder / "e.jsonl").write_text("".join(line + "\n" for line in some_events()))
        self.settings = {
            "name": "shop",
            "source": {"plugin": "file", "path": str(folder / "e.jsonl"), "follow": True},
            "store": {"plugin": "redis", "host": HOST, "port": stack.redis.port},
            "sinks": [
                {"plugin": "file", "name": "alerts", "input": "alerts", "path": str(folder / "alerts")},
                {"plugin": "prediction_local", "name": "scores"},
            ],
            "dead_letters": {"plugin": "file", "path": str(folder / "dead")},
            "health": {"listen": f"{HOST}:{self.port}", "token": "${PAGE_TOKEN}", **health},
        }
        self.config = folder / "p.yaml"
        self.write()
        self.daemon = stack.churnd("-c", self.config, env={"PAGE_TOKEN": TOKEN})

    def write(self, **health):
        self.settings["health"].update(health)
        self.config.write_text(yaml.safe_dump(self.settings))

    def lines(self, name):
        path = self.stack.folder / name
        return path.read_text().count("\n") if path.exists() else 0

    def metrics(self):
        """{name or name{label=value}: text} as the page names them"""
        found = {}
        for name, labels, value in re.findall(
            r"^(\w+)(?:\{(.*)\})? (\S+)$", ask(self.url + "/metrics")[1], re.MULTILINE
        ):
            label = re.sub(r'(\w+)="([^"]*)"', r"\1=\2", labels)
            found[f"{name}{{{label}}}" if label else name] = value
        return found


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    stack = Stack(tmp_path_factory.mktemp("page"))
    try:
        stack.start_redis()
        made = Run(stack)
        wait_until_ready(made.port)
        wait_for("the alerts", lambda: made.lines("alerts") == 2)
        wait_for("the dead letters", lambda: made.lines("dead") == 2)
        wait_for("the predictions", lambda: len(made.stack.redis.hashes("prediction:")) == 8)
        yield made
        assert made.daemon.terminate() == 0
        assert TOKEN not in made.daemon.err + made.daemon.out
    finally:
        stack.stop()


@pytest.fixture(scope="module")
def chromium(tmp_path_factory):
    options = webdriver.ChromeOptions()
    options.binary_location = "/usr/bin/chromium"
    for argument in (
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--disable-dev-shm-usage",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--ignore-certificate-errors",
        "--window-size=1280,1500",
        f"--user-data-dir={tmp_path_factory.mktemp('chromium')}",
    ):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service("/usr/bin/chromedriver"))
    driver.execute_cdp_cmd("Network.enable", {})
    yield driver
    driver.quit()


@pytest.fixture
def browser(chromium):
    """Shows no token, and has said nothing by the end that it does not say of a page that is all right."""
    chromium.execute_cdp_cmd("Network.setExtraHTTPHeaders", {"headers": {}})
    chromium.get_log("browser")
    yield chromium
    assert chromium.get_log("browser") == []


def show_token(browser):
    browser.execute_cdp_cmd("Network.setExtraHTTPHeaders", {"headers": BASIC})


def figures(browser):
    return browser.execute_script(
        "return Object.fromEntries([...document.querySelectorAll('[data-metric]')]"
        ".map(e => [e.dataset.metric, [e.dataset.value, e.textContent]]))"
    )


def text_of(browser, selector):
    look = "const e = document.querySelector(arguments[0]); return e?.innerText ?? e?.textContent ?? ''"
    return browser.execute_script(look, selector)


def screenshot(browser, name):
    folder = os.environ.get("CHURN_SCREENSHOTS")
    if folder:
        browser.save_screenshot(str(pathlib.Path(folder) / f"{name}.png"))


# --- The page ---


def test_its_figures_are_those_of_metrics(browser, run):
    """And they are fetched anew, with rates, without a reload of the page."""
    browser.get(run.url)
    browser.execute_script("window.kept = true")

    def compare():
        shown, metrics = figures(browser), run.metrics()
        return {
            name: (value[0], metrics.get(name, ""))
            for name, value in shown.items()
            if value[0] != metrics.get(name, "")
        }

    wait_for("the same figures", lambda: compare() == {})
    shown = figures(browser)
    assert shown["churnd_events_total"] == ["74", "74"]
    assert shown["churnd_sink_sent_total{sink=alerts}"][0] == "2"
    assert shown["churnd_dead_letters_total{reason=invalid_json}"][0] == "1"
    assert int(shown["churnd_store_puts_total"][0]) >= 8
    assert text_of(browser, "#status") == "ready" and text_of(browser, "h1") == "shop"
    picture = text_of(browser, "#picture")
    assert browser.find_elements(By.CSS_SELECTOR, "#picture svg .box")
    for part in ("74 events", "redis", "scores", "alerts", "dead letters", "1 worker"):
        assert part in picture, picture
    with open(run.stack.folder / "e.jsonl", "a") as more:
        more.write("".join(json.dumps(event(i, "login", "c1")) + "\n" for i in range(100, 2100)))
    wait_for("later figures", lambda: figures(browser)["churnd_events_total"] == ["2074", "2,074"], 60)
    assert browser.execute_script("return window.kept")
    assert "/s" in text_of(browser, "#picture")


def test_a_pause_and_an_outage_are_shown(browser, run):
    browser.get(run.url)
    pause = browser.find_element(By.ID, "pause")
    pause.click()
    assert pause.text == "Go on"
    before = text_of(browser, "time")
    pause.click()
    wait_for("newer figures", lambda: text_of(browser, "time") != before)
    browser.execute_cdp_cmd(
        "Network.emulateNetworkConditions",
        {"offline": True, "latency": 0, "downloadThroughput": 0, "uploadThroughput": 0},
    )
    wait_for("the banner", lambda: "No answer since" in text_of(browser, "#lost"))
    browser.execute_cdp_cmd(
        "Network.emulateNetworkConditions",
        {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1},
    )
    wait_for("an answer", lambda: text_of(browser, "#lost") == "")
    browser.get_log("browser")  # that nothing could be fetched


def test_nothing_of_customers_without_the_token(browser, run):
    browser.get(run.url + "/?customer=c1")
    assert "Sign in" in text_of(browser, "main")
    assert not browser.find_elements(By.ID, "search") and not browser.find_elements(By.ID, "alerts")
    assert EVIL not in browser.page_source and "c1" not in text_of(browser, "body")


def test_a_browser_signs_in(browser, run):
    """By the password that it asks its user for; from then on it shows it by itself."""
    browser.get(run.url.replace("://", f"://me:{TOKEN}@") + "/sign-in")
    assert browser.find_element(By.ID, "alerts")
    before = text_of(browser, "time")
    wait_for("newer figures", lambda: text_of(browser, "time") != before)
    assert browser.find_element(By.ID, "alerts")
    browser.get(run.url)
    assert browser.find_element(By.ID, "alerts")


def test_what_customers_are_called_is_text(browser, run):
    show_token(browser)
    browser.get(run.url + "/")
    rows = browser.find_elements(By.CSS_SELECTOR, "#alerts tbody tr")
    assert len(rows) == 2
    assert EVIL in rows[1].text and "payment_failed" in rows[1].text and "critical" in rows[1].text
    assert EVIL_TEXT in rows[0].text
    browser.find_element(By.LINK_TEXT, EVIL).click()
    wait_for("the customer", lambda: EVIL in text_of(browser, "#customer h3"))
    assert "payment_failures" in text_of(browser, "#customer")
    assert browser.find_element(By.ID, "customer-id").get_attribute("value") == EVIL
    browser.get(run.url + "/?" + urllib.parse.urlencode({"customer": EVIL}))  # as the server draws it
    assert EVIL in text_of(browser, "#customer h3") and "payment_failures" in text_of(browser, "#customer")
    assert browser.title == "shop · churnd"
    assert not browser.find_elements(By.CSS_SELECTOR, "img, script:not([src])")
    screenshot(browser, "customer")


def focused(browser):
    return browser.execute_script("return document.activeElement.id || document.activeElement.className")


def test_a_customer_is_found_by_the_keyboard(browser, run):
    show_token(browser)
    browser.get(run.url)
    browser.execute_script("window.kept = true")
    page = browser.switch_to.active_element
    seen = []
    while "customer-id" not in seen:
        page.send_keys(Keys.TAB)
        page = browser.switch_to.active_element
        seen.append(focused(browser))
        assert len(seen) < 20, seen
    assert seen[0] == "skip" and "pause" in seen and "picture" in seen
    page.send_keys("c2", Keys.ENTER)
    wait_for("the customer", lambda: text_of(browser, "#customer h3") == "c2")
    shown = text_of(browser, "#customer")
    assert (
        "churn_probability" in shown
        and re.search(r"total_spent\s+99.90", shown)
        and re.search(r"order_count\s+10", shown)
    )
    assert focused(browser) == "customer-id" and browser.current_url.endswith("?customer=c2")
    browser.find_element(By.ID, "customer-id").clear()
    browser.find_element(By.ID, "customer-id").send_keys("nobody", Keys.ENTER)
    wait_for("the answer", lambda: "neither a profile nor a prediction" in text_of(browser, "#customer"))
    browser.back()
    wait_for("the one before", lambda: text_of(browser, "#customer h3") == "c2")
    assert browser.execute_script("return window.kept")


def test_without_a_script(browser, run):
    """Figures as of the load, alerts and the search."""
    show_token(browser)
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        browser.get(run.url)
        assert (
            browser.find_elements(By.CSS_SELECTOR, "#picture svg .box")
            and len(browser.find_elements(By.CSS_SELECTOR, "#alerts a")) == 2
        )
        assert browser.find_element(By.CSS_SELECTOR, "[data-metric=churnd_events_total]").text
        assert not browser.find_element(By.ID, "pause").is_displayed()
        browser.find_element(By.ID, "customer-id").send_keys("c3", Keys.ENTER)
        wait_for(
            "the customer", lambda: [e.text for e in browser.find_elements(By.CSS_SELECTOR, "#customer h3")] == ["c3"]
        )
    finally:
        browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


# Of every text on the page the contrast with what is behind it, by WCAG; the lowest first.
CONTRASTS = """
const rgb = (text) => text.match(/[\\d.]+/g).map(Number);
const light = (c) => c.slice(0, 3).map((v) => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
  .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
const behind = (e) => {
  for (; e; e = e.parentElement) {
    const rect = e.classList.contains("box") ? e.querySelector("rect") : null;
    const c = rgb(rect ? getComputedStyle(rect).fill : getComputedStyle(e).backgroundColor);
    if (c.length < 4 || c[3] > 0) return c;
  }
  return [255, 255, 255];
};
return [...document.querySelectorAll("body *")]
  .filter((e) => [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim()) && e.getClientRects().length)
  .map((e) => {
    const style = getComputedStyle(e), ink = light(rgb(e.closest("svg") ? style.fill : style.color)), ground = light(behind(e));
    return [(Math.max(ink, ground) + 0.05) / (Math.min(ink, ground) + 0.05), e.tagName + "." + e.getAttribute("class"), e.textContent];
  }).sort((a, b) => a[0] - b[0]);
"""


def test_light_and_dark(browser, run):
    """Each is what the system asks for, and can be read."""
    show_token(browser)
    grounds = {}
    for scheme in ("light", "dark"):
        browser.execute_cdp_cmd(
            "Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
        )
        browser.get(run.url + "/?customer=c1")
        contrasts = browser.execute_script(CONTRASTS)
        assert len(contrasts) > 50 and contrasts[0][0] >= 4.5, contrasts[:5]
        grounds[scheme] = browser.execute_script("return getComputedStyle(document.body).backgroundColor")
        screenshot(browser, scheme)
    assert (
        sum(map(int, re.findall(r"\d+", grounds["light"])[:3]))
        > 600
        > 200
        > sum(map(int, re.findall(r"\d+", grounds["dark"])[:3]))
    )


def test_on_a_telephone(browser, run):
    """Nothing but the picture and the alerts is wider than the screen, and these scroll by themselves."""
    size = browser.get_window_size()
    try:
        browser.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride", {"width": 390, "height": 800, "deviceScaleFactor": 2, "mobile": True}
        )
        show_token(browser)
        browser.get(run.url + "/?customer=c1")
        assert browser.execute_script("return document.documentElement.scrollWidth") <= 390
        screenshot(browser, "telephone")
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
        browser.set_window_size(size["width"], size["height"])


# --- What it answers to others ---


def customer(run, customer_id, headers=BASIC):
    status, body, _ = ask(f"{run.url}/customers/{urllib.parse.quote(customer_id, safe='')}", headers)
    return status, json.loads(body) if body.startswith("{") else body


def test_a_customer_as_json(run):
    status, found = customer(run, "c2", {"Authorization": f"Bearer {TOKEN}"})
    assert status == 200 and found["customer_id"] == "c2"
    assert found["profile"]["order_count"] == 10 and found["profile"]["last_event_type"] == "order_placed"
    assert not [name for name in found["profile"] if name.startswith("_")]
    assert 0 <= found["prediction"]["churn_probability"] <= 1 and found["prediction"]["event_id"]
    raw = ask(f"{run.url}/customers/c2", BASIC)[1]
    assert '"total_spent":99.90,' in raw  # by its decimal text
    assert customer(run, EVIL)[1]["customer_id"] == EVIL
    assert customer(run, EVIL)[1]["profile"]["payment_failures"] == 1
    assert customer(run, "nobody") == (
        404,
        {"customer_id": "nobody", "error": "there is neither a profile nor a prediction of this customer"},
    )
    assert customer(run, "x" * 129)[0] == 404 and customer(run, "")[0] == 404
    assert ask(f"{run.url}/customers/c2%00x", BASIC)[0] == 404  # not that of c2
    run.stack.redis.client.set("profile:odd", "no hash")
    status, found = customer(run, "odd")
    assert status == 500 and "odd" in found["error"]
    run.stack.redis.client.hset("profile:torn", mapping={"events_total": "many", "_v": "1"})
    status, found = customer(run, "torn")
    assert status == 200 and "events_total" in found["damaged"] and "many" not in found["damaged"]
    run.stack.redis.client.delete("profile:odd", "profile:torn")


def test_the_newest_alerts_as_json(run):
    status, body, _ = ask(run.url + "/alerts", BASIC)
    sent = [json.loads(line) for line in (run.stack.folder / "alerts").read_text().splitlines()]
    assert status == 200 and json.loads(body)["alerts"] == sent[::-1]


def test_who_does_not_show_the_token_is_refused(run):
    for path in ("/customers/c1", "/customers/nobody", "/alerts", "/sign-in"):
        status, body, headers = ask(run.url + path)
        assert status == 401 and headers["WWW-Authenticate"].startswith('Basic realm="'), path
        assert "order_count" not in body
    for wrong in (
        {"Authorization": "Basic " + base64.b64encode(b"anybody:" + TOKEN[:-1].encode()).decode()},
        {"Authorization": "Basic " + base64.b64encode(TOKEN.encode() + b":").decode()},
        {"Authorization": f"Bearer {TOKEN}x"},
        {"Authorization": "Bearer"},
        {"Authorization": "Basic !"},
        {"Authorization": TOKEN},
    ):
        assert ask(run.url + "/customers/c1", wrong)[0] == 401, wrong
        assert "customer_id" not in ask(run.url + "/?customer=c1", wrong)[1]
    wait_for("the second to be over", lambda: customer(run, "c1")[0] == 200)
    for method in ("POST", "PUT", "DELETE"):
        assert ask(run.url + "/customers/c1", BASIC, method=method)[0] == 405


def guess(run, count, source):
    """The statuses of wrong tokens from an address, one after the other."""
    statuses = []
    for i in range(count):
        connection = http.client.HTTPConnection(
            urllib.parse.urlsplit(run.url).netloc, timeout=20, source_address=(source, 0)
        )
        connection.request("GET", "/alerts", headers={"Authorization": f"Bearer {i}"})
        statuses.append(connection.getresponse().status)
        connection.close()
    return statuses


def test_guesses_are_slowed_down(run):
    """Ten wrong tokens a second are told that they are; and whoever guesses keeps nobody out who has the right one."""
    for source in ("127.0.0.2", HOST):
        statuses = guess(run, 40, source)
        assert set(statuses) == {401, 429} or statuses == [401] * 40, statuses  # on a very slow machine
        assert ask(run.url + "/alerts", BASIC)[0] == 200
    assert "showed the listener a wrong token" in run.daemon.err


def test_headers(run):
    for path in ("/", "/page.css", "/page.js", "/alerts", "/customers/c1"):
        _, _, headers = ask(run.url + path)
        policy = headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy and "unsafe" not in policy and "http" not in policy and "*" not in policy
        assert headers["X-Content-Type-Options"] == "nosniff" and headers["Referrer-Policy"] == "no-referrer"
        assert headers["Cache-Control"] == "no-store" and headers["X-Frame-Options"] == "DENY"
    page = ask(run.url + "/", BASIC)[1]
    assert (
        not re.search(r"(src|href)=\"?(https?:)?//", page)
        and "style=" not in page
        and " on" not in re.sub(r">[^<]*<", "><", page)
    )


def test_a_name_that_leads_here_is_not_answered(run):
    """As when a foreign page has its own name lead to this machine."""
    for host in ("evil.example", "evil.example:80", f"localhost.evil.example:{run.port}", "127.0.0.1.evil.example"):
        for path in ("/", "/customers/c1", "/alerts"):
            assert ask(run.url + path, {**BASIC, "Host": host})[0] == 421, (host, path)
    for host in (
        "localhost",
        f"LOCALHOST:{run.port}",
        f"churnd.localhost:{run.port}",
        f"127.0.0.1:{run.port}",
        "[::1]:1",
        "[::1]",
    ):
        assert ask(run.url + "/customers/c1", {**BASIC, "Host": host})[0] == 200, host


def test_a_store_that_does_not_answer_holds_up_nobody_else(run):
    """Neither those who ask whether the run is well, nor by questions of clients that have gone or never stop asking."""
    head = f"GET /customers/c1 HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\n"
    run.stack.redis.freeze()
    try:
        with contextlib.ExitStack() as stack:
            clients = []
            for i in range(12):  # more than may wait
                client = stack.enter_context(socket.create_connection((HOST, run.port), timeout=30))
                client.sendall(head.encode() + (b"\r\n" if i % 2 else b"Content-Length: 100000\r\n\r\nsome of it"))
                clients.append(client)
            wait_for("another answer", lambda: ask(run.url + "/healthz")[0] == 200)
            assert "shop" in ask(run.url + "/")[1]
            assert b" 503 " in clients[-1].recv(4096)  # at once: too many ask
            assert b" 503 " in clients[1].recv(4096)  # before the listener ends the connection
    finally:
        run.stack.redis.thaw()
    wait_for("the customer", lambda: customer(run, "c1")[0] == 200, 60)


def test_after_a_reload(run):
    """The pipeline that took over is shown, and its token holds."""
    other = "another-token-that-is-long"
    run.write(token=other)
    run.daemon.send(signal.SIGHUP)
    wait_for("the reload", lambda: "reloaded shop" in run.daemon.err, 60)
    headers = {"Authorization": f"Bearer {other}"}
    wait_for("the customer", lambda: customer(run, "c2", headers)[0] == 200)
    assert ask(run.url + "/alerts")[0] == 401 and ask(run.url + "/alerts", BASIC)[0] == 401
    assert len(json.loads(ask(run.url + "/alerts", headers)[1])["alerts"]) == 2
    run.write(token="${PAGE_TOKEN}", cert_file="/nowhere.pem", key_file="/nowhere.key")
    run.daemon.send(signal.SIGHUP)
    wait_for("the refusal", lambda: "health: cert_file: '/nowhere.pem' cannot be read" in run.daemon.err, 60)
    for name in ("cert_file", "key_file"):
        del run.settings["health"][name]
    run.write()
    run.daemon.send(signal.SIGHUP)
    wait_for("the reload", lambda: run.daemon.err.count("reloaded shop") == 2, 60)
    wait_for("the old token", lambda: customer(run, "c2")[0] == 200)


# --- An outage ---


def test_an_outage_of_the_prediction_api(browser, stack):
    """The breaker, what waits, and what keeps the run from being ready; and that it is over."""
    api = stack.start_scripted()
    api.mode = "error"
    port = free_port()
    sink = {"plugin": "prediction", "name": "churn", "url": api.url, "retry_min": "50ms"}
    sink |= {"breaker_failures": 1, "breaker_pause": "200ms"}
    orders = [
        json.dumps(event(i, "order_placed", f"c{i}", order_id="o", order_value=1, items_count=1, payment_method="card"))
        for i in range(12)
    ]
    start_local(stack, port, orders, sinks=[sink])
    wait_for("the listener", lambda: ask(f"http://{HOST}:{port}/healthz")[0] == 200 if accepts(port) else False)
    browser.get(f"http://{HOST}:{port}/")
    wait_for("the breaker", lambda: "breaker open" in text_of(browser, "#picture .stalled"))
    wait_for("what waits", lambda: figures(browser).get("churnd_predictions_waiting") == ["12", "12"])
    assert "12 triggers wait" in text_of(browser, "#picture .stalled")
    assert "is failing" in text_of(browser, "#troubles") and text_of(browser, "#status") == "not ready"
    assert re.search(r"breaker of churn\s+open", text_of(browser, "#figures"))
    screenshot(browser, "outage")
    api.mode = "ok"
    wait_for("the answers", lambda: figures(browser).get("churnd_predictions_total{result=answered}") == ["12", "12"])
    wait_for("readiness", lambda: text_of(browser, "#status") == "ready")
    assert text_of(browser, "#troubles") == "" and not browser.find_elements(By.CSS_SELECTOR, "#picture .stalled")
    assert "breaker closed" in text_of(browser, "#picture")
    assert figures(browser)["churnd_predictions_waiting"] == ["0", "0"]


# --- Without a token, with TLS ---


def small(tmp_path, **health):
    config = tmp_path / "p.yaml"
    config.write_text(
        yaml.safe_dump(
            {
                "source": {"plugin": "generate", "events": 0, "rate": 10},
                "sinks": [{"plugin": "file", "path": str(tmp_path / "out")}],
                "health": health,
            },
            sort_keys=False,
        )
    )
    return config


def test_no_token_shows_customers_to_nobody(stack, tmp_path):
    port = free_port()
    stack.churnd("-c", small(tmp_path, listen=f"{HOST}:{port}", token=""))
    wait_until_ready(port)
    for headers in ({}, BASIC, {"Authorization": "Bearer "}):
        for path in ("/customers/c1", "/alerts", "/sign-in"):
            status, body, _ = ask(f"http://{HOST}:{port}{path}", headers)
            assert status == 403 and "has no token" in body
    assert "Nobody is shown them" in ask(f"http://{HOST}:{port}/")[1]


def test_over_tls(stack, tmp_path, browser):
    port = free_port()
    cert, key = certificate(tmp_path)
    config = small(tmp_path, listen=f"0.0.0.0:{port}", token=TOKEN, cert_file=str(cert), key_file=str(key))
    run_churnd("check", "-c", config, check=0)
    daemon = stack.churnd("-c", config)
    context = ssl.create_default_context(cafile=cert)
    wait_for("the listener", lambda: f"https://0.0.0.0:{port}/" in daemon.err)
    wait_for("readiness", lambda: ask(f"https://{HOST}:{port}/readyz", context=context)[0] == 200)
    assert ask(f"https://{HOST}:{port}/alerts", context=context)[0] == 401
    assert ask(f"https://{HOST}:{port}/alerts", BASIC, context)[:2] == (200, '{"alerts":[]}\n')
    assert ask(f"https://{HOST}:{port}/customers/c", BASIC, context)[0] == 404
    with pytest.raises(OSError):
        urllib.request.urlopen(f"http://{HOST}:{port}/healthz", timeout=10)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    assert ask(f"https://{HOST}:{port}/healthz", context=context)[0] == 200
    show_token(browser)
    browser.get(f"https://{HOST}:{port}/")
    assert "none since the start" in text_of(browser, "#alerts")
    assert run_churnd("health", "-c", config, check=0).stdout.startswith('{"status":"alive"')
    assert daemon.terminate() == 0


REFUSED = {
    "a token that others could read": (
        {"listen": "0.0.0.0:8080", "token": TOKEN},
        "token",
        "on 0.0.0.0:8080, beyond loopback",
    ),
    "the same by IPv6": ({"listen": "[::]:8080", "token": TOKEN}, "token", "on [::]:8080, beyond loopback"),
    "a certificate alone": (
        {"listen": "127.0.0.1:8080", "cert_file": "{cert}"},
        "cert_file",
        "needs key_file beside it",
    ),
    "a key alone": ({"listen": "127.0.0.1:8080", "key_file": "{key}"}, "key_file", "needs cert_file beside it"),
    "a certificate that is not there": (
        {"listen": "127.0.0.1:8080", "cert_file": "/nowhere", "key_file": "{key}"},
        "cert_file",
        "'/nowhere' cannot be read: No such file",
    ),
    "a key that is none": (
        {"listen": "127.0.0.1:8080", "cert_file": "{cert}", "key_file": "{cert}"},
        "key_file",
        "holds no private key",
    ),
    "a certificate that is none": (
        {"listen": "127.0.0.1:8080", "cert_file": "{key}", "key_file": "{key}"},
        "cert_file",
        "holds no certificate",
    ),
    "another key": (
        {"listen": "127.0.0.1:8080", "cert_file": "{cert}", "key_file": "{other}"},
        "key_file",
        "is not the key of the certificate",
    ),
    "a token without end": ({"listen": "127.0.0.1:8080", "token": "x" * 513}, "token", "at most 512 bytes"),
    "a token that no browser can send": (
        {"listen": "127.0.0.1:8080", "token": TOKEN + "\n"},
        "token",
        "it holds a control character",
    ),
    "a token with a blank that is not sent": (
        {"listen": "127.0.0.1:8080", "token": TOKEN + " "},
        "token",
        "begins or ends with a blank",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_refused(tmp_path, what):
    """By check and by the run, with its place and without the token."""
    health, option, message = REFUSED[what]
    cert, key = certificate(tmp_path)
    (tmp_path / "other").mkdir()
    other = certificate(tmp_path / "other")[1]
    health = {name: value.format(cert=cert, key=key, other=other) for name, value in health.items()}
    config = small(tmp_path, **health)
    line = next(i for i, text in enumerate(config.read_text().splitlines(), 1) if text.startswith(f"  {option}: "))
    for command in ("check", "run"):
        done = run_churnd(command, "-c", config, check=1)
        assert f"{config}:{line}:{len(option) + 5}: health: {option}: " in done.stderr and message in done.stderr
        assert TOKEN not in done.stderr + done.stdout


def test_a_short_token_is_warned_of(tmp_path):
    done = run_churnd("check", "-c", small(tmp_path, listen="127.0.0.1:8080", token="sesame"), check=0)
    assert "warning: health: token: it is shorter than 16 characters" in done.stdout + done.stderr
    assert "sesame" not in done.stdout + done.stderr


def test_a_key_that_others_can_read_is_warned_of(tmp_path):
    cert, key = certificate(tmp_path)
    config = small(tmp_path, listen="127.0.0.1:8080", cert_file=str(cert), key_file=str(key))
    key.chmod(0o640)
    assert "can read" not in run_churnd("check", "-c", config, check=0).stderr
    key.chmod(0o644)
    done = run_churnd("check", "-c", config, check=0)
    assert f"warning: health: key_file: everybody on this machine can read '{key}'" in done.stdout + done.stderr
