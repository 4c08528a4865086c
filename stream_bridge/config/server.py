"""Which model answers, and where."""

from __future__ import annotations

from pydantic import Field, PositiveFloat, model_validator

from stream_bridge.config.base import Frozen


class ServerConfig(Frozen):
    """Which model answers, and where.

    Attributes:
      address: ``host:port`` of the gRPC API of TF Serving or of model_server.
      model: the model's name.
      version: a fixed version; None follows the latest.
      label: a version label such as ``stable``; not together with ``version``.
      signature: the signature to call.
      input: the signature's text input; None where it has only one.
      outputs: outputs to fetch; empty fetches all.
      timeout_seconds: deadline of one call.
      probe_text: a text the model can score; sent to tell a bad event from a bad server.
    """

    address: str = "127.0.0.1:8500"
    model: str
    version: int | None = Field(default=None, ge=0)
    label: str | None = None
    signature: str = "serving_default"
    input: str | None = None
    outputs: tuple[str, ...] = ()
    timeout_seconds: PositiveFloat = 30.0
    probe_text: str = "ok"

    @model_validator(mode="after")
    def _one_choice(self) -> ServerConfig:
        if self.version is not None and self.label is not None:
            raise ValueError("give version or label, not both")
        return self
