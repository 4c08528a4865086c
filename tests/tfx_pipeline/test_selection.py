"""Which unlabelled events to label next, asked of a model that the pipeline pushed."""

from __future__ import annotations

import json

import numpy as np
import pytest

pytest.importorskip("tfx")

from tfx_pipeline import config
from tfx_pipeline.__main__ import main
from tfx_pipeline.dataset.events import label_events
from tfx_pipeline.dataset.formats import reader
from tfx_pipeline.errors import DataError
from tfx_pipeline.evaluation.baselines import template
from tfx_pipeline.records import LabelledEvent
from tfx_pipeline.selection import select, spread_out


def test_the_chosen_are_doubtful_and_unlike_each_other():
    vectors = np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.6, 0.8]])
    doubt = np.array([0.9, 1.0, 0.5, 0.1])
    assert spread_out(vectors, doubt, 2) == [1, 2]
    assert sorted(spread_out(vectors, doubt, 9)) == [0, 1, 2, 3]


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_a_pushed_model_chooses_and_labels(trained, tmp_path, capsys):
    events = tmp_path / "events.log"
    events.write_text("\n".join(trained.stream) + "\n", encoding="utf-8")
    settings = [f"serving.base_path={trained.anomaly.parents[1]}"]
    flags = [part for setting in settings for part in ("--set", setting)]
    review, labelled = tmp_path / "review.jsonl", tmp_path / "labelled.jsonl"
    given = ["--config", str(trained.anomaly_config), "--data", str(events), "--count", "5", *flags]
    given += ["--output", str(review), "--surer-than", "0.5", "--labelled", str(labelled)]
    assert main(["select", *given]) == 0
    assert f"{review}: 5 to label" in capsys.readouterr().out
    loaded = config.load(trained.anomaly_config, settings)
    asked = [json.loads(line) for line in review.read_text(encoding="utf-8").splitlines()]
    done = [json.loads(line) for line in labelled.read_text(encoding="utf-8").splitlines()]
    assert {row[loaded.data.label] for row in asked} == {""}
    assert done

    # What the model labelled is what an import reads; no template is in both files or twice.
    as_json = config.load(trained.anomaly_config, [*settings, "data.format={kind: json}"])
    read = list(label_events(reader(as_json.data.format)(labelled), as_json, None))
    assert all(isinstance(event, LabelledEvent) for event in read)
    assert len({template(event.text) for event in read}) == len(read) == len(done)


def test_a_number_has_no_confidence(tmp_path):
    path = tmp_path / "m.yaml"
    path.write_text("name: m\ntask: regression\n", encoding="utf-8")
    with pytest.raises(DataError, match="does not say how sure"):
        select(
            config.load(path), [], 5, tmp_path / "review.jsonl", 0.9, tmp_path / "labelled.jsonl"
        )
