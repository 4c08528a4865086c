"""The live half of the demo with the real bridge, on a server of the test's own."""

import re

import numpy as np
import pytest

from examples.demo.children import Children
from examples.demo.conductor import score_live
from examples.demo.scenario import real_log, simulated
from serving_client.testing import FakeServer

SECONDS = 4


def by_words(inputs):
    """A model that knows three words of trouble."""
    bad = [any(w in t for w in (b"No space", b"expired", b"new_country")) for t in inputs["text"]]
    score = np.where(bad, 0.9, 0.1).astype(np.float32)
    label = np.where(bad, b"anomaly", b"normal").astype(object)
    return {"label": label, "score": score, "novelty": score}


@pytest.fixture
def server():
    with FakeServer() as server:
        yield server


def test_every_event_of_the_fleet_is_scored_and_judged(server, tmp_path, capsys):
    server.add("events", by_words, version=3)
    scenario = simulated(tmp_path, SECONDS, server.address)
    with Children(tmp_path / "logs") as children:
        board = score_live(scenario, SECONDS, children)
    assert board.sent > 20
    assert len(board.scored) == len(board.truth) == board.sent
    assert set(board.scored) == set(board.truth)
    assert board.dead == 0
    assert set(board.versions) == {3}
    said = re.search(
        r"stream-bridge: read (\d+) = predicted (\d+) \+ dead 0", capsys.readouterr().out
    )
    assert said
    assert {int(n) for n in said.groups()} == {board.sent}


def test_labels_of_a_real_log_meet_its_predictions(server, tmp_path):
    server.add("bgl", by_words, version=3)
    log = tmp_path / "bgl.log"
    line = "{} {} 2005.06.03 R02 2005-06-03-15.42.50 R02 RAS KERNEL INFO {}\n"
    log.write_text(
        "".join(
            line.format("KERN", n, "No space") if n % 5 == 0 else line.format("-", n, "all is well")
            for n in range(1117838570, 1117838570 + 300)
        )
    )
    scenario = real_log(tmp_path, log, SECONDS, server.address)
    with Children(tmp_path / "logs") as children:
        board = score_live(scenario, SECONDS, children)
    assert board.sent == len(board.scored) == 120
    judged = board.judged()
    assert (judged.hits, judged.false_alarms, judged.missed) == (24, 0, 0)
    assert board.kinds() == ["KERN"]
