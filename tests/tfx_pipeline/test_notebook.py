"""The notebook runs from top to bottom, and what it shows is alive in a browser."""

from __future__ import annotations

import html
import importlib.util
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOK = ROOT / "examples" / "notebooks" / "review.ipynb"


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_notebook_shows_tfmas_views_and_the_page(trained, tmp_path):
    import nbformat
    from nbclient import NotebookClient

    notebook = nbformat.read(NOTEBOOK, as_version=4)
    assert not any(cell.get("outputs") for cell in notebook.cells), "kept without its outputs"
    flags = [f"data.root={trained.folder / 'data'}"]
    flags += [f"pipeline_root={trained.folder / 'pipelines'}"]
    (given,) = [c for c in notebook.cells if "parameters" in c.metadata.get("tags", ())]
    given.source = f"CONFIG = {str(trained.anomaly_config)!r}\nOVERRIDES = {flags!r}\nRUN = None"
    resources = {"metadata": {"path": str(ROOT)}}
    NotebookClient(notebook, timeout=600, kernel_name="python3", resources=resources).execute()

    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    said = "".join(output.text for output in outputs if output.output_type == "stream")
    assert "verdict" in said
    shown = [o.data["text/html"] for o in outputs if "text/html" in o.get("data", {})]
    frames = [html.unescape(re.search('srcdoc="([^"]*)"', text)[1]) for text in shown]
    for element in ("tfma-nb-slicing-metrics", "tfma-nb-plot", "tfma-nb-time-series"):
        assert any(f"</{element}>" in frame for frame in frames), element
    assert "Made by tfx-pipeline review" in frames[-1]

    chromium = ["bash", str(ROOT / "requirements/services/chromium.sh")]
    subprocess.run(chromium, check=True, timeout=600)
    spec = importlib.util.spec_from_file_location("browser", Path(__file__).parent / "browser.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    view = tmp_path / "view.html"
    view.write_text(frames[0], encoding="utf-8")
    with module.chromium() as browser:
        browser.open(view)
        # The component has read TFMA's figures: its own menus offer the metrics.
        drawn = browser.ask(
            "(function text(node) { return [node.textContent || '', ...[...node.querySelectorAll"
            "('*')].map(n => n.shadowRoot ? text(n.shadowRoot) : '')].join(' '); })"
            "(document.querySelector('tfma-nb-slicing-metrics').shadowRoot)"
        )
        assert "auc_precision_recall" in drawn
