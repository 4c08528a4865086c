"""The serving gate and the verified push, on real servers with the models of the real runs."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from serving_client import Client
from tfx_pipeline import versions
from tfx_pipeline.config import GateConfig, PushConfig
from tfx_pipeline.errors import ConfigError, PushRefusedError
from tfx_pipeline.evaluation import predictions
from tfx_pipeline.evaluation.scorecard import read_card
from tfx_pipeline.push import Golden, push
from tfx_pipeline.serving_gate import servers
from tfx_pipeline.serving_gate.curve import Point, batching_parameters
from tfx_pipeline.serving_gate.gate import BATCHING, FILE, PICTURE, try_model

QUICK = {"server": "embedded", "seconds": 0.2, "batch_sizes": [1, 4], "samples": 8}


@pytest.fixture(scope="module")
def answered(trained) -> list[predictions.Row]:
    """Return the Scorecard's answers of the anomaly model."""
    name = trained.anomaly.parent.name
    return predictions.read(
        next((trained.folder / "pipelines" / name).glob(f"Scorecard/*/*/{predictions.FILE}"))
    )


def attempt(trained, rows, folder: Path, **budget) -> list[str]:
    source = str(trained.anomaly)
    config = GateConfig.model_validate({**QUICK, **budget})
    return try_model(config, "m", source, read_card(source), rows, folder)


def test_a_good_model_is_fit_and_its_batching_is_chosen(trained, answered, tmp_path):
    assert attempt(trained, answered, tmp_path, max_memory_mb=8000) == []
    found = json.loads((tmp_path / FILE).read_text())
    assert found["fit"]
    assert [point["batch_size"] for point in found["points"]] == [1, 4]
    assert all(point["events_per_second"] > 0 for point in found["points"])
    assert 100 < found["memory_mb"] < 8000
    assert found["line"].startswith("Fit to serve on embedded: 8 answers as offline")
    assert (tmp_path / PICTURE).read_text().startswith("<svg")
    assert "max_batch_size { value: " in (tmp_path / BATCHING).read_text()


def test_a_slow_or_large_or_different_model_is_refused_in_one_line_each(
    trained, answered, tmp_path
):
    wrong = [row | {"score": 1 - row["score"]} for row in answered]
    whys = attempt(
        trained,
        wrong,
        tmp_path,
        max_p99_ms=0.001,
        min_events_per_second=1e6,
        max_memory_mb=1,
        max_difference=0.0001,
    )
    starts = ("the server says", "too slow: p99 is", "too slow:", "too large:")
    assert len(whys) == len(starts)
    assert all(why.startswith(start) for why, start in zip(whys, starts, strict=True))
    assert not any("\n" in why for why in whys)


def test_a_model_that_no_server_can_load_is_refused(trained, answered, tmp_path):
    broken = tmp_path / "broken"
    shutil.copytree(trained.anomaly, broken)
    (broken / "saved_model.pb").write_bytes(b"no graph")
    config = GateConfig.model_validate(QUICK)
    whys = try_model(config, "m", str(broken), read_card(str(broken)), answered, tmp_path)
    assert len(whys) == 1
    assert whys[0].startswith("the server could not serve it: ")
    assert not json.loads((tmp_path / FILE).read_text())["fit"]


def test_batching_follows_the_curve_and_the_latency_budget(tmp_path):
    from model_server.batching.parameters import read_parameters

    curve = [
        Point(1, 10.0, 12.0, 100.0, 0),
        Point(8, 20.0, 25.0, 390.0, 0),
        Point(32, 80.0, 99.0, 400.0, 0),
    ]
    file = tmp_path / BATCHING
    file.write_text(batching_parameters(curve, None))
    chosen = read_parameters(str(file))
    assert chosen.max_batch_size == 8
    assert chosen.allowed_batch_sizes == (1, 2, 4, 8)
    assert chosen.batch_timeout_seconds == pytest.approx(0.005)
    file.write_text(batching_parameters(curve, 15.0))
    assert read_parameters(str(file)).max_batch_size == 1


