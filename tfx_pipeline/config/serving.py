"""Where the blessed model goes, and in what form."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from tfx_pipeline.config.base import Frozen


class ServingConfig(Frozen):
    """Where the blessed model goes: `<base_path>/<name>/<version>/`.

    `precision` is that of the exported graph: `auto` follows this machine's processor, so
    name it when the server's processor differs. `warmup_batch_sizes` are the batch sizes of
    the recorded warm-up requests.
    """

    base_path: Path = Path(".livebert/models")
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    warmup_batch_sizes: tuple[Annotated[int, Field(ge=1)], ...] = (1, 32)
