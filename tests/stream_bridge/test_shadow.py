"""A second model beside the first: a copy of the events, or a share of them."""

import pytest

from serving_client.errors import UnavailableError
from stream_bridge.shadow import share_of

OUTPUTS = {"label": "string[?]", "score": "float[?]"}


def strict(inputs):
    """Also calls `odd` an anomaly."""
    bad = [b"bad" in text or b"odd" in text for text in inputs["text"]]
    return {
        "label": [b"anomaly" if each else b"normal" for each in bad],
        "score": [0.8 if each else 0.3 for each in bad],
    }


def run(bridge, tmp_path, lines, **changes):
    (tmp_path / "in").write_text("".join(f"{line}\n" for line in lines))
    it = bridge(source={"address": f"file:{tmp_path}/in"}, **changes)
    assert it.run() == 0
    return it


def test_a_copy_is_compared_and_disagreement_is_for_review(bridge, tmp_path, server):
    server.add("m", strict, version=2, outputs=OUTPUTS)
    lines = [*(f"fine {i}" for i in range(90)), "bad one", "odd one"]
    it = run(bridge, tmp_path, lines, server={"version": 1}, shadow={"version": 2})
    found = {each["text"]: each for each in it.predictions}
    assert found["odd one"]["version"] == 1
    assert found["odd one"]["review"] == ["shadow"]
    assert found["odd one"]["shadow"] == {
        "model": "m", "version": 2, "label": "anomaly", "score": 0.8, "alert": True,
        "disagrees": True,
    }  # fmt: skip
    assert found["bad one"]["shadow"]["disagrees"] is False
    shadow = it.status()["shadow"]
    assert (shadow["second"]["events"], shadow["disagreed"], shadow["failed"]) == (92, 1, 0)
    assert (shadow["first"]["alerts"], shadow["second"]["alerts"]) == (1, 2)
    assert shadow["score_shift"] == pytest.approx((90 * 0.2 - 0.1 + 0.7) / 92)
    assert shadow["first"]["p50_ms"] > 0
    assert shadow["second"]["p50_ms"] > 0
    assert it.said[1].startswith("shadow: 92 events compared, 1 judged differently; alerts 1 and 2")


def test_a_shadow_that_fails_or_hangs_never_holds_the_stream(bridge, tmp_path, server):
    def broken(inputs):
        raise UnavailableError("no")

    server.add("b", broken, outputs=OUTPUTS)
    it = run(
        bridge, tmp_path, [f"line {i}" for i in range(300)], shadow={"model": "b"},
        batching={"max_events": 8, "sort_events": 8},
    )  # fmt: skip
    assert len(it.predictions) == 300
    assert it.dead == []
    shadow = it.status()["shadow"]
    assert shadow["failed"] + shadow["left_out"] == 300
    assert shadow["left_out"] > 0


@pytest.mark.parametrize("mode", ["copy", "split"])
def test_each_model_has_the_threshold_of_its_own_card(bridge, tmp_path, server, mode):
    server.add("n", lambda inputs: {"label": [b"normal"], "score": [0.5]}, outputs=OUTPUTS)
    for model, threshold in (("m", 0.05), ("n", 0.7)):
        card = b'{"thresholds": {"alert": %f}}' % threshold
        server.add(
            model, lambda inputs, card=card: {"card": [card]}, signature="model_card", inputs={},
            outputs={"card": "string[1]"},
        )  # fmt: skip
    it = run(
        bridge, tmp_path, ["a fine day"], alert={"threshold": "card"},
        shadow={"model": "n", "mode": mode},
    )  # fmt: skip
    (found,) = it.predictions
    # 0.5 is over the threshold of the first model, and not over that of the second.
    second = found if mode == "split" else found["shadow"]
    assert (second["model"], second["alert"]) == ("n", False)
    assert found["alert"] is (mode == "copy")


def test_a_split_is_stable_by_key_and_its_share_is_answered_by_the_second(bridge, tmp_path, server):
    server.add("n", strict, version=7, outputs=OUTPUTS)
    hosts = [f"host-{i % 40}" for i in range(400)]
    it = run(
        bridge, tmp_path, [f"{host} odd" for host in hosts],
        format={"kind": "header", "header": "<Host> <Rest>", "key": "Host"},
        shadow={"model": "n", "mode": "split", "share": 0.3},
    )  # fmt: skip
    for each in it.predictions:
        second = share_of(each["key"]) < 0.3
        assert (each["model"], each["version"]) == (("n", 7) if second else ("m", 1))
        assert each["alert"] is second
    shadow = it.status()["shadow"]
    many = sum(share_of(host) < 0.3 for host in hosts)
    assert 0 < many < 400
    assert (shadow["first"]["events"], shadow["second"]["events"]) == (400 - many, many)
    assert it.said[1].startswith(f"split: {400 - many} events to the first model, {many} to the")
