"""The benchmark of faults, made small: processes are killed, and no event is lost."""

import pytest

from benchmarks.faults import main

pytestmark = pytest.mark.slow
_SMALL = ("broken new version", "bridge killed", "disk full", "poison", "delivered twice")


@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", _SMALL)
def test_nothing_is_lost(name, capsys):
    assert main(["--events", "300", "--only", name]) == 0
    [row] = capsys.readouterr().out.splitlines()[2:]
    _, fault, sent, predicted, dead, lost, _, _, _, _ = (cell.strip() for cell in row.split("|"))
    assert (fault, sent, lost) == (name, "300", "0")
    assert int(predicted) + int(dead) == 300


def test_a_trial_that_loses_says_so(tmp_path):
    from benchmarks.fault_trial import Trial

    trial = Trial(tmp_path, "127.0.0.1:1")
    trial.out.write_text('{"event_id": "a"}\n{"event_id": "a"}\n{"event_id": "stranger"}\n')
    outcome = trial.outcome(["a", "b"], duplicates_allowed=False)
    assert (outcome.lost, outcome.duplicates, outcome.right) == (1, 1, False)
    assert outcome.reason == "lost; not sent: ['stranger']; duplicates"
