"""Several spans in one run: which are read, what is dropped, a label that comes with the third."""

from __future__ import annotations

import json
import random
import shutil
from pathlib import Path

import pytest

from tests.pipeline import run_pipeline
from tfx_pipeline.config import SPLITS
from tfx_pipeline.dataset.spans import write_span
from tfx_pipeline.dataset.tfrecord import read_records
from tfx_pipeline.errors import DataError
from tfx_pipeline.records import LabelledEvent

example_gen = pytest.importorskip("tfx_pipeline.example_gen")


def span(folder: Path, number: int, **texts: str) -> None:
    """Write a span whose splits have a text for each word."""
    events = {
        name: [LabelledEvent(f"{number}{n}", None, word, "a") for n, word in enumerate(words)]
        for name, words in ((name, texts.get(name, "").split()) for name in SPLITS)
    }
    write_span(folder, number, events, [], {})


@pytest.fixture
def spans(tmp_path) -> Path:
    folder = tmp_path / "spans"
    span(folder, 2, train="old", eval="old-eval", test="old-test")
    span(folder, 9, train="a a b", eval="c d", test="e")
    span(folder, 10, train="x e", eval="y a", test="z z b d old")
    return folder


def read(spans: Path, out: Path, newest: int, last: int, drop: bool = True) -> dict[str, list[str]]:
    """Read spans with the component's own executor; return the texts of each split."""
    from tfx.dsl.components.base.base_beam_executor import BaseBeamExecutor
    from tfx.types import standard_artifacts

    from tfx_pipeline.pipeline import BEAM_ARGUMENTS

    component = example_gen.ImportExampleGen(str(spans), str(newest), last, drop)
    examples = standard_artifacts.Examples()
    examples.uri = str(out)
    executor = example_gen.Executor(
        BaseBeamExecutor.Context(beam_pipeline_args=list(BEAM_ARGUMENTS), tmp_dir=str(out))
    )
    executor.Do({}, {"examples": [examples]}, dict(component.exec_properties))
    found = {}
    for split in SPLITS:
        texts: list[str] = []
        for file in (out / f"Split-{split}").iterdir():
            texts += [_text(record) for record in read_records(file)]
        found[split] = sorted(texts)
    return found | {"spans": examples.get_string_custom_property("spans")}


def _text(record: bytes) -> str:
    from serving_client.examples import from_example

    return from_example(record)["text"][0].decode()


def test_the_last_spans_teach_and_the_newest_judges(spans, tmp_path):
    both = read(spans, tmp_path / "both", 10, 2)
    assert both == {
        "train": ["a", "a", "b", "e", "x"],
        "eval": ["c", "d", "y"],  # a is learned from
        "test": ["old", "z", "z"],  # b is learned from, d chooses
        "spans": "9-10",
    }
    kept = read(spans, tmp_path / "kept", 10, 5, drop=False)
    assert kept["spans"] == "2-10"
    assert kept["test"] == ["b", "d", "old", "z", "z"]


def test_a_split_of_which_nothing_is_left_is_said(spans, tmp_path):
    span(spans, 11, train="n", eval="m", test="a x")
    with pytest.raises(DataError, match=r"nothing is left of the test split of spans 9-11: each"):
        read(spans, tmp_path / "out", 11, 3)


def test_what_was_read_stands_only_as_long_as_the_earlier_spans_do(spans):
    def fingerprint() -> str:
        component = example_gen.ImportExampleGen(str(spans), "{SPAN}", 2, True)
        driver = example_gen.Driver(None)
        found = driver.resolve_exec_properties(dict(component.exec_properties), None, None)
        assert found["span"] == 10
        return found["input_fingerprint"]

    before = fingerprint()
    assert fingerprint() == before
    shutil.rmtree(spans / "span-2")
    assert fingerprint() == before, "that span is not read"
    shutil.rmtree(spans / "span-9")
    span(spans, 9, train="other", eval="c", test="e")
    assert fingerprint() != before


LETTERS = {"disk": "abc", "network": "xyz", "fire": "mno"}


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_label_of_the_third_span_is_learned_from_where_the_second_run_ended(tiny_bert, tmp_path):
    draw = random.Random(0)

    def rows(name: str, labels: list[str]) -> list[str]:
        file = tmp_path / f"{name}.jsonl"
        given = [(label, draw.choices(LETTERS[label], k=8)) for label in labels * 100]
        lines = [json.dumps({"text": "".join(w), "label": label}) + "\n" for label, w in given]
        file.write_text("".join(lines), encoding="utf-8")
        return ["--data", str(file)]

    config = tmp_path / "m.yaml"
    config.write_text(
        f"""\
name: m
task: classification
data: {{root: {tmp_path / "data"}, spans: {{last: 2}}}}
encoder: {{preset: {tiny_bert}, max_length: 32}}
training: {{epochs: 2, learning_rate: 3.0e-3, batch_tokens: 256, warm_start: true}}
evaluation: {{bounds: [{{metric: accuracy, at_least: 0.5}}]}}
serving: {{gate: {{seconds: 0.1, batch_sizes: [1], samples: 4}}}}
""",
        encoding="utf-8",
    )
    which = ["--config", str(config)]
    said = run_pipeline(
        [
            ["import", *which, *rows("one", ["disk", "network"])],
            ["run", *which],
            ["import", *which, *rows("two", ["disk", "network"])],
            ["import", *which, *rows("three", ["disk", "fire"])],
            ["run", *which],
            ["runs", *which],
        ],
        tmp_path,
    )
    assert "since span 2: new labels fire; no more network" in said
    assert "2 spans, 2-3; judged on the newest" in said
    assert "1 new labels: fire" in said
    assert [line.split()[1] for line in said.splitlines()[-2:]] == ["2-3", "1"]
    versions = tmp_path / ".livebert" / "models" / "m"
    newest = max(versions.iterdir(), key=lambda version: int(version.name))
    assert len(list(versions.iterdir())) == 2
    card = json.loads((newest / "assets.extra" / "model_card.json").read_text("utf-8"))
    assert sorted(card["labels"]) == ["disk", "fire", "network"]
    assert card["metrics"]["accuracy"] > 0.9
