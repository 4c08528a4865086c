"""TFMA's own views in any notebook.

TFMA ships its views as web components and a bridge to them for the classic notebook and Colab.
JupyterLab, VS Code and others have no such bridge: there a view is put into a frame that brings
the components along. The charts in them are drawn by Google Charts, which needs the network.
"""

from __future__ import annotations

import html
import json
from pathlib import Path
from typing import Any

import tensorflow_model_analysis
from IPython.display import HTML

_COMPONENTS = Path(tensorflow_model_analysis.__file__).parent / "static" / "vulcanized_tfma.js"
_ELEMENTS = {
    "SlicingMetricsViewer": "tfma-nb-slicing-metrics",
    "TimeSeriesViewer": "tfma-nb-time-series",
    "PlotViewer": "tfma-nb-plot",
}


def framed(view: Any, height: int = 560) -> HTML:
    """Return what a function of `tfma.view` returned as a frame of `height` pixels."""
    frame = html.escape(page(view), quote=True)
    style = f"width: 100%; height: {height}px; border: 0"
    # Not at the beginning: IPython would advise its IFrame, which takes an address only.
    return HTML(f'<div><iframe style="{style}" srcdoc="{frame}"></iframe></div>')


def page(view: Any) -> str:
    """Return the HTML page that shows a view by itself."""
    element = _ELEMENTS[type(view).__name__]
    script = _COMPONENTS.read_text("utf-8").replace("</script", "<\\/script")
    data, config = (json.dumps(part).replace("<", "\\u003c") for part in (view.data, view.config))
    return (
        f'<!doctype html><meta charset="utf-8"><script>{script}</script><{element}></{element}>'
        f"<script>const view = document.querySelector('{element}');"
        f"view.config = {config}; view.data = {data};</script>"
    )
