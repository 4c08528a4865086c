"""Rules beside the model, in CEL."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from stream_bridge.config.base import Frozen


class Override(Frozen):
    """What an override puts in the place of what the model said.

    Attributes:
      alert: whether it is an alert.
      label: the output ``label``.
    """

    alert: bool | None = None
    label: str | None = None


class RuleConfig(Frozen):
    """One rule; rules are tried in order, and all that hold are applied.

    Attributes:
      name: names the rule in predictions, counts and errors.
      when: CEL expression, see docs/bridge.md for what it can name; a ``drop`` rule decides before
        the model is asked and sees only the event.
      do: ``drop`` the event, ``override`` what the model said, or send to ``review``.
      set: what ``override`` puts there.
    """

    name: str = Field(min_length=1)
    when: str
    do: Literal["drop", "override", "review"]
    set: Override | None = None

    @model_validator(mode="after")
    def _complete(self) -> RuleConfig:
        given = self.set is not None and self.set != Override()
        if (self.do == "override") != given:
            what = "needs the key 'set' with alert or label" if not given else "takes no key 'set'"
            raise ValueError(f"rule {self.name!r}: do {self.do!r} {what}")
        return self
