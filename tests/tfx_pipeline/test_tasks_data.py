from __future__ import annotations

import datetime
import decimal
import json

import pyarrow
import pyarrow.parquet
import pytest

from serving_client.examples import from_example, to_example
from tfx_pipeline.config import FormatConfig, PipelineConfig
from tfx_pipeline.dataset.foreign import check_spans
from tfx_pipeline.dataset.formats import reader
from tfx_pipeline.dataset.importing import import_span
from tfx_pipeline.dataset.report import as_text
from tfx_pipeline.dataset.tfrecord import read_records, write_records
from tfx_pipeline.errors import DataError, TooManyRejectedError


def config(tmp_path, task, content, name="events.txt", **data):
    source = tmp_path / name
    source.write_bytes(content if isinstance(content, bytes) else content.encode())
    values = {"root": str(tmp_path / "data"), "files": [str(source)], **data}
    return PipelineConfig.model_validate({"name": "m", "task": task, "data": values})


def conll(count):
    return "".join(f"Ann{n}\tB-person\nof\tO\nYork\tB-place\n\n" for n in range(count))


def examples(report, split):
    file = next((report.span / split).iterdir())
    return [from_example(record) for record in read_records(file)]


def test_conll_becomes_texts_tokens_and_tags(tmp_path):
    report = import_span(
        config(tmp_path, "token", conll(60), format={"kind": "conll"}, label="tags")
    )
    first = examples(report, "train")[0]
    assert len(first["tokens"]) == 3
    assert first["text"] == [b" ".join(first["tokens"])]
    assert first["tags"] == [b"B-person", b"O", b"B-place"]
    assert "label" not in first
    assert report.findings.labels["train"]["O"] == len(report.split.events["train"])


def test_conll_columns_blank_lines_and_documents(tmp_path):
    path = tmp_path / "x.conll"
    path.write_text("-DOCSTART- -X- O\n\nU.N. NNP S-org\nsaid VBD O\n \n\n\nEU NNP S-org\n")
    rows = list(reader(FormatConfig(kind="conll"))(path))
    assert [(row.number, row.fields["tokens"]) for row in rows] == [
        (3, '["U.N.", "said"]'),
        (8, '["EU"]'),
    ]
    named = FormatConfig(kind="conll", columns=("word", "part", "ner"))
    assert next(iter(reader(named)(path))).fields["part"] == '["NNP", "VBD"]'


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"tokens": ["a", "b"], "label": ["O"]}, "2 tokens, but 1 tags"),
        ({"tokens": ["a"], "label": ["person"]}, "tag 'person' is not O, B-TYPE or I-TYPE"),
        ({"tokens": ["New York"], "label": ["O"]}, "token 1 is empty or holds white space"),
        ({"tokens": "New York", "label": ["O"]}, "'tokens' is not a list of strings"),
        ({"tokens": [], "label": []}, "the text is empty"),
    ],
)
def test_tags_that_do_not_fit_are_rejected(tmp_path, row, reason):
    with pytest.raises(TooManyRejectedError, match=reason):
        import_span(config(tmp_path, "token", json.dumps(row) + "\n"))


def test_other_tag_schemes_become_bio(tmp_path):
    row = {"tokens": list("abcd"), "label": ["B-x", "E-x", "S-y", "O"]}
    lines = "".join(json.dumps({**row, "tokens": [f"a{n}", *"bcd"]}) + "\n" for n in range(60))
    report = import_span(config(tmp_path, "token", lines))
    assert examples(report, "test")[0]["tags"] == [b"B-x", b"I-x", b"B-y", b"O"]


def test_a_file_without_a_header_row_and_without_quotes(tmp_path):
    lines = "".join(f'{n}\t{n / 7:.3f}\tsaid "{n}\n' for n in range(100))
    form = {"kind": "csv", "delimiter": "\t", "quotes": False, "columns": ["id", "value", "text"]}
    report = import_span(config(tmp_path, "regression", lines, format=form, label="value"))
    first = examples(report, "train")[0]
    assert first["label"] == [pytest.approx(float(first["text"][0][6:]) / 7, abs=1e-3)]
    said = as_text(report)
    assert "mean" in said
    assert "more labels" not in said


@pytest.mark.parametrize("value", ["nan", "inf", "1e39", "high", ""])
def test_targets_that_are_no_numbers_are_rejected(tmp_path, value):
    with pytest.raises(TooManyRejectedError, match="the label field 'label' is"):
        import_span(
            config(tmp_path, "regression", json.dumps({"text": "a", "label": value}) + "\n")
        )


@pytest.mark.parametrize(
    ("task", "row", "message"),
    [
        ("regression", {"label": 2.5}, "have the value 2.5: there is nothing to learn"),
        ("classification", {"label": "only"}, "holds only the label 'only'"),
        ("token", {"tokens": ["a"], "label": ["O"]}, "holds only the tag 'O'"),
    ],
)
def test_nothing_to_learn_is_refused(tmp_path, task, row, message):
    lines = "".join(
        json.dumps({"text": f"t {n}", **row, **({"tokens": [f"a{n}"]} if "tokens" in row else {})})
        + "\n"
        for n in range(80)
    )
    with pytest.raises(DataError, match=message):
        import_span(config(tmp_path, task, lines))


