from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from tfx_pipeline import __main__ as cli
from tfx_pipeline.config import PipelineConfig
from tfx_pipeline.dataset.importing import ImportReport, import_span
from tfx_pipeline.dataset.report import as_text
from tfx_pipeline.errors import DataError, TooManyRejectedError


def config(tmp_path, lines, **data):
    source = tmp_path / "events.jsonl"
    source.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    values = {"root": str(tmp_path / "data"), "files": [str(source)], **data}
    return PipelineConfig.model_validate({"name": "m", "task": "anomaly", "data": values})


def rows(count):
    return [
        json.dumps({"text": f"line {n} \ud800 é", "label": "bad" if n % 7 == 0 else "normal"})
        for n in range(count)
    ]


def test_bad_rows_are_kept_with_their_reasons(tmp_path):
    report = import_span(config(tmp_path, [*rows(300), "oops", "{}"]))
    kept = [json.loads(line) for line in (report.span / "rejected.jsonl").open()]
    assert [row["number"] for row in kept] == [301, 302]
    assert "not JSON" in kept[0]["reason"]
    assert "no field 'label'" in kept[1]["reason"]
    assert kept[0]["raw"] == "oops"
    summary = json.loads((report.span / "import.json").read_text())
    assert sum(summary["events"].values()) + sum(summary["dropped_duplicates"].values()) == 300


def test_too_many_bad_rows_fail_the_import_and_are_kept_too(tmp_path):
    wrong = config(tmp_path, [*rows(50), *["oops"] * 5])
    with pytest.raises(TooManyRejectedError, match=r"5 of 55 rows are bad.*row 51"):
        import_span(wrong)
    assert len((wrong.spans_path / "rejected.jsonl").read_text().splitlines()) == 5
    assert not (wrong.spans_path / "span-1").exists()


def test_spans_are_numbered_and_never_overwritten(tmp_path):
    good = config(tmp_path, rows(300))
    assert import_span(good).span.name == "span-1"
    assert import_span(good).span.name == "span-2"
    with pytest.raises(DataError, match="there already"):
        import_span(good, 2)
    with pytest.raises(DataError, match="numbered from 1"):
        import_span(good, 0)
    first = (good.spans_path / "span-1" / "train").iterdir()
    second = (good.spans_path / "span-2" / "train").iterdir()
    assert [f.read_bytes() for f in first] == [f.read_bytes() for f in second]


def test_imports_at_the_same_time_write_a_span_each(tmp_path):
    good = config(tmp_path, rows(300))
    with ThreadPoolExecutor(4) as pool:
        reports = list(pool.map(lambda _: import_span(good), range(4)))
    assert sorted(report.span.name for report in reports) == [f"span-{n}" for n in (1, 2, 3, 4)]
    assert not list(good.spans_path.glob(".span-*"))


def test_an_import_says_what_changed_since_the_span_before(tmp_path):
    def span(labels: list[tuple[int, str]]) -> ImportReport:
        lines = [json.dumps({"text": f"{n} {label}", "label": label}) for n, label in labels]
        return import_span(config(tmp_path, lines).model_copy(update={"task": "classification"}))

    first = span([(n, "ab"[n % 2]) for n in range(200)])
    assert first.drift is None
    second = span([(n, "aaac"[n % 4]) for n in range(200)])
    assert (second.drift.since, second.drift.new, second.drift.gone) == (1, ("c",), ("b",))
    assert second.drift.moved[0] == "b"
    assert 0.3 < second.drift.share < 0.7
    said = as_text(second)
    assert "since span 1: new labels c; no more b; the share of b " in said
    assert json.loads((second.span / "import.json").read_text())["drift"]["new"] == ["c"]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([], "the input files are empty"),
        (['{"text": "only this", "label": "normal"}'], "split is empty"),
        ([json.dumps({"text": f"t{n}", "label": "normal"}) for n in range(99)], "only the label"),
    ],
)
def test_data_that_cannot_train_a_model_is_refused(tmp_path, lines, message):
    with pytest.raises(DataError, match=message):
        import_span(config(tmp_path, lines))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DataError, match=r"absent\.jsonl: no such file"):
        import_span(config(tmp_path, [], files=["absent.jsonl"]))


@pytest.mark.parametrize("kind", ["json", "csv", "header", "conll"])
@pytest.mark.parametrize("encoding", ["UTF-16-LE", "UTF-16-BE", "UTF-32-LE", "UTF-32-BE", "UTF-8"])
def test_a_file_marked_as_another_encoding_is_refused_with_the_remedy(
    tmp_path, capsys, kind, encoding
):
    fields = [(f"line {n}", ("bad", "normal")[n % 2]) for n in range(99)]
    written = {
        "json": [json.dumps({"text": text, "label": label}) for text, label in fields],
        "csv": ["text,label", *(f"{text},{label}" for text, label in fields)],
        "header": [f"{label} {text}" for text, label in fields],
        "conll": [f"{n} {'OB'[n % 2]}{'-x' * (n % 2)}\n" for n in range(99)],
    }[kind]
    file = tmp_path / "events"
    file.write_bytes(
        "".join(f"{line}\n" for line in ("\ufeff" + written[0], *written[1:])).encode(encoding)
    )
    format = {"kind": kind} | ({"header": "<label> <text>"} if kind == "header" else {})
    token = {"label": "tags"} if kind == "conll" else {}
    data = {"root": str(tmp_path / "data"), "format": format, **token}
    config = tmp_path / "m.yaml"
    values = {"name": "m", "task": "token" if token else "anomaly", "data": data}
    config.write_text(json.dumps(values), encoding="utf-8")
    code = cli.main(["import", "--config", str(config), "--data", str(file)])
    said = capsys.readouterr()
    if encoding == "UTF-8":
        assert code == 0
        assert "rejected" not in said.out
        return
    assert code == 1
    name = encoding[:6]
    assert said.err.splitlines() == [
        f"tfx-pipeline: {file}: it is {name}, only UTF-8 is read; "
        f"`iconv -f {name} -t UTF-8 {file} > NEW-FILE` turns it"
    ]


def test_the_command_says_what_it_did_and_fails_in_one_line(tmp_path, capsys):
    path = tmp_path / "m.yaml"
    path.write_text("name: m\ntask: classification\n", encoding="utf-8")
    train, test = tmp_path / "train.jsonl", tmp_path / "test.jsonl"
    train.write_text("\n".join(rows(200)), encoding="utf-8")
    test.write_text('{"text": "other", "label": "third"}\n', encoding="utf-8")
    flags = ["--config", str(path), "--set", f"data.root={tmp_path / 'data'}"]
    command = ["import", *flags, "--data", f"train={train}", "--data", f"test={test}"]
    assert cli.main(command) == 0
    said = capsys.readouterr().out
    assert "split rule: given" in said
    assert "labels that training never sees: third" in said
    assert cli.main(["import", *flags, "--data", f"train={train}", "--data", "x.jsonl"]) == 1
    assert cli.main(["run", *flags, "--set", "data.root=absent"]) == 1
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 2
    assert "no spans" in said[1]
