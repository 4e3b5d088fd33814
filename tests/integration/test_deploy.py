"""What containers need: of the program, and of the files that deploy it."""

import json
import os
import pathlib
import re
import shutil
import signal
import subprocess

import kustomize
import pytest
import redis
import yaml
from confluent_kafka.admin import AdminClient
from lights import ask, start_local, wait_until_ready
from services import (
    CHURND,
    HOST,
    SRC,
    KafkaNode,
    Process,
    accepts,
    format_nodes,
    free_port,
    run_churnd,
    start_nodes,
    wait_for,
)
from test_constructors import with_constructor


@pytest.mark.skipif(shutil.which("unshare") is None, reason="no unshare")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda n: n.name)
def test_a_stop_as_the_first_process_while_it_starts(tmp_path, number):
    """To the first process of a container the kernel gives no signal whose action is the default."""
    with_constructor(
        tmp_path / "plugins/slow.so",
        'if (getpid() == 1) { (void)open("here", O_CREAT | O_WRONLY, 0600);'
        ' while (access("go", F_OK) != 0) { (void)usleep(10000); } }',
        lambda text: "#include <fcntl.h>\n" + text,
    )
    config = tmp_path / "p.yaml"
    config.write_text(
        "source: {plugin: generate, events: 0}\nevents: {types: [slow]}\nsinks: [{plugin: file, path: /dev/null}]\n"
    )
    apart = ["unshare", "--pid", "--fork", "--kill-child", *(["--user", "--map-root-user"] if os.getuid() else [])]
    process = Process([*apart, CHURND, "-c", config, "--plugin-path", "plugins"], tmp_path, "first", cwd=tmp_path)
    try:
        wait_for("its start", (tmp_path / "here").exists)
        with open(f"/proc/{process.pid}/task/{process.pid}/children") as children:
            first = int(children.read())
        os.kill(first, number)
        (tmp_path / "go").touch()
        assert process.wait(60) == 0, process.err
        assert f"{number.name}: finishing what was read" in process.err
    finally:
        process.end()


# --- What the files say of each other and of the program ---


def load(path):
    (document,) = kustomize.documents(SRC / path)
    return document


COMPOSE = load("compose.yaml")
SERVICES = COMPOSE["services"]
DOCKERFILE = (SRC / "Dockerfile").read_text()
IMAGE_ENV = dict(
    pair.split("=", 1)
    for pair in re.search(r"^ENV (.*?[^\\])$", DOCKERFILE, re.MULTILINE | re.DOTALL)[1].replace("\\\n", " ").split()
)
IMAGE_PORT = IMAGE_ENV["CHURN_LISTEN"].rpartition(":")[2]
OWN = ["churn-kafka-consumer", "churn-kafka-producer"]
PIPELINES = {name: f"{name.rpartition('-')[2]}.yaml" for name in OWN}
KUBERNETES = {name: kustomize.build(SRC / "deploy/kubernetes" / name) for name in ("base", "overlays/example")}
SECRET = re.compile(r"PASSWORD|TOKEN|SECRET|KEY", re.IGNORECASE)


def variables(pipeline):
    """Those that a shipped pipeline reads."""
    return set(
        re.findall(r"\$\{(\w+)", re.sub(r"^\s*#.*", "", (SRC / "config" / pipeline).read_text(), flags=re.MULTILINE))
    )


def shutdown_s(pipeline):
    return int(load(f"config/{pipeline}").get("shutdown_timeout", "30s").removesuffix("s"))


def resolve(value):
    """As Compose does it where the environment has nothing."""
    return re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", str(value)).replace("$$", "$")


def check_pipeline(pipeline, env, folder):
    run_churnd("check", "-c", SRC / "config" / pipeline, "--deny-warnings", cwd=folder, env=env, check=0)


