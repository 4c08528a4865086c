"""What a person sees while the stream runs: a live table, or a plain line now and then."""

from __future__ import annotations

import time
from contextlib import AbstractContextManager
from typing import Protocol

from rich.console import Console, Group
from rich.live import Live
from rich.markup import escape
from rich.panel import Panel
from rich.table import Table

from .scoreboard import RECENT_SECONDS, Scoreboard


class View(AbstractContextManager["View"], Protocol):
    """Shows the scoreboard."""

    def show(self, seconds: float, note: str) -> None:
        """Show it as it is after so many seconds; `note` says what is going on."""


def open_view(board: Scoreboard, model: str, seconds: float) -> View:
    """A live table in a terminal, plain lines elsewhere."""
    console = Console()
    if console.is_terminal:
        return LiveTable(board, model, seconds, console)
    return PlainLines(board)


class LiveTable(View):
    """The table, redrawn in place."""

    def __init__(self, board: Scoreboard, model: str, seconds: float, console: Console):
        self._board = board
        self._model = model
        self._seconds = seconds
        self._live = Live(console=console, refresh_per_second=4)

    def __enter__(self) -> LiveTable:
        self._live.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._live.stop()

    def show(self, seconds: float, note: str) -> None:
        """See View."""
        self._live.update(self._draw(seconds, note))

    def _draw(self, seconds: float, note: str) -> Panel:
        board, judged = self._board, self._board.judged()
        rows = Table.grid(padding=(0, 2))
        rows.add_column(style="bold", no_wrap=True)
        rows.add_column()
        rows.add_row(
            "time", f"{min(seconds, self._seconds):.0f} s of {self._seconds:.0f} s, {note}"
        )
        rows.add_row(
            "events",
            f"{board.sent} sent, {len(board.scored)} scored, {board.dead} dead letters, "
            f"[bold]{board.rate:.1f}/s[/]",
        )
        rows.add_row(
            "latency",
            f"p50 [bold]{_ms(board.latency_ms(0.5, recent=True))}[/], "
            f"p99 [bold]{_ms(board.latency_ms(0.99, recent=True))}[/] "
            f"[dim]in the last {RECENT_SECONDS:.0f} s, from reading a line to its score[/]",
        )
        rows.add_row("alerts", f"[bold]{board.alerts}[/]")
        rows.add_row(
            "truth",
            f"precision [bold]{_share(judged.precision)}[/], "
            f"recall [bold]{_share(judged.recall)}[/] "
            f"[dim]over the {len(board.truth)} events whose label has arrived[/]",
        )
        rows.add_row("model", f"{self._model}, version {_versions(board)}")
        alerts = Table.grid(padding=(0, 1))
        for event_id in board.last_alerts:
            alerts.add_row(*self._alert(event_id))
        return Panel(Group(rows, "", alerts), title="live events, scored", expand=True, height=15)

    def _alert(self, event_id: str) -> tuple[str, str, str]:
        scored = self._board.scored[event_id]
        if event_id not in self._board.truth:
            verdict = "[dim]?[/]"
        elif self._board.truth[event_id]:
            verdict = "[green]right[/]"
        else:
            verdict = "[red]wrong[/]"
        width = max(20, self._live.console.width - 20)
        return f"{scored.score:.2f}", verdict, escape(scored.text[:width])


class PlainLines(View):
    """One line every few seconds, for logs and pipes."""

    def __init__(self, board: Scoreboard, every_seconds: float = 5.0):
        self._board = board
        self._every = every_seconds
        self._last = time.monotonic()

    def __exit__(self, *exc: object) -> None:
        pass

    def show(self, seconds: float, note: str) -> None:
        """See View."""
        if time.monotonic() - self._last < self._every:
            return
        self._last = time.monotonic()
        board, judged = self._board, self._board.judged()
        print(
            f"      {seconds:3.0f} s: {board.sent} sent, {len(board.scored)} scored "
            f"({board.rate:.1f}/s), p50 {_ms(board.latency_ms(0.5, recent=True))}, "
            f"p99 {_ms(board.latency_ms(0.99, recent=True))}, {board.alerts} alerts, "
            f"precision {_share(judged.precision)}, recall {_share(judged.recall)} "
            f"({len(board.truth)} labels), version {_versions(board)}",
            flush=True,
        )


def _ms(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f} ms"


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def _versions(board: Scoreboard) -> str:
    return ", ".join(str(version) for version in sorted(board.versions)) or "-"
