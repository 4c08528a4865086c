"""A headless Chromium, driven through its driver's own HTTP interface (W3C WebDriver)."""

from __future__ import annotations

import base64
import json
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_ELEMENT = "element-6066-11e4-a52e-4f735466cecf"


class Browser:
    def __init__(self, session: str) -> None:
        self._session = session

    def open(self, page: Path) -> None:
        self._post("url", {"url": page.as_uri()})

    def resize(self, width: int, height: int) -> None:
        self._post("window/rect", {"width": width, "height": height})

    def click(self, selector: str) -> None:
        found = self._post("element", {"using": "css selector", "value": selector})
        self._post(f"element/{found[_ELEMENT]}/click", {})

    def type(self, selector: str, keys: str) -> None:
        found = self._post("element", {"using": "css selector", "value": selector})
        self._post(f"element/{found[_ELEMENT]}/value", {"text": keys})

    def ask(self, script: str) -> Any:
        return self._post("execute/sync", {"script": f"return {script}", "args": []})

    def errors(self) -> list[str]:
        logged = self._post("se/log", {"type": "browser"})
        return [entry["message"] for entry in logged if entry["level"] == "SEVERE"]

    def screenshot(self, path: Path) -> None:
        with urllib.request.urlopen(f"{self._session}/screenshot", timeout=60) as answer:
            path.write_bytes(base64.b64decode(json.load(answer)["value"]))

    def _post(self, command: str, body: dict[str, Any]) -> Any:
        return post(f"{self._session}/{command}", body)


@contextmanager
def chromium() -> Iterator[Browser]:
    driver = subprocess.Popen(["chromedriver", "--port=0"], stdout=subprocess.PIPE, text=True)
    try:
        ready = next(line for line in driver.stdout if "successfully on port" in line)
        port = ready.split()[-1].rstrip(".")
        options = {
            "args": ["--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"],
        }
        wanted = {
            "goog:chromeOptions": options,
            # The page has to do without any network at all.
            "proxy": {"proxyType": "manual", "httpProxy": "127.0.0.1:9", "sslProxy": "127.0.0.1:9"},
            "goog:loggingPrefs": {"browser": "ALL"},
        }
        started = post(
            f"http://127.0.0.1:{port}/session", {"capabilities": {"alwaysMatch": wanted}}
        )
        session = f"http://127.0.0.1:{port}/session/{started['sessionId']}"
        try:
            yield Browser(session)
        finally:
            request = urllib.request.Request(session, method="DELETE")
            urllib.request.urlopen(request, timeout=30).close()
    finally:
        driver.terminate()
        driver.wait()
        driver.stdout.close()


def post(url: str, body: dict[str, Any]) -> Any:
    request = urllib.request.Request(
        url, json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=90) as answer:
        return json.load(answer)["value"]
