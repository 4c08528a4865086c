"""What every section of the config is: a frozen value whose unknown keys are errors."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Share = Annotated[float, Field(ge=0.0, le=1.0)]


class Frozen(BaseModel):
    """A section: frozen, checked on birth."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())
