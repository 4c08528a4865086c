"""The page itself: template, style, script and report in one file that needs no network."""

from __future__ import annotations

import html
import json
from pathlib import Path
from typing import Any

_ASSETS = Path(__file__).parent / "assets"


def render(report: dict[str, Any]) -> str:
    """Return the HTML of a report."""
    # "<" is all that could end the element; JSON may spell it as an escape.
    data = json.dumps(report, ensure_ascii=False, allow_nan=False).replace("<", "\\u003c")
    page = (_ASSETS / "page.html").read_text("utf-8")
    parts = {
        "TITLE": html.escape(f"{report['name'] or 'run'} {report['run']['id']}"),
        "STYLE": (_ASSETS / "page.css").read_text("utf-8"),
        "SCRIPT": "\n".join(
            (_ASSETS / name).read_text("utf-8") for name in ("charts.js", "page.js")
        ),
        # Last: a text of the data may hold what looks like a place to fill.
        "REPORT": data,
    }
    for name, text in parts.items():
        page = page.replace(f"<!--{name}-->", text, 1)
    return page
