from __future__ import annotations

import pytest

from stream_bridge.scoring.cleaning import normaliser
from tfx_pipeline.text import CleaningRule, expand, render, template_fields


def clean(text, rules):
    """What the bridge makes of it, and the graph too: tests/e2e/test_cleaning.py."""
    return normaliser([rule.model_dump(exclude_defaults=True) for rule in rules])(text).decode()


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


@pytest.mark.parametrize(
    ("preset", "text", "cleaned"),
    [
        ("nfkc", "\uff14\uff12\u00b0 \ufb01ne cafe\u0301", "42\u00b0 fine caf\u00e9"),
        ("nfc", "\uff14\uff12\u00b0 \ufb01ne cafe\u0301", "\uff14\uff12\u00b0 \ufb01ne caf\u00e9"),
        ("control", "a\x00\x07b\u200bc\td", "a bc d"),
        ("urls", "see HTTPS://x.example/a?b=1 now", "see url now"),
        ("emails", "mail a.b+c@mail.example.org!", "mail email!"),
        ("uuids", "id 123E4567-e89b-12d3-a456-426614174000.", "id uuid."),
        ("ips", "from 10.0.0.255:80 v1.2.3", "from ip:80 v1.2.3"),
        ("ips", "from 2001:db8:0:0:0:0:0:1 on", "from ip on"),
        ("hex", "at 0xDEADbeef", "at 0"),
        ("numbers", "took 4711 ms", "took 0 ms"),
    ],
)
def test_presets_mask_what_they_name(preset, text, cleaned):
    assert clean(text, expand([preset])) == cleaned


def test_presets_and_rules_keep_their_order():
    rules = expand(["ips", CleaningRule(pattern="ip", replacement="host"), "numbers"])
    assert clean("10.0.0.1 7", rules) == "host 0"


def test_normal_forms_keep_their_place_among_the_rules():
    full_width = "\uff11\uff12 12"
    assert clean(full_width, expand(["nfkc", "numbers"])) == "0 0"
    assert clean(full_width, expand(["numbers", "nfkc"])) == "12 0"


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ({}, "a pattern or a normal_form"),
        ({"pattern": "a", "normal_form": "NFC"}, "a pattern or a normal_form"),
        ({"normal_form": "NFC", "replacement": "x"}, "belongs to a pattern"),
        ({"pattern": "(a)", "replacement": r"\2"}, r"\\2 is no group of the pattern, which has 1"),
        ({"pattern": "a", "replacement": r"\n"}, r"\\n is no group"),
    ],
)
def test_a_rule_is_one_thing_and_can_be_carried_out(rule, message):
    with pytest.raises(ValueError, match=message):
        CleaningRule(**rule)
