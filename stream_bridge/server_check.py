"""Compares the config with the server: model, version, signature, outputs, card, second model."""

from __future__ import annotations

import logging

from serving_client.errors import NotFoundError, ServingError
from serving_client.metadata import ModelMetadata, Signature, TensorSpec
from stream_bridge.config.bridge import BridgeConfig
from stream_bridge.config.scoring import ShadowConfig
from stream_bridge.config.server import ServerConfig
from stream_bridge.errors import Abandoned, MismatchError, ServerAway
from stream_bridge.runtime import Runtime
from stream_bridge.scoring.failures import Patience
from stream_bridge.server import ModelServer
from stream_bridge.shadow import second_server

_LOG = logging.getLogger(__name__)


class NotReady(Exception):  # noqa: N818 - a state of the server, not shown as an error
    """The model is known and still loads."""


def check_server(config: BridgeConfig) -> list[str]:
    """What was checked, in lines for people; raises MismatchError with what does not fit."""
    found = _check_one(config, config.server, "server")
    if config.shadow is not None:
        found += [f"shadow: {line}" for line in _check_shadow(config, config.shadow)]
    return found


def _check_one(config: BridgeConfig, wanted: ServerConfig, key: str) -> list[str]:
    server = ModelServer(wanted)
    try:
        return compare(config, server)
    except (ServingError, NotReady) as error:
        raise ServerAway(
            f"{key}.address: {wanted.address} does not answer: {error}; "
            "start the server, or correct the address"
        ) from error
    finally:
        server.close()


def _check_shadow(config: BridgeConfig, shadow: ShadowConfig) -> list[str]:
    wanted = second_server(shadow, config.server)
    try:
        return _check_one(config.model_copy(update={"server": wanted}), wanted, "shadow")
    except MismatchError as error:
        text = str(error).removeprefix("shadow.").removeprefix("server.")
        raise MismatchError(f"shadow.{text}") from error


def wait_for_server(runtime: Runtime) -> None:
    """Compares, waiting for a server that is away; raises MismatchError, WaitedTooLong, Abandoned.

    Nothing was read yet, so a stop ends the waiting at once.
    """
    config = runtime.config

    def works() -> Exception | None:
        try:
            compare(config, runtime.scoring.server)
        except (ServingError, NotReady) as error:
            return error
        return None

    error = works()
    if error is not None:
        patience = Patience(config.failure, runtime.draining, runtime.metrics.waiting_for)
        patience.wait_until(works, f"{config.server.address}: {error}")
    if config.shadow is not None and config.shadow.mode == "split":
        _check_shadow(config, config.shadow)
    if runtime.draining.is_set():
        raise Abandoned("stopped before the first line was read")


def compare(config: BridgeConfig, server: ModelServer) -> list[str]:
    """What was found; raises MismatchError, ServingError (the server is away) or NotReady."""
    metadata = _metadata(config, server)
    name = f"model {metadata.model} version {metadata.version}"
    signature = metadata.signatures.get(config.server.signature)
    if signature is None:
        have = ", ".join(s for s in sorted(metadata.signatures) if not s.startswith("__"))
        raise MismatchError(
            f"server.signature: {name} has no signature {config.server.signature!r}; it has {have}"
        )
    text = _text_input(config, signature)
    server.input = text.name
    found = [
        f"server {config.server.address} answers",
        f"{name} is there",
        f"signature {signature.name}: input {text}",
        f"outputs: {', '.join(str(spec) for spec in signature.outputs.values())}",
    ]
    _check_outputs(config, signature)
    return found + _check_card(config, metadata, server)


def _check_card(config: BridgeConfig, metadata: ModelMetadata, server: ModelServer) -> list[str]:
    """What the model says of itself; nothing where it has no card, unless the config needs one."""
    name = f"model {metadata.model} version {metadata.version}"
    card = server.read_card(metadata.version) if "model_card" in metadata.signatures else {}
    threshold = card.get("thresholds", {}).get("alert")
    if config.alert.threshold == "card" and threshold is None:
        what = "no alert threshold" if card else "no signature model_card"
        raise MismatchError(f"alert.threshold: {name} has {what}; write a number, or leave it out")
    labels = card.get("labels") or []
    by_label = config.alert.threshold is None and config.alert.budget_share is None
    if labels and by_label and config.alert.label not in labels:
        _LOG.warning(
            "alert.label: %s has no label %r (%s): nothing will be an alert",
            name,
            config.alert.label,
            ", ".join(map(str, labels[:10])),
        )
    if not card:
        return ["no model card: only equal texts share an answer of the cache"]
    text = f"card: task {card.get('task')}, labels {', '.join(map(str, labels[:10])) or 'none'}"
    if threshold is not None:
        text += f", alert threshold {threshold:.4f}"
    return [f"{text}, {len(card.get('text_cleaning', ()))} rules of text cleaning"]


def _metadata(config: BridgeConfig, server: ModelServer) -> ModelMetadata:
    wanted, timeout = config.server, config.server.timeout_seconds
    try:
        versions = server.client.status(wanted.model, wanted.version, timeout=timeout)
    except NotFoundError as error:
        what = f"version {wanted.version} of " if wanted.version is not None else ""
        key = "server.version" if what else "server.model"
        raise MismatchError(
            f"{key}: the server at {wanted.address} has no {what}model {wanted.model!r} "
            f"({error.message})"
        ) from error
    if not any(version.available for version in versions):
        states = ", ".join(
            f"{v.version}: {v.state}{f' ({v.error_message})' if v.failed else ''}" for v in versions
        )
        raise NotReady(f"no version of {wanted.model} is available yet ({states})")
    try:
        return server.client.metadata(
            wanted.model, version=wanted.version, label=wanted.label, timeout=timeout
        )
    except ServingError as error:
        if wanted.label is not None and error.code == "INVALID_ARGUMENT":
            raise MismatchError(
                f"server.label: {wanted.model} has no label {wanted.label!r} ({error.message})"
            ) from error
        raise


def _text_input(config: BridgeConfig, signature: Signature) -> TensorSpec:
    needed = [spec for spec in signature.inputs.values() if not spec.optional]
    wanted = config.server.input
    if wanted is None:
        if len(needed) != 1:
            raise MismatchError(
                f"server.input: signature {signature.name} has {len(needed)} inputs "
                f"({', '.join(signature.inputs)}); say which one is the text"
            )
        spec = needed[0]
    elif wanted not in signature.inputs:
        raise MismatchError(
            f"server.input: signature {signature.name} has no input {wanted!r}; "
            f"it has {', '.join(signature.inputs)}"
        )
    else:
        spec = signature.inputs[wanted]
    if spec.dtype != "string":
        raise MismatchError(f"server.input: {spec} is no text; a string input is needed")
    others = [other.name for other in needed if other.name != spec.name]
    if others:
        raise MismatchError(
            f"server.signature: {signature.name} also needs the inputs {', '.join(others)}"
        )
    return spec


def _check_outputs(config: BridgeConfig, signature: Signature) -> None:
    fetched = config.server.outputs or tuple(signature.outputs)
    for name in fetched:
        if name not in signature.outputs:
            raise MismatchError(
                f"server.outputs: signature {signature.name} has no output {name!r}; "
                f"it has {', '.join(sorted(signature.outputs))}"
            )
    if config.alert.threshold is not None and config.alert.score not in fetched:
        raise MismatchError(
            f"alert.score: output {config.alert.score!r} is not fetched; "
            f"fetched are {', '.join(fetched)}"
        )
