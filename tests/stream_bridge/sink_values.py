"""Outcomes for the tests of sinks, and a receiver of webhooks."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from stream_bridge.records import DeadLetter, Event, Prediction, RawLine, WindowSummary


def prediction(name, score=0.5, **changes):
    text = changes.pop("text", f"text of {name}")
    raw = RawLine(text.encode(), "in", f"in:{name}", 1.0, 1_700_000_000_000_000)
    event = Event(name, 1_700_000_000_123_456, text, "web-1", "in", {"n": 1, "s": None}, raw)
    outputs = {"label": "anomaly" if score >= 0.5 else "normal", "score": score}
    return Prediction(event, "m", 3, outputs, score >= 0.5, 12.5, **changes)


def dead_letter(position):
    raw = RawLine(b"\xff\x00bytes", "in", position, 1.0, 1_700_000_000_000_000)
    return DeadLetter(raw, None, "parse", "UNDECODABLE", "not utf-8", 1, 5, 7)


def window(key, events):
    return WindowSummary(key, 0, 60_000_000, events, 1, {"p50": 0.25}, 0, 0)


def texts(outcomes):
    return [each.to_json() for each in outcomes]


class Receiver:
    """A receiver of webhooks: a real HTTP server that answers what it is told to."""

    def __init__(self):
        self.requests: list[tuple[dict[str, str], bytes]] = []
        self.answers: list[int] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status = outer.answers.pop(0) if outer.answers else 204
                if status < 300:
                    outer.requests.append((dict(self.headers), body))
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *args):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.address = f"http://127.0.0.1:{self._server.server_address[1]}/alerts?x=1"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self):
        self._server.shutdown()
        self._server.server_close()
