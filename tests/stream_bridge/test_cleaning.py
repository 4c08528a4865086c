"""The rules of a model's card; that the graph does the same is in tests/e2e/test_cleaning.py."""

import pytest

from stream_bridge.scoring.cleaning import normaliser


def test_rules_apply_in_order():
    clean = normaliser(
        [
            {"normal_form": "NFKC"},
            {"pattern": r"0x[0-9a-f]+", "replacement": "HEX"},
            {"pattern": r"(\w+)=\d+", "replacement": r"\1=N"},
        ]
    )
    assert clean("at 0xdead x=17") == clean("at 0xbeef \uff58=\uff11") == b"at HEX x=N"


@pytest.mark.parametrize("rule", [{"normal_form": "NFKC"}, {"stem": "english"}, {"pattern": "("}])
def test_where_the_graph_may_do_otherwise_a_text_is_like_itself_only(rule):
    clean = normaliser([{"pattern": "[0-9]+", "replacement": "0"}, rule])
    assert clean("1 \U0001f600") == clean("1 \U0001f600") != clean("2 \U0001f600")
