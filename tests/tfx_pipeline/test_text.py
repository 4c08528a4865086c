from __future__ import annotations

import pytest

from tfx_pipeline.text import CleaningRule, clean, expand, render, template_fields


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
