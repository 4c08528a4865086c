"""What each command does. Every failure is one line on stderr and an exit code."""

from __future__ import annotations

import argparse
import contextlib
import json
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from serving_client import Client, InputError, ServerConfig, ServingError, Tls
from serving_client.cli import output, sources
from serving_client.cli.arguments import parse
from serving_client.cli.load import bench

_EXIT_BY_CODE = {
    "INVALID_ARGUMENT": 3,
    "FAILED_PRECONDITION": 3,
    "OUT_OF_RANGE": 3,
    "UNIMPLEMENTED": 3,
    "NOT_FOUND": 4,
    "UNAVAILABLE": 5,
    "DEADLINE_EXCEEDED": 5,
    "RESOURCE_EXHAUSTED": 5,
}


def run(argv: list[str], environment: Mapping[str, str]) -> int:
    """Run one command; returns the exit code."""
    arguments = parse(argv, environment)
    try:
        with _client(arguments) as client:
            return _COMMANDS[arguments.command](client, arguments)
    except ServingError as error:
        hint = ""
        if error.code == "UNAVAILABLE" and error.endpoint:
            hint = f"\nhelp: is a model server running at {error.endpoint}? (--address)"
        print(f"serving-client: {error}{hint}", file=sys.stderr)
        return _EXIT_BY_CODE.get(error.code, 6)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # `| head`
        sys.stderr.close()
        return 0


def _client(arguments: argparse.Namespace) -> Client:
    tls = None
    if arguments.tls or arguments.tls_root or arguments.tls_cert or arguments.tls_name:
        tls = Tls(
            _read(arguments.tls_root),
            _read(arguments.tls_cert),
            _read(arguments.tls_key),
            arguments.tls_name,
        )
    headers = {}
    for each in arguments.header:
        name, equals, value = each.partition("=")
        if not name or not equals:
            raise InputError("--header needs NAME=VALUE or NAME=@FILE")
        if value.startswith("@"):  # a secret among the arguments shows in the process list
            value = (_read(Path(value[1:])) or b"").decode(errors="replace").strip()
        headers[name] = value
    timeout = 30.0 if arguments.timeout is None else arguments.timeout
    return Client(arguments.address, timeout=timeout, tls=tls, headers=headers)


def _read(path: Path | None) -> bytes | None:
    if path is None:
        return None
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error


def _predict(client: Client, arguments: argparse.Namespace) -> int:
    rows = client.predict_many(
        arguments.model,
        sources.items(arguments),
        version=arguments.version,
        label=arguments.label,
        signature=arguments.signature,
        outputs=arguments.output,
        batch_size=arguments.batch_size,
        in_flight=arguments.in_flight,
    )
    progress = output.Progress(sources.count(arguments))
    failed = done = 0
    try:
        for row in rows:
            done += 1
            if row.error is None:
                output.line({"outputs": row.outputs, "model": row.model, "version": row.version})
            else:
                failed += 1
                output.line({"error": {"code": row.error.code, "message": row.error.message}})
            progress.update(done, failed)
    finally:
        progress.close()
    if failed:
        print(f"serving-client: {failed} of {done} items failed", file=sys.stderr)
    return 1 if failed else 0


def _examples(arguments: argparse.Namespace) -> dict[str, Any]:
    context = sources.parsed(arguments.context, 0) if arguments.context else None
    return {
        "context": context,
        "version": arguments.version,
        "label": arguments.label,
        "signature": arguments.signature,
    }


def _classify(client: Client, arguments: argparse.Namespace) -> int:
    examples = sources.examples(arguments)
    answer = client.classify(arguments.model, examples, **_examples(arguments))
    for classes in answer.examples:
        output.line(
            {
                "classes": [{"label": each.label, "score": each.score} for each in classes],
                "model": answer.model,
                "version": answer.version,
            }
        )
    return 0


def _regress(client: Client, arguments: argparse.Namespace) -> int:
    examples = sources.examples(arguments)
    answer = client.regress(arguments.model, examples, **_examples(arguments))
    for value in answer.values:
        output.line({"value": float(value), "model": answer.model, "version": answer.version})
    return 0


def _metadata(client: Client, arguments: argparse.Namespace) -> int:
    found = client.metadata(arguments.model, version=arguments.version, label=arguments.label)
    if not arguments.json:
        print(f"model {found.model}, version {found.version}")
        for signature in found.signatures.values():
            print(f"  {signature}  [{signature.method or 'no method'}]")
            for spec in signature.outputs.values():
                print(f"    -> {spec}")
        return 0

    def tensors(specs: Mapping[str, Any]) -> dict[str, Any]:
        return {
            name: {"dtype": spec.dtype, "shape": spec.shape, "optional": spec.optional}
            for name, spec in specs.items()
        }

    output.line(
        {
            "model": found.model,
            "version": found.version,
            "signatures": {
                name: {
                    "method": each.method,
                    "inputs": tensors(each.inputs),
                    "outputs": tensors(each.outputs),
                }
                for name, each in found.signatures.items()
            },
        }
    )
    return 0


def _status(client: Client, arguments: argparse.Namespace) -> int:
    for each in client.status(arguments.model, arguments.version):
        output.line(vars(each))
    return 0


def _wait(client: Client, arguments: argparse.Namespace) -> int:
    ready = client.wait_until_ready(arguments.model, arguments.version, timeout=arguments.timeout)
    output.line(vars(ready))
    return 0


def _config(path: Path) -> ServerConfig:
    text = (_read(path) or b"").decode(errors="replace")
    try:
        return ServerConfig.from_text(text)
    except InputError as error:
        raise InputError(f"{path}: {error.message}") from error


@contextlib.contextmanager
def _rewritten(path: Path, text: str) -> Iterator[None]:
    # The new text is on the disk before the server is asked, and takes the file's place in one step
    # once the server has said yes: the file and the server cannot come to disagree half-way.
    new = path.with_name(f"{path.name}.new")
    try:
        new.write_text(text, encoding="utf-8")
        shutil.copymode(path, new)
        try:
            yield
            new.replace(path)
        finally:
            new.unlink(missing_ok=True)
    except ServingError:  # a deadline is an OSError too
        raise
    except OSError as error:
        raise InputError(f"cannot rewrite {path}: {error.strerror}") from error


def _reload(client: Client, arguments: argparse.Namespace) -> int:
    answer = client.reload(_config(arguments.config), metrics=arguments.metric)
    output.line({"reloaded": True, "metrics": answer.metrics})
    return 0


def _label(client: Client, arguments: argparse.Namespace) -> int:
    if arguments.remove == (arguments.version is not None):
        raise InputError("give the version the label shall point at, or --remove")
    config = _config(arguments.config).with_label(
        arguments.model, arguments.label, arguments.version
    )
    with _rewritten(arguments.config, config.to_text()):
        client.reload(config)
    output.line({"model": arguments.model, "labels": config[arguments.model].labels})
    return 0


def _bench(client: Client, arguments: argparse.Namespace) -> int:
    report = bench(client, arguments, list(sources.items(arguments)))
    if arguments.report == "json":
        print(json.dumps(report.as_dict()))
    else:
        print(report.as_table())
    if report.interrupted:
        return 130
    return 1 if report.errors else 0


_COMMANDS: dict[str, Callable[[Client, argparse.Namespace], int]] = {
    "predict": _predict,
    "classify": _classify,
    "regress": _regress,
    "metadata": _metadata,
    "status": _status,
    "wait": _wait,
    "reload": _reload,
    "label": _label,
    "bench": _bench,
}
