"""What deploy/ holds fits the code: configs, manifests, images, dashboard, template."""

import json
import re
import shlex
from pathlib import Path

import kubernetes_validate
import pytest
import yaml

from model_server.flags import parse
from stream_bridge.config.bridge import BridgeConfig
from stream_bridge.config.loading import load_config
from stream_bridge.dataflow import launch

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
MANIFESTS = sorted((DEPLOY / "kubernetes").glob("*.yaml"))
DOCKERFILES = sorted([*DEPLOY.glob("*Dockerfile"), *DEPLOY.glob("*/Dockerfile")])


def documents(path):
    return list(yaml.safe_load_all(path.read_text("utf-8")))


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.name)
def test_manifests_are_what_kubernetes_takes(path):
    for each in documents(path):
        kubernetes_validate.validate(each, kubernetes_validate.latest_version(), strict=True)


def test_manifests_refer_to_what_is_there():
    named = {"ConfigMap": set(), "PersistentVolumeClaim": set()}
    workloads, services = [], {}
    for each in (document for path in MANIFESTS for document in documents(path)):
        if each["kind"] in named:
            named[each["kind"]].add(each["metadata"]["name"])
        elif each["kind"] == "Service":
            services[each["metadata"]["name"]] = each["spec"]
        else:
            workloads.append(each)
    for each in workloads:
        spec = each["spec"]["template"]["spec"]
        labels = each["spec"]["template"]["metadata"]["labels"]
        service = services[each["metadata"]["name"]]
        assert service["selector"].items() <= labels.items()
        templates = each["spec"].get("volumeClaimTemplates", ())
        volumes = {volume["metadata"]["name"] for volume in templates}
        for volume in spec["volumes"]:
            volumes.add(volume["name"])
            if "configMap" in volume:
                assert volume["configMap"]["name"] in named["ConfigMap"]
            if "persistentVolumeClaim" in volume:
                claim = volume["persistentVolumeClaim"]["claimName"]
                assert claim in named["PersistentVolumeClaim"]
        for container in spec["containers"]:
            assert {mount["name"] for mount in container["volumeMounts"]} == volumes
            ports = {port["name"] for port in container["ports"]}
            assert {port["targetPort"] for port in service["ports"]} <= ports


def bridge_of_kubernetes():
    [config] = [d for d in documents(DEPLOY / "kubernetes/bridge.yaml") if d["kind"] == "ConfigMap"]
    return BridgeConfig.model_validate(yaml.safe_load(config["data"]["bridge.yaml"]))


def test_the_bridges_of_compose_and_kubernetes_are_configs():
    composed = load_config(DEPLOY / "compose/bridge.yaml")
    for it in (composed, bridge_of_kubernetes()):
        assert it.monitoring.address == "0.0.0.0:9464"
        assert str(it.state_dir).startswith("/var/lib/livebert/")
    [workload] = [
        d for d in documents(DEPLOY / "kubernetes/bridge.yaml") if d["kind"] == "StatefulSet"
    ]
    grace = workload["spec"]["template"]["spec"]["terminationGracePeriodSeconds"]
    assert grace > bridge_of_kubernetes().failure.drain_seconds


def test_compose_is_whole():
    compose = documents(DEPLOY / "compose/compose.yaml")[0]
    services, volumes = compose["services"], compose["volumes"]
    for name, service in services.items():
        assert ("image" in service) != ("build" in service), name
        if "build" in service:
            context = (DEPLOY / "compose" / service["build"]["context"]).resolve()
            assert (context / service["build"]["dockerfile"]).is_file()
        assert set(service.get("depends_on", {})) <= set(services)
        for volume in service.get("volumes", ()):
            source = volume.split(":")[0]
            if source.startswith("."):
                assert (DEPLOY / "compose" / source).exists(), source
            elif not source.startswith("$"):
                assert source in volumes
        for port in service.get("ports", ()):
            assert port.startswith("127.0.0.1:"), "loopback by default"
    config = load_config(DEPLOY / "compose/bridge.yaml")
    brokers, topics = services["kafka"]["environment"], services["topics"]["command"][0]
    assert config.source.brokers in brokers["KAFKA_ADVERTISED_LISTENERS"]
    for place in (config.source, *config.sinks.values()):
        assert re.search(rf"\b{place.topic}\b", topics)
    assert services["bridge"]["stop_grace_period"] == "30s"
    assert config.failure.drain_seconds < 30
    assert parse(services["model-server"]["command"])[1] == []


