"""Chinese entities from a file of labelled characters to answers of a server, offsets in bytes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from serving_client import Client
from tests.e2e.test_chain import free_port, process
from tests.pipeline import run_pipeline

# The second name begins with a character of four bytes.
NAMES = ["\u738b\u5c0f\u660e", "\U00020bb7\u7530\u592a", "\u674e\u96f7", "\u97e9\u6885"]
PLACES = ["\u5317\u4eac", "\u4e0a\u6d77", "\u5e7f\u5dde", "ABC"]
SENTENCE = "{}\u5728{}\u5de5\u4f5c\u3002"

_MAKE = """
import sys
from tests.tfx_pipeline.test_encoder import SPECIAL, made
made(sys.argv[1], "Bert", SPECIAL + sys.argv[2].split(), False)
"""


@pytest.fixture(scope="module")
def served(tmp_path_factory) -> tuple[Path, list[str]]:
    """Return where the model was pushed, and the flags of its pipeline."""
    folder = tmp_path_factory.mktemp("chinese")
    letters = sorted(set("".join([*NAMES, *PLACES, SENTENCE, "ABC"])) - set("{}"))
    vocabulary = " ".join([*letters, "##B", "##C"])
    encoder = folder / "encoder"
    make = [sys.executable, "-c", _MAKE, str(encoder), vocabulary]
    subprocess.run(make, check=True, capture_output=True, timeout=240)
    lines = []
    for number in range(160):
        name, place = NAMES[number % 4], PLACES[number // 4 % 4]
        # Two in three sentences differ by what nobody reads, so that none is dropped as repeated.
        rest = SENTENCE.removeprefix("{}").removesuffix("{}").split("{}")
        extra = "".join(letters[(number * step) % len(letters)] for step in (1, 3, 7))
        for text, kind in ((name, "PER"), (rest[0], ""), (place, "LOC"), (rest[1] + extra, "")):
            for position, letter in enumerate(text):
                tag = f"{'BI'[position > 0]}-{kind}" if kind else "O"
                lines.append(f"{letter} {tag}")
        lines.append("")
    data, config = folder / "people.conll", folder / "people.yaml"
    data.write_text("\n".join(lines), encoding="utf-8")
    config.write_text(
        "name: people\ntask: token\ntext_cleaning: [nfkc]\n"
        "data: {format: {kind: conll}, label: tags, tag_unit: token}\n"
        "training: {epochs: 8, learning_rate: 0.003, dropout: 0}\n",
        encoding="utf-8",
    )
    flags = [f"encoder.preset={encoder}", f"data.files=[{data}]", f"data.root={folder / 'data'}"]
    flags += [f"pipeline_root={folder / 'runs'}", f"serving.base_path={folder / 'models'}"]
    flags += ["evaluation.bounds=[]", "serving.gate.seconds=0.2"]
    common = ["--config", str(config), *(part for flag in flags for part in ("--set", flag))]
    run_pipeline([["import", *common], ["run", *common]], folder)
    return folder / "models" / "people", common


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_offsets_are_those_of_the_bytes_that_were_sent(served, tmp_path):
    base, _ = served
    port = free_port()
    command = ["model_server", f"--port={port}", "--model_name=people"]
    log = tmp_path / "server.log"
    with (
        process(log, *command, f"--model_base_path={base}"),
        Client(f"localhost:{port}") as client,
    ):
        client.wait_until_ready("people", timeout=120)
        # Full-width letters become plain ones before they are read, and are found as they were.
        texts = [
            "\U00020bb7\u7530\u592a\u5728\uff21\uff22\uff23\u5de5\u4f5c\u3002",
            "\u674e\u96f7\u5728\u5317\u4eac",
        ]
        answer = client.predict("people", texts)
        units, found = [], []
        for row, text in enumerate(texts):
            raw = text.encode()
            places = [
                (answer["begin"][row][n], answer["end"][row][n])
                for n in range(answer["length"][row])
            ]
            units.append([raw[begin:end].decode() for begin, end in places])
            found.append([tag.decode() for tag in answer["tag"][row][: len(places)]])
        assert units == [
            [
                "\U00020bb7",
                "\u7530",
                "\u592a",
                "\u5728",
                "\uff21\uff22\uff23",
                "\u5de5",
                "\u4f5c",
                "\u3002",
            ],
            list(texts[1]),
        ]
        assert found[1] == ["B-PER", "I-PER", "O", "B-LOC", "I-LOC"]
        explained = client.predict("people", texts[:1], signature="explain")
        raw = texts[0].encode()
        read = [
            (
                explained["token"][0][n].decode(),
                raw[explained["begin"][0][n] : explained["end"][0][n]],
            )
            for n in range(explained["length"][0])
        ]
        assert [token for token, _ in read] == list(
            "\U00020bb7\u7530\u592a\u5728ABC\u5de5\u4f5c\u3002"
        )
        assert read[4:7] == [
            ("A", "\uff21".encode()),
            ("B", "\uff22".encode()),
            ("C", "\uff23".encode()),
        ]


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_sentences_are_chosen_for_a_person_or_tagged_by_the_model(served, tmp_path):
    _, common = served
    raw = [SENTENCE.format(name, place) for name in NAMES for place in PLACES]
    texts = tmp_path / "texts.jsonl"
    texts.write_text("".join(json.dumps({"text": text}) + "\n" for text in raw), encoding="utf-8")
    review, labelled = tmp_path / "review.jsonl", tmp_path / "labelled.jsonl"
    given = ["--set", "data.format={kind: json}", "--set", "data.label=tags"]
    selecting = ["select", *common, *given, "--data", str(texts), "--count", "4"]
    selecting += ["--output", str(review), "--surer-than", "0.5", "--labelled", str(labelled)]
    again = ["import", *common, *given, "--set", f"data.files=[{labelled}]"]
    again += ["--set", f"data.root={tmp_path / 'data'}"]
    said = run_pipeline([selecting, again], tmp_path)
    assert f"{review}: 4 to label" in said
    asked = [json.loads(line) for line in review.read_text("utf-8").splitlines()]
    done = [json.loads(line) for line in labelled.read_text("utf-8").splitlines()]
    assert len(asked) == 4
    assert all(set(row["tags"]) == {""} and len(row["tags"]) == len(row["tokens"]) for row in asked)
    assert len(done) >= 8
    assert {row["text"] for row in done}.isdisjoint(row["text"] for row in asked)
    assert all("".join(row["tokens"]) == row["text"] for row in done)
    right = [row for row in done if row["tags"][0] == "B-PER" and "B-LOC" in row["tags"]]
    assert len(right) > len(done) / 2
