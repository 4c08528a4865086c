"""The cache: by version and cleaned text, and never older than its refresh."""

import json
import time

from serving_client.testing import FakeServer
from stream_bridge.config.scoring import CacheConfig
from stream_bridge.scoring.cache import AnswerCache


def wait_for(condition, seconds=30.0):
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)
    return found


def predicts(server: FakeServer) -> list[list[bytes]]:
    """The texts of each call that went to the model itself."""
    return [
        list(call.request.inputs["text"].string_val)
        for call in server.calls
        if call.method == "Predict" and "text" in call.request.inputs
    ]


def with_card(server, rules, version=1):
    card = json.dumps({"text_cleaning": rules}).encode()
    server.add(
        "m",
        lambda inputs: {"card": [card]},
        version=version,
        signature="model_card",
        inputs={},
        outputs={"card": "string[?]"},
    )


def test_what_the_model_cannot_tell_apart_is_asked_once(bridge, tmp_path, server):
    with_card(server, [{"pattern": r"\d+", "replacement": "#"}])
    (tmp_path / "in").write_text("".join(f"took {i} ms{' bad' * (i % 2)}\n" for i in range(1000)))
    it = bridge(source={"address": f"file:{tmp_path}/in"}, cache={"refresh_seconds": 3600})
    assert it.run() == 0
    # The rules are known after the first answer: until then (two groups) only equal texts share.
    assert sum(map(len, predicts(server))) <= 2 * 128 + 2 * 2
    assert [p["text"] for p in it.predictions] == [
        f"took {i} ms{' bad' * (i % 2)}" for i in range(1000)
    ]
    assert [p["outputs"]["label"] for p in it.predictions] == ["normal", "anomaly"] * 500
    assert {p["version"] for p in it.predictions} == {1}
    cache = it.status()["cache"]
    assert cache["hits"] + cache["misses"] == 1000
    assert cache["hits"] == sum(p["cached"] for p in it.predictions)


def test_off_asks_for_every_event(bridge, tmp_path, server):
    (tmp_path / "in").write_text("same\n" * 300)
    it = bridge(source={"address": f"file:{tmp_path}/in"}, cache={"enabled": False})
    assert it.run() == 0
    assert sum(map(len, predicts(server))) == 300
    assert not any(p["cached"] for p in it.predictions)
    assert it.status()["cache"] is None


def test_a_new_version_is_noticed_and_drops_what_was_kept(bridge, tmp_path, server):
    log = tmp_path / "app.log"
    log.touch()
    it = bridge(source={"address": f"tail:{log}"}, cache={"refresh_seconds": 0.05}).start()

    def versions_of_more():
        with log.open("a") as file:
            file.write("same\n")
        return {p["version"] for p in it.predictions[-3:]}

    wait_for(lambda: versions_of_more() == {1})
    server.add(
        "m",
        lambda inputs: {"label": [b"new"] * len(inputs["text"])},
        version=2,
        outputs={"label": "string[?]"},
    )
    wait_for(lambda: versions_of_more() == {2})
    assert it.finish() == 0
    assert {(p["version"], p["outputs"]["label"]) for p in it.predictions} == {
        (1, "normal"),
        (2, "new"),
    }


def test_texts_that_share_a_refused_one_are_dead_too(bridge, tmp_path):
    (tmp_path / "in").write_text("poison\nfine\npoison\n")
    it = bridge(source={"address": f"file:{tmp_path}/in"})
    assert it.run() == 0
    assert [p["text"] for p in it.predictions] == ["fine"]
    assert [letter["position"][-3:] for letter in it.dead] == ["n:0", ":12"]


def test_the_longest_unused_goes_first():
    cache = AnswerCache(CacheConfig(max_entries=2, refresh_seconds=3600), lambda version: [])
    assert cache.get(cache.key("a")) is None
    for text in ("a", "b"):
        cache.put(text, 1, {"t": text})
    assert cache.get(cache.key("a")) == {"t": "a"}
    cache.put("c", 1, {"t": "c"})
    assert cache.get(cache.key("b")) is None
    assert cache.get(cache.key("a")) == {"t": "a"}