def test_tf_serving_is_started_with_flags_that_it_knows():
    [workload] = [
        d for d in documents(DEPLOY / "kubernetes/model-server.yaml") if d["kind"] == "Deployment"
    ]
    [container] = workload["spec"]["template"]["spec"]["containers"]
    # The embedded server has TF Serving's flags.
    assert parse(container["args"])[1] == []
    assert container["resources"]["limits"]["nvidia.com/gpu"] == 1


def instructions(path):
    text = re.sub(r"\\\n", " ", path.read_text("utf-8"))
    lines = (line for line in text.splitlines() if line and not line.startswith("#"))
    return [tuple(line.split(None, 1)) for line in lines]


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: str(path.relative_to(DEPLOY)))
def test_images_copy_what_is_there(path):
    found = instructions(path)
    assert found[0][0] == "FROM"
    known = {"FROM", "RUN", "WORKDIR", "COPY", "ENV", "EXPOSE", "USER", "VOLUME", "ENTRYPOINT"}
    assert {word for word, _ in found} <= known | {"CMD", "HEALTHCHECK", "STOPSIGNAL"}
    for word, rest in found:
        if word == "COPY" and "--from" not in rest:
            *sources, _ = shlex.split(rest)
            for source in sources:
                assert (ROOT / source).exists(), source
        if word in ("ENTRYPOINT", "CMD"):
            assert all(isinstance(part, str) for part in json.loads(rest))


def test_the_images_install_extras_that_exist():
    extras = re.findall(r"^(\w+) = \{ file", (ROOT / "pyproject.toml").read_text("utf-8"), re.M)
    for path in DOCKERFILES:
        for named in re.findall(r'"\.\[([\w,]+)\]"', path.read_text("utf-8")):
            assert set(named.split(",")) <= set(extras)


def test_the_dashboard_names_metrics_that_exist():
    board = json.loads((DEPLOY / "grafana/bridge.json").read_text("utf-8"))
    shown = re.findall(r"livebert_bridge_\w+", json.dumps(board))
    # test_monitoring holds docs/events.md and what a bridge serves against each other.
    documented = (ROOT / "docs/events.md").read_text("utf-8")
    have = {}
    for name, labels in re.findall(r"\| `(livebert_bridge_\w+)(?:\{([\w,]+)\})?`", documented):
        have[name] = set(filter(None, labels.split(",")))
    plain = {re.sub(r"_(bucket|sum|count)$", "", name) for name in shown}
    assert plain <= set(have)
    assert set(have) - plain == set(), "a metric that no panel shows"
    for panel in board["panels"]:
        for target in panel["targets"]:
            [name, *_] = re.findall(r"livebert_bridge_\w+?(?=_bucket\b|\b)", target["expr"])
            by = re.findall(r"by \(([\w, ]+)\)", target["expr"])
            grouped = {label for each in by for label in each.split(", ")} - {"le"}
            assert grouped <= have[name], target["expr"]


def test_the_template_gives_the_launcher_what_it_takes(capsys):
    template = json.loads((DEPLOY / "dataflow/metadata.json").read_text("utf-8"))
    with pytest.raises(SystemExit):
        launch.main(["--help"])
    options = set(re.findall(r"^  --(\w+)", capsys.readouterr().out, re.M))
    assert {each["name"] for each in template["parameters"]} == options
    required = {each["name"] for each in template["parameters"] if not each.get("isOptional")}
    assert required == {"config"}
    image = (DEPLOY / "dataflow/Dockerfile").read_text("utf-8")
    assert "FLEX_TEMPLATE_PYTHON_PY_FILE=/template/launch.py" in image
    beam = re.search(r"apache/beam_python3.11_sdk:(\S+)", image).group(1)
    assert f"apache-beam=={beam}" in (ROOT / "requirements/bridge.in").read_text("utf-8")