def test_parquet_is_read_with_its_types(tmp_path):
    path = tmp_path / "events.parquet"
    rows = [
        {"id": n, "at": {"text": f"t {n}\nmore"}, "raw": b"\xff!", "label": None} for n in range(3)
    ]
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), path)
    found = list(reader(FormatConfig(kind="parquet"))(path))
    assert [row.fields["id"] for row in found] == ["0", "1", "2"]
    assert found[1].fields == {"id": "1", "at.text": "t 1\nmore", "raw": "\ufffd!", "label": ""}
    assert found[1].position == "events.parquet:row-2"
    odd = {"price": decimal.Decimal("1.50"), "took": datetime.timedelta(seconds=90), "at": [1.5]}
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist([odd]), path)
    assert next(reader(FormatConfig(kind="parquet"))(path)).fields == {
        "price": "1.50",
        "took": "0:01:30",
        "at": "[1.5]",
    }
    path.write_bytes(b"not parquet")
    with pytest.raises(DataError, match="cannot be read as Parquet"):
        list(reader(FormatConfig(kind="parquet"))(path))


def test_conflicts_repeats_lengths_and_single_labels_are_reported(tmp_path):
    rows = [{"text": f"t {n}", "label": "ab"[n % 2], "s": "train"} for n in range(200)]
    rows += [{"text": "t 1", "label": "a"}, {"text": "x" * 100_000, "label": "rare"}]
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    train, rest = tmp_path / "train.jsonl", tmp_path / "rest.jsonl"
    train.write_bytes(lines.encode() + b'{"text": "caf\xe9", "label": "a"}\n')
    rest.write_text('{"text": "t 5", "label": "b"}\n{"text": "new \xe9", "label": "c"}\n')
    files = {"train": [str(train)], "eval": [str(rest)], "test": [str(rest)]}
    given = config(tmp_path, "classification", "", files=files, duplicates="keep")
    report = import_span(given)
    assert report.findings.conflicts == 1
    assert report.findings.once == ("rare",)
    assert report.findings.repeated == {"train": 0, "eval": 1, "test": 2}
    assert report.findings.lengths["train"].most == 100_000
    said = as_text(report)
    assert "1 training texts have more than one label, such as 't 1'" in said
    assert "labels with one training event: rare" in said
    assert "1 training texts held bytes that are not UTF-8" in said
    assert "labels that training never sees: c" in said
    assert "1 have a text that stands in an earlier split too" in said
    assert json.loads((report.span / "import.json").read_text())["conflicts"] == 1


def foreign(tmp_path, task, rows, **data):
    given = config(tmp_path, task, "", **data)
    for split in ("train", "eval", "test"):
        folder = given.spans_path / "span-7" / split
        folder.mkdir(parents=True)
        write_records(folder / "a.gz", [to_example(row).SerializeToString() for row in rows])
    return given


def test_a_span_of_others_is_used_as_it_is(tmp_path):
    check_spans(
        foreign(tmp_path, "regression", [{"text": "a", "label": 1.5}, {"text": "b", "label": 2.0}])
    )


@pytest.mark.parametrize(
    ("task", "row", "message"),
    [
        ("regression", {"text": "a", "label": "1"}, r"a\.gz: record 2: feature 'label' is not one"),
        ("regression", {"text": "a", "label": float("nan")}, "record 2: label is nan"),
        ("classification", {"label": "x"}, "record 2: feature 'text' is not one value of bytes"),
        ("anomaly", {"text": "a", "label": "bad"}, "label is b'bad', not one of normal, anomaly"),
        ("token", {"text": "a b", "tokens": ["a"], "tags": ["O"]}, "text is not the tokens"),
        ("token", {"text": "a", "tokens": ["a"], "tags": ["O", "O"]}, "1 tokens and 2 tags"),
    ],
)
def test_a_span_the_task_cannot_use_is_refused(tmp_path, task, row, message):
    good = {
        "regression": {"text": "a", "label": 1.5},
        "classification": {"text": "a", "label": "x"},
        "anomaly": {"text": "a", "label": "normal"},
        "token": {"text": "a", "tokens": ["a"], "tags": ["O"]},
    }
    with pytest.raises(DataError, match=message):
        check_spans(foreign(tmp_path, task, [good[task], row]))


def test_a_damaged_or_missing_split_is_refused(tmp_path):
    given = foreign(tmp_path, "regression", [{"text": "a", "label": 1.5}])
    with pytest.raises(DataError, match="same label"):
        check_spans(given)
    file = given.spans_path / "span-7" / "eval" / "a.gz"
    file.write_bytes(file.read_bytes()[:-12])
    with pytest.raises(DataError, match=r"eval/a\.gz: record 1: "):
        check_spans(given)
    file.rename(file.with_name("a.tfrecord"))
    with pytest.raises(DataError, match=r"eval/a\.tfrecord: rename it"):
        check_spans(given)
    file.with_name("a.tfrecord").unlink()
    with pytest.raises(DataError, match="eval: no files"):
        check_spans(given)


def test_the_real_files(data, tmp_path):
    tweets = {"kind": "csv", "delimiter": "\t", "quotes": False, "columns": ["id", "value", "text"]}
    content = (data / "vader" / "tweets_ground_truth.tsv").read_bytes()
    report = import_span(config(tmp_path, "regression", content, format=tweets, label="value"))
    assert sum(map(len, report.split.events.values())) == 4200
    assert not report.rejected
    files = {
        split: [str(data / "wnut17" / f"{name}.conll")]
        for split, name in (("train", "train"), ("eval", "dev"), ("test", "test"))
    }
    parts = {"format": {"kind": "conll"}, "label": "tags", "files": files}
    report = import_span(config(tmp_path, "token", "", duplicates="keep", **parts), 9)
    assert {name: len(found) for name, found in report.split.events.items()} == {
        "train": 3394,
        "eval": 1009,
        "test": 1287,
    }
