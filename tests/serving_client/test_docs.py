"""Every recipe of docs/client.md runs as it stands, but for the addresses."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import numpy as np
import pytest

from serving_client.cli.commands import run
from serving_client.examples import from_example
from serving_client.testing import FakeServer

PAGE = Path(__file__).resolve().parents[2] / "docs" / "client.md"


def sentiment(inputs):
    good = np.array([b"day" in text or b"good" in text for text in inputs["text"]])
    return {
        "label": np.where(good, "positive", "negative"),
        "score": np.where(good, 0.9, 0.7).astype(np.float32),
    }


def classify(inputs):
    sport = [b"goal" in from_example(raw)["text"][0] for raw in inputs["inputs"]]
    return {
        "classes": [["sport", "politics"]] * len(sport),
        "scores": [[0.9, 0.1] if each else [0.1, 0.9] for each in sport],
    }


def regress(inputs):
    rows = [from_example(raw) for raw in inputs["inputs"]]
    return {"outputs": [len(row["text"][0]) * row["boost"][0] for row in rows]}


def plane(inputs):
    return {"y": inputs["x"] + inputs["offset"][:, None].astype(np.float32)}


@pytest.fixture
def served():
    with FakeServer(rest=True) as server:
        for version in (2, 3):
            server.add(
                "sentiment",
                sentiment,
                version=version,
                outputs={"label": "string[?]", "score": "float[?]"},
            )
        server.add(
            "sentiment",
            lambda i: {"embedding": np.zeros((len(i["text"]), 4), np.float32)},
            version=3,
            signature="embed",
        )
        server.set_label("sentiment", "stable", 2)
        examples = {"inputs": "string[?]"}
        server.add("topics", classify, inputs=examples, method="classify")
        server.add("topics", classify, inputs=examples, method="classify", signature="classify")
        server.add("topics", regress, inputs=examples, method="regress", signature="regress")
        server.add(
            "plane",
            plane,
            inputs={"x": "float[?,3]", "offset": "int32[?]"},
            outputs={"y": "float[?,3]"},
        )
        yield server


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE.read_text(), re.M | re.S)


def test_python(served, capsys):
    recipes = blocks("python")
    assert len(recipes) >= 15
    # The reload recipe unloads what it does not list, so it comes last.
    recipes.sort(key=lambda recipe: "client.reload" in recipe)
    names = {}
    for recipe in recipes:
        code = recipe.replace("http://localhost:8501", served.rest_address)
        code = code.replace("dns:///localhost:8500", f"dns:///{served.address}")
        exec(compile(code.replace("localhost:8500", served.address), str(PAGE), "exec"), names)
    assert "serving_default(offset: int32[?], x: float[?,3])" in capsys.readouterr().out


def test_commands(served, capsys):
    commands = [
        shlex.split(line.removeprefix("$ serving-client "))
        for block in blocks("console")
        for line in block.splitlines()
    ]
    assert len(commands) >= 9
    for command in commands:
        assert run(command, {"SERVING_ADDRESS": served.address}) == 0, command
        assert capsys.readouterr().out
