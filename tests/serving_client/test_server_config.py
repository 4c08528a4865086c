"""Reloading: the configuration as a value, and the RPC."""

from __future__ import annotations

import pytest

from serving_client import (
    FailedPreconditionError,
    InputError,
    NotFoundError,
    ServedModel,
    ServerConfig,
)

TEXT = """
model_config_list {
  config {
    name: "m" base_path: "/models/m" model_platform: "tensorflow"
    model_version_policy { specific { versions: 1 versions: 2 } }
    version_labels { key: "stable" value: 1 }
  }
  config { name: "n" base_path: "/models/n" model_platform: "tensorflow"
           model_version_policy { all {} } }
}
"""


def test_text_and_back():
    config = ServerConfig.from_text(TEXT)
    assert config["m"] == ServedModel("m", "/models/m", (1, 2), labels={"stable": 1})
    assert config["n"].latest == 0
    assert ServerConfig.from_text(config.to_text()) == config
    latest = ServerConfig((ServedModel("a", "/a", latest=3), ServedModel("b", "gs://b")))
    assert ServerConfig.from_text(latest.to_text()) == latest


def test_what_is_not_ours_is_carried_along():
    text = TEXT.replace(
        'base_path: "/models/n"',
        'base_path: "/models/n" logging_config { sampling_config { sampling_rate: 0.5 } }',
    )
    moved = ServerConfig.from_text(text).with_label("n", "stable", 1).pin("n", 1)
    assert "sampling_rate: 0.5" in moved.to_text()
    assert ServerConfig.from_text(moved.to_text()) == moved


@pytest.mark.parametrize("text", ["", "# nothing", "custom_model_config {}"])
def test_a_file_that_would_unload_everything_is_refused(text):
    with pytest.raises(InputError, match="no model_config_list"):
        ServerConfig.from_text(text)
    assert ServerConfig.from_text("model_config_list {}") == ServerConfig()


def test_changes_make_new_values():
    config = ServerConfig.from_text(TEXT)
    moved = config.with_label("m", "stable", 2).with_label("m", "canary", 1)
    assert moved["m"].labels == {"stable": 2, "canary": 1}
    assert config["m"].labels == {"stable": 1}
    assert moved.with_label("m", "canary", None)["m"].labels == {"stable": 2}
    assert config.pin("m", 7)["m"].versions == (7,)
    assert [model.name for model in config.without_model("m").models] == ["n"]
    assert config.with_model(ServedModel("o", "/o"))["o"].base_path == "/o"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ServerConfig.from_text("nonsense {"), "not a model_config_file: 1:"),
        (lambda: ServerConfig.from_text(TEXT)["x"], "there are: m, n"),
        (lambda: ServedModel("m", "relative"), "not absolute"),
        (lambda: ServedModel("", "/m"), "name"),
        (lambda: ServerConfig((ServedModel("m", "/m"),) * 2), "listed twice"),
    ],
)
def test_mistakes_are_explained(make, message):
    with pytest.raises(InputError, match=message):
        make()


def test_reload_moves_labels_and_unloads(client, server):
    for version in (1, 2):
        server.add("m", lambda _, v=version: {"v": [v]}, version=version)
    config = ServerConfig((ServedModel("m", "/m", (1, 2)),))
    client.reload(config.with_label("m", "stable", 1))
    assert client.predict("m", "x", label="stable").version == 1
    client.reload(config.with_label("m", "stable", 2))
    assert client.predict("m", "x", label="stable").version == 2
    with pytest.raises(NotFoundError):
        client.predict("shout", "x")
    client.reload(config.pin("m", 1))
    assert client.predict("m", "x").version == 1
    with pytest.raises(FailedPreconditionError, match="not currently available"):
        client.reload(config.with_label("m", "stable", 2))
    answer = client.reload(config, metrics=[":tensorflow:serving:request_count"])
    assert answer.metrics == {":tensorflow:serving:request_count": 0}
