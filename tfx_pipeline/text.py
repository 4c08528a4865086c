"""How the text of an event is built and cleaned: the template, and the rules of cleaning.

The rules run twice in the product: in the exported graph (`cleaning.py`), and in the bridge, which
reads them from the model card to know which texts the model cannot tell apart.
"""

from __future__ import annotations

import re
import string
from collections.abc import Mapping
from typing import Any, Literal

import re2
from pydantic import BaseModel, ConfigDict, model_validator


class CleaningRule(BaseModel):
    r"""Replace every match of an RE2 `pattern`, or bring the text into a Unicode `normal_form`.

    `replacement` may use `\0` (the match), `\1` … `\9` (its groups) and `\\`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    pattern: str | None = None
    replacement: str = ""
    normal_form: Literal["NFC", "NFKC"] | None = None

    @model_validator(mode="after")
    def _is_one_of_both(self) -> CleaningRule:
        if (self.pattern is None) == (self.normal_form is None):
            raise ValueError("give a pattern or a normal_form, one of them")
        if self.pattern is None:
            if self.replacement:
                raise ValueError("a replacement belongs to a pattern")
            return self
        try:
            groups = re2.compile(self.pattern).groups
        except re2.error as error:
            raise ValueError(f"not an RE2 pattern: {error}") from error
        known = ["\\", *(str(group) for group in range(min(groups, 9) + 1))]
        for escaped in re.findall(r"\\(.?)", self.replacement, re.DOTALL):
            if escaped not in known:
                raise ValueError(
                    f"replacement: \\{escaped} is no group of the pattern, which has {groups}; "
                    "write \\\\ for a backslash"
                )
        return self


# What a name in `text_cleaning` stands for. Order matters: what holds digits goes before numbers.
PRESETS: dict[str, tuple[CleaningRule, ...]] = {
    "nfc": (CleaningRule(normal_form="NFC"),),
    "nfkc": (CleaningRule(normal_form="NFKC"),),
    "control": (
        CleaningRule(pattern=r"[\x{200b}-\x{200f}\x{2060}\x{feff}]"),
        CleaningRule(pattern=r"[\x00-\x1f\x7f-\x{9f}]+", replacement=" "),
    ),
    "urls": (CleaningRule(pattern=r"(?i)\bhttps?://[^\s<>\"']+", replacement="url"),),
    "emails": (CleaningRule(pattern=r"\b[\w.+-]+@[\w-]+(?:\.[\w-]+)+", replacement="email"),),
    "uuids": (
        CleaningRule(
            pattern=r"(?i)\b[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\b", replacement="uuid"
        ),
    ),
    "ips": (
        CleaningRule(pattern=r"\b(?:[0-9]{1,3}\.){3}[0-9]{1,3}\b", replacement="ip"),
        CleaningRule(pattern=r"(?i)\b(?:[0-9a-f]{1,4}:){7}[0-9a-f]{1,4}\b", replacement="ip"),
    ),
    "hex": (CleaningRule(pattern=r"(?i)\b0x[0-9a-f]+\b", replacement="0"),),
    "numbers": (CleaningRule(pattern=r"[0-9]+", replacement="0"),),
}


def expand(rules: Any) -> Any:
    """Put the rules of a preset in place of its name; what is no list stays as it is.

    Raises:
        ValueError: a name is no preset's.
    """
    if not isinstance(rules, (list, tuple)):
        return rules
    found: list[Any] = []
    for rule in rules:
        if isinstance(rule, str):
            if rule not in PRESETS:
                raise ValueError(f"{rule!r} is not one of {', '.join(PRESETS)}")
            found.extend(PRESETS[rule])
        else:
            found.append(rule)
    return found


def template_fields(template: str) -> tuple[str, ...]:
    """Return the field names of a `{field}` template.

    Raises:
        ValueError: the braces do not match, or a field has a conversion or format.
    """
    names = []
    for _, name, spec, conversion in string.Formatter().parse(template):
        if name is None:
            continue
        if not name or spec or conversion:
            raise ValueError(f"{template!r}: write fields as {{name}}, with nothing else inside")
        names.append(name)
    return tuple(names)


def render(template: str, fields: Mapping[str, str]) -> str:
    """Fill a `{field}` template; KeyError names a field that is not there."""
    return "".join(
        literal + (fields[name] if name is not None else "")
        for literal, name, _, _ in string.Formatter().parse(template)
    )
