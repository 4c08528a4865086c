"""model_config_file, policies, labels and reload, from the specification's tables."""

import time

import pytest
from google.protobuf import text_format

from serving_client import protos
from serving_client.services import GET_MODEL_STATUS, HANDLE_RELOAD_CONFIG, PREDICT

X = {"x": [[0.0]]}


def entry(name, base, policy="", labels=""):
    return (
        f'config {{ name: "{name}" base_path: "{base}" model_platform: "tensorflow" '
        f"model_version_policy {{ {policy} }} {labels} }}"
    )


def listed(*entries):
    return f"model_config_list {{ {' '.join(entries)} }}"


def label(name, version):
    return f'version_labels {{ key: "{name}" value: {version} }}'


def reload(server, text, *metrics):
    request = protos.ReloadConfigRequest(metric_names=metrics)
    text_format.Parse(text, request.config, descriptor_pool=protos.POOL)
    return server.call(HANDLE_RELOAD_CONFIG, request)


@pytest.fixture(scope="module")
def server(models, start, tmp_path_factory):
    file = tmp_path_factory.mktemp("config") / "models.config"
    file.write_text(listed(entry("half", models / "half", "all {}")))
    server = start(f"--model_config_file={file}")
    for number in (1, 2):
        server.wait_for(rf"Successfully loaded servable version \{{name: half version: {number}\}}")
    return server


def version(server, api, **spec):
    return server.call(PREDICT, api.predict("half", X, **spec)).model_spec.version.value


def test_labels_move_only_to_versions_that_serve(server, api, refused, models):
    base = models / "half"
    text = listed(entry("half", base, "all {}", label("stable", 1) + label("canary", 2)))
    reload(server, text)
    assert version(server, api, label="stable") == 1
    assert version(server, api, label="canary") == 2
    answer = server.call(PREDICT, api.predict("half", X, label="stable"))
    assert answer.model_spec.WhichOneof("version_choice") == "version"
    with refused(
        "FAILED_PRECONDITION",
        "Request to assign label to version 9 of model half, which is not currently available",
    ):
        reload(server, listed(entry("half", base, "all {}", label("stable", 9))))
    assert version(server, api, label="stable") == 1
    reload(server, listed(entry("half", base, "all {}", label("stable", 2))))
    assert version(server, api, label="stable") == 2
    with refused("INVALID_ARGUMENT", "Unrecognized servable version label: canary"):
        version(server, api, label="canary")


def test_policies_and_models_change_without_a_restart(server, api, refused, models):
    half, text = entry("half", models / "half", "specific { versions: 1 }"), models / "text"
    metrics = ("/tensorflow/serving/request_count", "/no/such/metric")
    response = reload(server, listed(half, entry("text", text)), *metrics)
    assert response.status.error_code == 0
    assert [(m.name, m.int64_value_increase) for m in response.metric] == [(m, 0) for m in metrics]
    assert server.call(PREDICT, api.predict("text", {"text": ["ok"]})).outputs
    server.wait_for(r"(?:Unloaded|Done unloading) servable version \{name: half version: 2\}")
    assert version(server, api) == 1
    reload(server, listed(entry("text", text)))
    server.wait_for(r"(?:Unloaded|Done unloading) servable version \{name: half version: 1\}")
    with refused("NOT_FOUND", "Servable not found for request: Latest(half)"):
        version(server, api)
    status = server.call(
        GET_MODEL_STATUS, protos.GetModelStatusRequest(model_spec=api.spec("half"))
    )
    assert [(s.version, s.state) for s in status.model_version_status] == [(2, 50), (1, 50)]
    reload(server, listed(entry("half", models / "half", "latest { num_versions: 2 }")))
    assert version(server, api) == 2


@pytest.mark.parametrize(
    ("text", "code", "message"),
    [
        (
            "custom_model_config {}",
            "INVALID_ARGUMENT",
            "ServerModelConfig type not supported by HandleReloadConfigRequest. Only ModelConfig",
        ),
        ("", "INVALID_ARGUMENT", "ServerModelConfig type not supported by HandleReload"),
        (
            listed('config { name: "a" base_path: "/a" }'),
            "INVALID_ARGUMENT",
            "Illegal setting neither ModelServerConfig::model_type (deprecated) nor",
        ),
        (
            listed('config { name: "a" base_path: "/a" model_platform: "x" }'),
            "INVALID_ARGUMENT",
            "Model a requests unsupported platform x",
        ),
        (
            listed('config {name: "a" base_path: "/a" model_platform: "x" model_type: TENSORFLOW}'),
            "INVALID_ARGUMENT",
            "Illegal setting both ModelServerConfig::model_type",
        ),
        (
            listed(entry("a", "/a"), entry("a", "/a")),
            "INVALID_ARGUMENT",
            "Illegal to list model a multiple times in config list",
        ),
        (
            listed(entry("a", "relative")),
            "INVALID_ARGUMENT",
            "Expected model a to have an absolute path or URI; got base_path()=relative",
        ),
        (
            listed(
                'config { name: "a" base_path: "/a" model_platform: "tensorflow" '
                "logging_config {} }"
            ),
            "INVALID_ARGUMENT",
            "No request-logger-creator provided.",
        ),
    ],
)
def test_a_wrong_configuration_changes_nothing(server, refused, text, code, message):
    with refused(code, message):
        reload(server, text)


def test_an_empty_list_unloads_every_model(server, api, refused):
    reload(server, "model_config_list {}")
    request = protos.GetModelStatusRequest(model_spec=api.spec("half"))
    deadline = time.monotonic() + 20
    while any(s.state != 50 for s in server.call(GET_MODEL_STATUS, request).model_version_status):
        assert time.monotonic() < deadline
    with refused("NOT_FOUND", "Servable not found for request: Latest(half)"):
        version(server, api)


def test_a_new_model_that_cannot_load_is_named(models, start, refused, tmp_path):
    (tmp_path / "bad" / "1").mkdir(parents=True)
    file = tmp_path / "models.config"
    file.write_text("")
    server = start(f"--model_config_file={file}", "--max_num_load_retries=0")
    with refused("UNKNOWN", "1 servable(s) did not become available: {{{name: bad version: 1} due"):
        reload(server, listed(entry("bad", tmp_path / "bad")))


@pytest.mark.ours("the words of its log")
def test_the_file_is_read_again_and_labels_may_come_first(models, start, api, tmp_path):
    file = tmp_path / "models.config"
    file.write_text(listed(entry("half", models / "half", "", label("next", 2))))
    server = start(
        f"--model_config_file={file}",
        "--model_config_file_poll_wait_seconds=1",
        "--allow_version_labels_for_unavailable_models",
    )
    assert version(server, api, label="next") == 2
    file.write_text("not a config")
    server.wait_for("is not applied: Invalid protobuf file")
    file.write_text(listed(entry("text", models / "text")))
    server.wait_for(r"Successfully loaded servable version \{name: text version: 1\}")


def test_a_file_that_cannot_be_read(start, tmp_path):
    file = tmp_path / "models.config"
    file.write_text("model_config_list {\n  config { nonsense: 1 }\n}")
    server = start(f"--model_config_file={file}", ready=False)
    assert server.process.wait(30) == 255
    assert server.process.stdout.read().startswith(
        f"Failed to start server. Error: Invalid protobuf file: '{file}'"
    )
    server.wait_for(r"Error parsing text-format tensorflow.serving.ModelServerConfig: 2:\d+ ?:")