def test_the_image_runs_what_is_shipped():
    assert IMAGE_ENV["CHURND_CONFIG"] == "/etc/churnd/consumer.yaml"
    assert f"EXPOSE {IMAGE_PORT}\n" in DOCKERFILE
    for word in (
        "USER 10001:10001",
        "STOPSIGNAL SIGTERM",
        'CMD ["churnd", "health"]',
        f"VOLUME {IMAGE_ENV['STATE_DIRECTORY']}",
    ):
        assert f"{word}\n" in DOCKERFILE


# --- compose.yaml ---


def test_compose_has_all_of_it():
    assert {*OWN, "kafka", "redis", "prediction-api", "prometheus", "grafana"} == SERVICES.keys()
    (version,) = re.findall(r"<version>(4[\d.]+)</version>", (SRC / "tests/integration/pom.xml").read_text())
    assert SERVICES["kafka"]["image"] == f"apache/kafka:{version}", "what the tests run"
    for service in SERVICES.values():
        if "build" in service:
            assert (SRC / service["build"] / "Dockerfile").is_file()
        else:
            assert re.fullmatch(r"[\w./-]+:v?\d[\w.]*", service["image"]), "an image of others has a version"


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_may_do_no_more_than_it_must(name):
    service = SERVICES[name]
    assert service["read_only"] is True and service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["restart"] == "unless-stopped"
    assert {"cpus", "memory", "pids"} == service["deploy"]["resources"]["limits"].keys()
    for port in service.get("ports", []):
        assert re.fullmatch(r"127\.0\.0\.1:\d+:\d+", port), "this machine alone"
    for volume in service.get("volumes", []):
        source, target, *mode = volume.split(":")
        if source.startswith("."):
            assert (SRC / source).is_dir() and mode == ["ro"], volume
        else:
            assert source in COMPOSE["volumes"] and not mode and target.startswith("/")


def test_every_volume_is_used():
    used = {volume.split(":")[0] for service in SERVICES.values() for volume in service.get("volumes", [])}
    assert COMPOSE["volumes"].keys() <= used


def test_compose_holds_no_secret():
    for name, service in SERVICES.items():
        for variable, value in service.get("environment", {}).items():
            if SECRET.search(variable) or "REDISCLI_AUTH" in variable:
                assert re.fullmatch(r"\$\{\w+:-\}", value), (name, variable)


def test_who_waits_for_whom_can_be_waited_for():
    for name, service in SERVICES.items():
        for other, how in service.get("depends_on", {}).items():
            assert how == {"condition": "service_healthy"}, name
            own = SERVICES[other].get("build")
            checked = (
                "HEALTHCHECK" in (SRC / own / "Dockerfile").read_text() if own else "healthcheck" in SERVICES[other]
            )
            assert checked, other
    assert SERVICES[OWN[0]]["depends_on"].keys() == {"kafka", "redis", "prediction-api"}


@pytest.mark.parametrize("name", OWN)
def test_compose_tells_churnd_what_it_reads(name, tmp_path):
    service, pipeline = SERVICES[name], PIPELINES[name]
    env = {variable: resolve(value) for variable, value in service["environment"].items()}
    assert env.pop("CHURND_CONFIG") == f"/etc/churnd/{pipeline}"
    assert "./config:/etc/churnd:ro" in service["volumes"]
    assert env.keys() <= variables(pipeline), env.keys() - variables(pipeline)
    check_pipeline(pipeline, {**IMAGE_ENV, **env}, tmp_path)
    assert int(service["stop_grace_period"].removesuffix("s")) >= shutdown_s(pipeline) + 10
    advertised = SERVICES["kafka"]["environment"]["KAFKA_ADVERTISED_LISTENERS"].split(",")
    assert f"INSIDE://{env['KAFKA_BROKER']}" in advertised
    assert env.get("REDIS_HOST", "redis") in SERVICES
    if "API_URL" in env:
        host, port = env["API_URL"].removeprefix("http://").split(":")
        assert f"EXPOSE {port}\n" in (SRC / SERVICES[host]["build"] / "Dockerfile").read_text()
    for published in service.get("ports", []):
        assert published.rpartition(":")[2] == IMAGE_PORT


