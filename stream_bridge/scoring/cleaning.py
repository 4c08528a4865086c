"""Which texts a model cannot tell apart: its card's rules of cleaning, applied as its graph does.

Equal results mean equal model input. RE2 replaces in both places; Unicode's normal forms are made
by Python here and by ICU there, whose versions differ. Characters of Unicode 3.2 have the same
normal form in every later version (Unicode's stability policy), so a text that holds any other
where a normal form is wanted is left alone: it is then equal to itself only, which is always right.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import re2

# One of the card's `text_cleaning`.
Rule = Mapping[str, str]
# A text to what it has in common with those that the model cannot tell from it.
Normaliser = Callable[[str], bytes]

# No UTF-8 begins so: a text that was left alone is never equal to one that was cleaned.
_ALONE = b"\xff"

_REFERENCE = re.compile(r"\\([0-9\\])")


def normaliser(rules: Sequence[Rule]) -> Normaliser:
    """A function that cleans a text as the model does, by the rules of its card, in their order."""
    steps = [_step(rule) for rule in rules]

    def clean(text: str) -> bytes:
        cleaned: str | None = text
        for step in steps:
            cleaned = step(cleaned)
            if cleaned is None:
                return _ALONE + text.encode()
        return cleaned.encode()

    return clean


def _step(rule: Rule) -> Callable[[str], str | None]:
    """A rule as a function, which returns None where it cannot know what the graph does."""
    if "pattern" in rule:
        try:
            return _replacing(re2.compile(rule["pattern"]), rule.get("replacement", ""))
        except re2.error:
            return lambda text: None
    form = rule.get("normal_form")
    if form not in ("NFC", "NFKC"):
        return lambda text: None
    return lambda text: unicodedata.normalize(form, text) if _of_unicode_3_2(text) else None


def _of_unicode_3_2(text: str) -> bool:
    category = unicodedata.ucd_3_2_0.category
    return text.isascii() or all(category(letter) != "Cn" for letter in set(text))


def _replacing(pattern: Any, replacement: str) -> Callable[[str], str]:
    """What RE2's GlobalReplace does, where `pattern.sub` follows the rules of Python's `re`."""
    parts = _REFERENCE.split(replacement)
    literals, references = parts[::2], parts[1::2]

    def written(match: Any) -> str:
        found = [literals[0]]
        for reference, literal in zip(references, literals[1:], strict=True):
            group = "\\" if reference == "\\" else match.group(int(reference))
            found += [group or "", literal]
        return "".join(found)

    def replace(text: str) -> str:
        pieces = []
        end = -1
        for match in pattern.finditer(text):
            # An empty match right after the one before does not count.
            if match.end() == match.start() == end:
                continue
            pieces += [text[max(end, 0) : match.start()], written(match)]
            end = match.end()
        return "".join([*pieces, text[max(end, 0) :]]) if pieces else text

    return replace
