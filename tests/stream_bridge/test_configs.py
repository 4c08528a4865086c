"""The configs that users copy, and what a wrong one gets."""

from pathlib import Path

import pytest

from stream_bridge.config.loading import load_config
from stream_bridge.errors import ConfigError
from stream_bridge.run import run

CONFIGS = Path(__file__).resolve().parents[2] / "configs"


@pytest.mark.parametrize("file", sorted(CONFIGS.glob("bridge-*.yaml")), ids=lambda f: f.stem)
def test_every_config_loads(file):
    assert load_config(file).server.model


def test_the_real_log_through_its_config(data, tmp_path, server, monkeypatch):
    monkeypatch.chdir(tmp_path)
    log = data / "loghub" / "BGL_2k.log"
    settings = (f"server.address={server.address}", "server.model=m", f"source.address=file:{log}")
    said = []
    assert run(load_config(CONFIGS / "bridge-bgl.yaml", settings), say=said.append) == 0
    assert said[0].startswith("read 2000 = predicted 2000 + dead 0")


@pytest.mark.parametrize("text", ["{message}", "{service} {message}", "say {message}"])
def test_a_template_can_be_set_on_the_command_line(text):
    config = load_config(CONFIGS / "bridge-events.yaml", [f"format.text={text}"])
    assert config.format.text == text


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("batching.max_event=3", "batching.max_event: there is no such key"),
        ("server.label=stable", "server: give version or label, not both"),
        ("source.address=carrier://x", "source: address must start with"),
        ("source.poll_seconds=0", "source.poll_seconds: Input should be greater than 0"),
        ("sinks.dead_letters=null", "sinks.dead_letters: "),
        ("format.text={a", "format.text: braces"),
        ("alert", "write it as key.subkey=value"),
        ("engine.name=x", "engine is a single value"),
    ],
)
def test_a_wrong_key_is_named_with_its_file(tmp_path, override, message):
    file = tmp_path / "bridge.yaml"
    text = (CONFIGS / "bridge-events.yaml").read_text().replace("tcp://127.0.0.1:9000", "tail:x")
    file.write_text(f"engine: local\n{text}".replace("  model: events", "  model: m\n  version: 1"))
    with pytest.raises(ConfigError) as caught:
        load_config(file, [override])
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
