"""Where the blessed model goes, and in what form."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from tfx_pipeline.config.base import Frozen


class GateConfig(Frozen):
    """What a candidate must do on a real server before it is pushed.

    `server` is `embedded` (model-server), `tensorflow_model_server`, `auto` (the latter where it
    is installed), or the HOST:PORT of one that runs and watches `<staging>/<name>/`. `samples`
    test events must get their offline answers, within `max_difference` of score or value. Calls
    of each of `batch_sizes` texts are measured for `seconds`; the budget is `max_p99_ms` for
    the smallest, `min_events_per_second` for the best and `max_memory_mb` for the process.
    """

    server: str = Field(default="auto", pattern=r"^(auto|embedded|tensorflow_model_server|.+:\d+)$")
    staging: Path | None = None
    samples: int = Field(default=64, ge=1)
    max_difference: float = Field(default=0.03, ge=0)
    batch_sizes: tuple[Annotated[int, Field(ge=1)], ...] = Field(default=(1, 8, 32), min_length=1)
    seconds: float = Field(default=2.0, gt=0)
    max_p99_ms: float | None = Field(default=None, gt=0)
    min_events_per_second: float | None = Field(default=None, gt=0)
    max_memory_mb: float | None = Field(default=None, gt=0)

    @model_validator(mode="after")
    def _an_address_has_its_staging(self) -> GateConfig:
        if (":" in self.server) != (self.staging is not None):
            raise ValueError("server: HOST:PORT and staging belong together")
        return self


class PushConfig(Frozen):
    """How a version goes to its base path.

    The newest `keep` versions stay, the others are deleted; None keeps all. With the `address`
    of the server that watches the base path, a push succeeds only once the server says AVAILABLE
    within `timeout_seconds` and answers `samples` test events as they were answered offline;
    a version that does not is taken away again.
    """

    keep: int | None = Field(default=None, ge=1)
    address: str | None = Field(default=None, pattern=r"^.+:\d+$")
    timeout_seconds: float = Field(default=300.0, gt=0)
    samples: int = Field(default=16, ge=1)


class ServingConfig(Frozen):
    """Where the blessed model goes: `<base_path>/<name>/<version>/`.

    `base_path` is a folder, or a URL of a filesystem that TensorFlow can write (`gs://…`).
    `precision` is that of the exported graph: `auto` follows this machine's processor, so
    name it when the server's processor differs. `warmup_batch_sizes` are the batch sizes of
    the recorded warm-up requests.
    """

    base_path: str = Field(default=".livebert/models", min_length=1)
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    warmup_batch_sizes: tuple[Annotated[int, Field(ge=1)], ...] = (1, 32)
    gate: GateConfig = GateConfig()
    push: PushConfig = PushConfig()
