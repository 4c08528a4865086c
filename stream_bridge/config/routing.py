"""Which outcomes a sink takes."""

from __future__ import annotations

from typing import Literal

from stream_bridge.config.base import Frozen

Take = Literal["predictions", "alerts", "review", "dead_letters", "windows"]


class Routed(Frozen):
    """What every sink has: an address, and which outcomes it takes.

    Attributes:
      address: where, its scheme choosing the kind of sink.
      take: ``predictions`` (all of them), ``alerts`` (told ones), ``review`` (predictions a
        person should look at), ``dead_letters`` or ``windows``.
      when: CEL expression; of what ``take`` says only those for which it holds.
    """

    address: str
    take: Take = "predictions"
    when: str | None = None