def test_kafka_starts_with_what_compose_tells_it(tmp_path):
    """As its image does it: KAFKA_A_B is a.b. Clients inside and outside are each sent where they can go."""
    env = {name: str(value) for name, value in SERVICES["kafka"]["environment"].items()}
    cluster = env.pop("CLUSTER_ID")
    assert len(cluster) == 22
    ports = {port: str(free_port()) for port in ("9092", "9093", "9094")}
    properties = {
        name.removeprefix("KAFKA_").lower().replace("_", "."): re.sub(r"\b909[234]\b", lambda m: ports[m[0]], value)
        for name, value in env.items()
        if name != "KAFKA_HEAP_OPTS"
    }
    properties["listeners"] = properties["listeners"].replace("://:", f"://{HOST}:")
    advertised = dict(pair.split("://") for pair in properties["advertised.listeners"].split(","))
    assert advertised == {"INSIDE": f"kafka:{ports['9092']}", "OUTSIDE": f"localhost:{ports['9094']}"}
    properties["log.dirs"] = tmp_path / "kafka/data"
    node = KafkaNode(tmp_path / "kafka", properties)
    node.cluster = cluster
    try:
        format_nodes([node])
        for name, address in advertised.items():
            port = address.rpartition(":")[2]
            if node.process is None:
                start_nodes([node], lambda: accepts(int(port)))
            admin = AdminClient({"bootstrap.servers": f"{HOST}:{port}"})
            broker = wait_for(name, lambda: admin.list_topics(timeout=10).brokers[1])
            assert f"{broker.host}:{broker.port}" == address
        assert properties["message.max.bytes"] == "2097152"
    finally:
        node.stop()


def test_kafkas_health_check_fits_beside_it():
    """The check is a process of its own; without a heap of its own it takes that of the broker once more."""
    kafka = SERVICES["kafka"]
    kind, check = kafka["healthcheck"]["test"]
    heaps = [re.search(r"-Xmx(\d+)m", text)[1] for text in (kafka["environment"]["KAFKA_HEAP_OPTS"], check)]
    assert kind == "CMD-SHELL" and check.startswith("KAFKA_HEAP_OPTS=")
    assert kafka["deploy"]["resources"]["limits"]["memory"] == "1G" and sum(map(int, heaps)) <= 640


def test_compose_can_open_the_page():
    """Token, certificate and key are handed on."""
    for variable in ("CHURN_TOKEN", "CHURN_CERT_FILE", "CHURN_KEY_FILE"):
        assert SERVICES[OWN[0]]["environment"][variable] == f"${{{variable}:-}}"


@pytest.mark.parametrize("password", ["", "a secret of $HOME's"])
def test_redis_starts_with_what_compose_tells_it(tmp_path, password):
    """With a password and without; it keeps what it acknowledged."""
    port = free_port()
    shell, option, command = (resolve(part) for part in SERVICES["redis"]["command"])
    kind, ping = SERVICES["redis"]["healthcheck"]["test"]
    env = {"REDISCLI_AUTH": password}
    ping = ping.replace("redis-cli", f"redis-cli -p {port}")
    asked = lambda: subprocess.run(["sh", "-c", ping], env={**os.environ, **env}, capture_output=True).returncode
    assert kind == "CMD-SHELL" and asked() != 0
    process = Process([shell, option, f"{command} --bind {HOST} --port {port}"], tmp_path, "redis", env=env)
    try:
        wait_for("Redis", lambda: asked() == 0)
        client = redis.Redis(HOST, port, password=password or None)
        for name, value in (("maxmemory-policy", "noeviction"), ("appendonly", "yes")):
            assert client.config_get(name) == {name: value}
        if password:
            env["REDISCLI_AUTH"] = "wrong"
            assert asked() != 0
    finally:
        process.end()


# --- Prometheus and Grafana ---