def test_a_push_is_verified_and_a_corrupted_one_is_taken_back(trained, answered, tmp_path):
    source, base = str(trained.anomaly), tmp_path / "models" / "m"
    base.mkdir(parents=True)
    versions.copy_version(source, str(base), 7)
    card = read_card(source)
    golden = Golden(card, answered[:8], 0.03)
    corrupted = tmp_path / "corrupted"
    shutil.copytree(source, corrupted)
    weights = next((corrupted / "variables").glob("*.data*"))
    weights.write_bytes(weights.read_bytes()[:-1000])
    extra = tmp_path / BATCHING
    extra.write_text("max_batch_size { value: 4 }\n")
    with (
        servers.start("embedded", "m", base, tmp_path / "server.log") as server,
        Client(server.address) as client,
    ):
        client.wait_until_ready("m", 7, timeout=90)
        config = PushConfig(address=server.address, keep=2, timeout_seconds=90)
        version, path = push(source, str(base), "m", config, golden, [str(extra)])
        assert client.predict("m", "parity error").version == version
        assert (Path(path) / BATCHING).is_file()

        with pytest.raises(PushRefusedError, match="was taken back") as caught:
            push(str(corrupted), str(base), "m", config, golden, [])
        assert "\n" not in str(caught.value)
        other = Golden(card, [r | {"score": 1 - r["score"]} for r in answered[:8]], 0.0001)
        with pytest.raises(PushRefusedError, match="the server says"):
            push(source, str(base), "m", config, other, [])
        assert versions.versions(str(base)) == [7, version]
        client.wait_until_ready("m", version, timeout=90)
        assert client.predict("m", "parity error").version == version

        newest, _ = push(source, str(base), "m", config, golden, [])
        assert versions.versions(str(base)) == [version, newest], "two versions are kept"


def test_any_filesystem_of_tensorflow_takes_versions_and_keeps_the_newest(
    trained, answered, monkeypatch
):
    from tfx.dsl.io import fileio

    source, base = str(trained.anomaly), "ram://models/m"
    versions.check_base(base)
    golden = Golden(read_card(source), answered[:2], 0.03)
    config = PushConfig(keep=2)
    pushed = [push(source, base, "m", config, golden, []) for _ in range(3)]
    assert versions.versions(base) == [number for number, _ in pushed[1:]]
    assert versions.newest(base) == pushed[-1][1]
    assert fileio.exists(f"{pushed[-1][1]}/variables/variables.index")

    copy = versions.copy_version

    def cut_off(*given) -> str:
        path = copy(*given)
        with fileio.open(f"{path}/saved_model.pb", "wb") as graph:
            graph.write(b"cut off")
        return path

    monkeypatch.setattr(versions, "copy_version", cut_off)
    with pytest.raises(PushRefusedError, match=r"taken back: ram://.*is not what was copied"):
        push(source, base, "m", config, golden, [])
    assert versions.newest(base) == pushed[-1][1]


@pytest.mark.parametrize("base", ["nowhere://bucket/m", "/proc/m"])
def test_a_base_path_that_cannot_be_written_is_said_before_anything_runs(base):
    with pytest.raises(ConfigError, match=f"serving.base_path: {base} cannot be written: .+"):
        versions.check_base(base)


def test_a_push_to_a_server_that_is_not_there_is_taken_back(trained, answered, tmp_path):
    config = PushConfig(address="127.0.0.1:9", timeout_seconds=1)
    golden = Golden(read_card(str(trained.anomaly)), answered[:2], 0.03)
    with pytest.raises(PushRefusedError, match=r"127\.0\.0\.1:9"):
        push(str(trained.anomaly), str(tmp_path / "m"), "m", config, golden, [])
    assert versions.versions(str(tmp_path / "m")) == []
