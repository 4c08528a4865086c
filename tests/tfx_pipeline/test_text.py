from __future__ import annotations

import pytest

from tfx_pipeline.text import CleaningRule, clean, render, template_fields


def test_a_template_is_filled():
    assert template_fields("{a}: {b.c}") == ("a", "b.c")
    assert render("{a}: {b.c}!", {"a": "x", "b.c": "y"}) == "x: y!"
    assert render("{{literal}} {a}", {"a": "{not} a field"}) == "{literal} {not} a field"


@pytest.mark.parametrize("template", ["{}", "{a!r}", "{a:>10}", "{a"])
def test_a_template_is_plain_substitution(template):
    with pytest.raises(ValueError):
        template_fields(template)


def test_rules_apply_in_order():
    rules = [
        CleaningRule(pattern=r"0x[0-9a-f]+", replacement="HEX"),
        CleaningRule(pattern=r"(\d)\d+", replacement=r"\1N"),
    ]
    assert clean("at 0x1f 12345 7", rules) == "at HEX 1N 7"
