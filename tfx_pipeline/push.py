"""The verified push: a version counts as pushed once the server that watches it says so.

The version is copied, its copy compared with the original, and, where `serving.push.address`
names the server, asked until it is AVAILABLE and gives the answers that were computed offline.
What fails is taken away again, and the server goes back to the version before.

Not guaranteed: a server whose policy is "latest" answers from the new version as soon as it is
loaded, so callers can meet a version that is refused some seconds later. The serving gate tries
every candidate apart from them first.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tensorflow as tf
from tfx.components.pusher import executor as tfx_pusher
from tfx.dsl.io import fileio
from tfx.proto import pusher_pb2
from tfx.types import artifact_utils
from tfx.utils import io_utils, json_utils, proto_utils

from serving_client import Client, NotFoundError, ServingError
from tfx_pipeline import versions
from tfx_pipeline.config import PushConfig
from tfx_pipeline.errors import PushRefusedError
from tfx_pipeline.evaluation import predictions
from tfx_pipeline.evaluation.predictions import Row
from tfx_pipeline.evaluation.scorecard import read_card
from tfx_pipeline.progress import log
from tfx_pipeline.serving_gate.agreement import disagreement
from tfx_pipeline.serving_gate.gate import BATCHING, GOLDEN

_CHUNK = 1 << 20


@dataclass(frozen=True)
class Golden:
    """Answers that the pushed version must give: the model's card and offline rows."""

    card: dict[str, Any]
    rows: Sequence[Row]
    tolerance: float


def push(
    source: str, base: str, name: str, config: PushConfig, golden: Golden, extras: Sequence[str]
) -> tuple[int, str]:
    """Copy a SavedModel to a new version under `base` and make sure of it.

    Args:
        source: the SavedModel's directory.
        base: the base path the server watches.
        name: the model's name on the server.
        config: what makes a push a success, and how many versions stay.
        golden: answers the server has to give.
        extras: files to lay into the version's directory.

    Returns the version and its path.

    Raises:
        PushRefusedError: the server does not answer, or the version is not what was pushed; it
            was taken away again.
    """
    known = [] if config.address is None else _known(config, name)
    version = versions.next_version(base, known)
    try:
        destination = versions.copy_version(source, base, version)
        _compare(source, destination)
        for extra in extras:
            io_utils.copy_file(extra, f"{destination}/{Path(extra).name}", overwrite=True)
        if config.address is not None:
            _ask(config, name, version, golden)
    except (PushRefusedError, OSError, tf.errors.OpError) as error:
        versions.remove_version(base, version)
        said = " ".join(str(getattr(error, "message", error)).split())
        raise PushRefusedError(f"version {version} was taken back: {said}") from error
    if config.keep is not None:
        try:
            for gone in versions.prune(base, config.keep):
                log.info("  version %d deleted: the newest %d are kept", gone, config.keep)
        except (OSError, tf.errors.OpError) as error:
            # The new version is in its place all the same.
            log.info("  old versions could not be deleted: %s", error)
    return version, destination


def _compare(source: str, destination: str) -> None:
    for folder, _, names in fileio.walk(source):
        for name in names:
            file = f"{folder}/{name}"
            copy = destination + file.removeprefix(source)
            if not fileio.exists(copy) or _sha256(file) != _sha256(copy):
                raise PushRefusedError(f"{copy} is not what was copied there")


def _sha256(path: str) -> str:
    whole = hashlib.sha256()
    with fileio.open(path, "rb") as file:
        while chunk := file.read(_CHUNK):
            whole.update(chunk)
    return whole.hexdigest()


def _known(config: PushConfig, name: str) -> list[int]:
    address = str(config.address)
    try:
        with Client(address) as client:
            return [of.version for of in client.status(name, timeout=config.timeout_seconds)]
    except NotFoundError:
        return []
    except ServingError as error:
        raise PushRefusedError(_one_line(address, error)) from error


def _one_line(address: str, error: ServingError) -> str:
    return f"{address}: {' '.join(str(error).split())[:300]}"


def _ask(config: PushConfig, name: str, version: int, golden: Golden) -> None:
    address = str(config.address)
    try:
        with Client(address) as client:
            client.wait_until_ready(name, version, timeout=config.timeout_seconds)
            rows = golden.rows[: config.samples]
            why = disagreement(client, name, version, golden.card, rows, golden.tolerance)
    except ServingError as error:
        raise PushRefusedError(_one_line(address, error)) from error
    if why is not None:
        raise PushRefusedError(f"{address}: {why}")


class Executor(tfx_pusher.Executor):
    """TFX's Pusher with `push` in the place of its copy."""

    def Do(  # noqa: N802 - TFX's name
        self,
        input_dict: dict[str, list[Any]],
        output_dict: dict[str, list[Any]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Push the model if it is blessed twice, by its figures and by the serving gate."""
        self._log_startup(input_dict, output_dict, exec_properties)
        pushed = artifact_utils.get_single_instance(output_dict["pushed_model"])
        if not self.CheckBlessing(input_dict):
            self._MarkNotPushed(pushed)
            return
        destination = pusher_pb2.PushDestination()
        proto_utils.json_to_proto(exec_properties["push_destination"], destination)
        base = destination.filesystem.base_directory
        settings = json_utils.loads(exec_properties["custom_config"])
        gate = Path(artifact_utils.get_single_uri(input_dict["infra_blessing"]))
        source = self.GetModelPath(input_dict)
        golden = Golden(
            read_card(source), predictions.read(gate / GOLDEN), settings["max_difference"]
        )
        config = PushConfig.model_validate_json(settings["push"])
        extras = [str(gate / BATCHING)] if (gate / BATCHING).is_file() else []
        try:
            version, path = push(source, base, settings["name"], config, golden, extras)
        except PushRefusedError as error:
            log.info("  %s", error)
            pushed.set_string_custom_property("why", str(error))
            self._MarkNotPushed(pushed)
            return
        # The model lies in the Trainer's artifact and at its destination: no third copy here.
        fileio.makedirs(pushed.uri)
        io_utils.write_string_file(f"{pushed.uri}/pushed.json", json.dumps({"path": path}))
        self._MarkPushed(pushed, pushed_destination=path, pushed_version=str(version))
