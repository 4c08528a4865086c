"""Beam's own metrics: what engines show of a job."""

LINES = "good\nbad\ngood\npoison\n\nheartbeat\n"
EXPECTED = {
    "read": 6,
    "predicted": 3,
    "cached": 1,
    "alerts": 1,
    "dead": 1,
    "dropped": 1,
    "skipped": 1,
}
RULES = [{"name": "heartbeat", "when": "text == 'heartbeat'", "do": "drop"}]


def test_the_local_engine_counts(bridge, tmp_path):
    (tmp_path / "in.log").write_text(LINES)
    it = bridge(source={"address": f"file:{tmp_path}/in.log"}, rules=RULES)
    assert it.run() == 0
    counted = it.status()["engine_counts"]
    assert 0 <= counted.pop("latency_ms_mean") <= counted.pop("latency_ms_max")
    assert counted == EXPECTED