def mounted(service, path):
    """The file of this tree that a service sees as `path`."""
    for volume in SERVICES[service]["volumes"]:
        source, target, *_ = volume.split(":")
        if source.startswith(".") and path.startswith(f"{target}/"):
            return SRC / source / path.removeprefix(f"{target}/")
    raise AssertionError(f"{service} does not see {path}")


def test_prometheus_finds_who_is_there():
    (config,) = [a.partition("=")[2] for a in SERVICES["prometheus"]["command"] if a.startswith("--config.file=")]
    path = mounted("prometheus", config)
    (settings,) = kustomize.documents(path)
    (job,) = settings["scrape_configs"]
    (found,) = job["dns_sd_configs"]
    assert job["job_name"] == "churnd" and found["names"] == OWN and str(found["port"]) == IMAGE_PORT
    assert settings["rule_files"] and all((path.parent / rules).is_file() for rules in settings["rule_files"])
    if shutil.which("promtool") is None:
        pytest.skip("promtool is not installed")
    subprocess.run(["promtool", "check", "config", path], check=True)


def test_grafana_is_given_its_source_and_dashboard():
    env = SERVICES["grafana"]["environment"]
    json.loads(mounted("grafana", env["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]).read_text())
    (provider,) = load("deploy/grafana/provisioning/dashboards/churnd.yaml")["providers"]
    home = mounted("grafana", env["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"])
    assert mounted("grafana", provider["options"]["path"] + "/x").parent == home.parent
    (source,) = load("deploy/grafana/provisioning/datasources/prometheus.yaml")["datasources"]
    host, port = source["url"].removeprefix("http://").split(":")
    assert source["type"] == "prometheus" and any(p.endswith(f":{port}") for p in SERVICES[host]["ports"])


# --- Kubernetes ---


def only(made, kind, name):
    (found,) = [d for d in made if d["kind"] == kind and d["metadata"]["name"] == name]
    return found


def of_kind(made, kind):
    return [d for d in made if d["kind"] == kind]


def selects(selector, document):
    return selector["matchLabels"].items() <= document["spec"]["template"]["metadata"]["labels"].items()


DEPLOYMENTS = {
    f"{where}/{d['metadata']['name']}": (made, d)
    for where, made in KUBERNETES.items()
    for d in of_kind(made, "Deployment")
}


def test_the_manifests_are_whole():
    assert {d["metadata"]["name"] for d in of_kind(KUBERNETES["base"], "Deployment")} == {*OWN}
    assert {d["metadata"]["name"] for d in of_kind(KUBERNETES["overlays/example"], "Deployment")} == {OWN[0]}
    for made in KUBERNETES.values():
        names = [(d["kind"], d["metadata"]["name"]) for d in made]
        assert len(names) == len(set(names))
        for kind in ("PodDisruptionBudget", "NetworkPolicy", "PodMonitor"):
            for document in of_kind(made, kind):
                selector = document["spec"].get("selector") or document["spec"]["podSelector"]
                assert any(selects(selector, d) for d in of_kind(made, "Deployment")), document
    for folder in SRC.glob("deploy/kubernetes/**/"):
        files = {path.name for path in folder.glob("*.yaml")} - {"kustomization.yaml"}
        if files:
            (settings,) = kustomize.documents(folder / "kustomization.yaml")
            assert files <= {*settings.get("resources", []), *(p["path"] for p in settings.get("patches", []))}


@pytest.mark.parametrize("which", DEPLOYMENTS)
def test_a_deployment_fits_the_program(which, tmp_path):
    made, deployment = DEPLOYMENTS[which]
    name, spec = deployment["metadata"]["name"], deployment["spec"]
    pod, pipeline = spec["template"]["spec"], PIPELINES[name]
    (container,) = pod["containers"]
    assert selects(spec["selector"], deployment)
    assert pod["terminationGracePeriodSeconds"] >= shutdown_s(pipeline) + 10
    # What it runs, and what it is told.
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    mounts = {mount["mountPath"]: volumes[mount["name"]] for mount in container["volumeMounts"]}
    assert len(mounts) == len(volumes)
    option, path = container["args"]
    pipelines = only(made, "ConfigMap", mounts["/etc/churnd"]["configMap"]["name"])
    assert option == "-c" and path == f"/etc/churnd/{pipeline}"
    assert pipelines["data"][pipeline] == (SRC / "config" / pipeline).read_text()
    assert "emptyDir" in mounts[IMAGE_ENV["STATE_DIRECTORY"]]
    env = {variable["name"]: variable["value"] for variable in container["env"]}
    for source in container["envFrom"]:
        if "configMapRef" in source:
            env.update(only(made, "ConfigMap", source["configMapRef"]["name"])["data"])
        else:
            assert source == {"secretRef": {"name": "churn-secrets", "optional": True}}
    assert not [variable for variable in env if SECRET.search(variable)]
    assert env.keys() <= variables("consumer.yaml") | variables("producer.yaml")
    check_pipeline(pipeline, env, tmp_path)
    # Who asks it.
    (port,) = container["ports"]
    assert port == {"name": "http", "containerPort": int(IMAGE_PORT)} and env["CHURN_LISTEN"].endswith(f":{IMAGE_PORT}")
    paths = {}
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        paths[probe] = container[probe]["httpGet"]["path"]
        assert container[probe]["httpGet"]["port"] == port["name"]
    assert paths == {"startupProbe": "/healthz", "livenessProbe": "/healthz", "readinessProbe": "/readyz"}
    annotations = spec["template"]["metadata"]["annotations"]
    assert annotations["prometheus.io/port"] == IMAGE_PORT
    # What it may do.
    user = int(re.search(r"^USER (\d+):", DOCKERFILE, re.MULTILINE)[1])
    assert pod["securityContext"] == {
        "runAsNonRoot": True,
        "runAsUser": user,
        "runAsGroup": user,
        "fsGroup": user,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert pod["automountServiceAccountToken"] is False
    assert (
        container["resources"]["requests"].keys() == {"cpu", "memory"} and "memory" in container["resources"]["limits"]
    )


def test_every_path_that_is_asked_for_is_answered(stack):
    """By the program itself."""
    asked = {"/metrics"}
    for _, deployment in DEPLOYMENTS.values():
        (container,) = deployment["spec"]["template"]["spec"]["containers"]
        asked |= {container[probe]["httpGet"]["path"] for probe in container if probe.endswith("Probe")}
        asked.add(deployment["spec"]["template"]["metadata"]["annotations"]["prometheus.io/path"])
    for monitor in of_kind(KUBERNETES["overlays/example"], "PodMonitor"):
        asked |= {endpoint["path"] for endpoint in monitor["spec"]["podMetricsEndpoints"]}
    port = free_port()
    start_local(stack, port)
    wait_until_ready(port)
    assert {path: ask(port, path)[0] for path in asked} == dict.fromkeys(asked, 200)


def test_a_budget_leaves_somebody_to_be_moved():
    for made in KUBERNETES.values():
        (budget,) = of_kind(made, "PodDisruptionBudget")
        assert budget["spec"]["maxUnavailable"] == 1
        consumer = only(made, "Deployment", OWN[0])["spec"]
        assert selects(budget["spec"]["selector"], {"spec": consumer})
        for constraint in consumer["template"]["spec"]["topologySpreadConstraints"]:
            assert selects(constraint["labelSelector"], {"spec": consumer})
    assert only(KUBERNETES["base"], "Deployment", OWN[0])["spec"]["replicas"] > 1


def test_scaling_goes_by_the_lag_of_the_pipeline():
    made = KUBERNETES["overlays/example"]
    (scaled,) = of_kind(made, "ScaledObject")
    consumer = only(made, "Deployment", scaled["spec"]["scaleTargetRef"]["name"])
    assert "replicas" not in consumer["spec"], "two that say how many there are would fight"
    (trigger,) = scaled["spec"]["triggers"]
    env = only(made, "ConfigMap", "churn-environment")["data"]
    assert trigger["type"] == "kafka"
    assert trigger["metadata"]["bootstrapServers"] == env["KAFKA_BROKER"]
    source = load("config/consumer.yaml")["source"]
    assert trigger["metadata"]["consumerGroup"] == env.get("KAFKA_GROUP_ID", resolve(source["group_id"]))
    assert trigger["metadata"]["offsetResetPolicy"] == {"beginning": "earliest", "end": "latest"}[source["start"]]


def kustomized(folder):
    """What kustomize itself makes of it, without the hashes in names."""
    text = subprocess.run(["kustomize", "build", folder], check=True, capture_output=True, text=True).stdout
    return list(yaml.safe_load_all(re.sub(r"\b(churn-(?:environment|pipelines))-[a-z0-9]{10}\b", r"\1", text)))


def by_name(made):
    return sorted(made, key=lambda d: (d["kind"], d["metadata"]["name"]))


def overlay_with_page(folder):
    place = os.path.relpath(SRC / "deploy/kubernetes", folder)
    settings = {"resources": [f"{place}/base"], "components": [f"{place}/components/page"]}
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(settings))
    return folder


def test_a_token_goes_with_https(tmp_path):
    """The component for the page: beyond loopback a token wants a certificate, and who asks must know."""
    made = kustomize.build(overlay_with_page(tmp_path))
    pod = only(made, "Deployment", OWN[0])["spec"]["template"]
    (container,) = pod["spec"]["containers"]
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        assert container[probe]["httpGet"]["scheme"] == "HTTPS"
    assert pod["metadata"]["annotations"]["prometheus.io/scheme"] == "https"
    # The PodMonitor asks a Pod by what that annotation says, and the others by HTTP.
    (monitor,) = of_kind(KUBERNETES["overlays/example"], "PodMonitor")
    (endpoint,) = monitor["spec"]["podMetricsEndpoints"]
    (rule,) = endpoint["relabelings"]
    label = "__meta_kubernetes_pod_annotation_" + re.sub(r"\W", "_", "prometheus.io/scheme")
    assert (rule["sourceLabels"], rule["targetLabel"]) == ([label], "__scheme__")
    assert re.fullmatch(rule["regex"], "https")[1] == "https" and not re.fullmatch(rule["regex"], "")
    assert endpoint["tlsConfig"] == {"insecureSkipVerify": True} and "scheme" not in endpoint
    (volume,) = [volume for volume in pod["spec"]["volumes"] if volume["name"] == "tls"]
    (mount,) = [mount for mount in container["volumeMounts"] if mount["name"] == "tls"]
    assert volume["secret"]["secretName"] == "churn-tls" and volume["secret"]["defaultMode"] & 0o7 == 0
    env = {variable["name"]: variable["value"] for variable in container["env"]}
    assert (env["CHURN_CERT_FILE"], env["CHURN_KEY_FILE"]) == tuple(
        f"{mount['mountPath']}/tls.{s}" for s in ("crt", "key")
    )
    own = {name: str(tmp_path / pathlib.Path(env[name]).name) for name in ("CHURN_CERT_FILE", "CHURN_KEY_FILE")}
    run_openssl = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=churnd"]
    files = ["-out", own["CHURN_CERT_FILE"], "-keyout", own["CHURN_KEY_FILE"]]
    subprocess.run([*run_openssl, *files], check=True, capture_output=True)
    check_pipeline(PIPELINES[OWN[0]], {**env, **own, "CHURN_TOKEN": "a-token-of-the-test-s-own"}, tmp_path)


@pytest.mark.skipif(shutil.which("kustomize") is None, reason="kustomize is not installed")
def test_kustomize_makes_the_same(tmp_path):
    for where, made in KUBERNETES.items():
        assert by_name(kustomized(SRC / "deploy/kubernetes" / where)) == by_name(made)
    overlay = overlay_with_page(tmp_path)
    assert by_name(kustomized(overlay)) == by_name(kustomize.build(overlay))
