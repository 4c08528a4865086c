"""Readers: one function a file format, each yielding Rows and RejectedRows in file order.

Invalid UTF-8 is replaced, as the served model does with it, so a stray byte costs no event. A text
file that begins with the mark of another encoding is refused.
"""

from __future__ import annotations

import codecs
import csv
import json
import re
from collections.abc import Callable, Iterator, Sequence
from datetime import date, time
from itertools import chain
from pathlib import Path
from typing import Any

from tfx_pipeline.config import FormatConfig
from tfx_pipeline.errors import DataError
from tfx_pipeline.records import RejectedRow, Row

_RAW_LIMIT = 2000
_PARQUET_ROWS = 1024
_FIELD_LIMIT_BYTES = 64 * 1024 * 1024
# Stands behind a CSV file: what holds it has not ended where the file does.
_END = "\0the file ends here\0"
# The longer mark first: UTF-32's begins as UTF-16's does.
_MARKS = {
    codecs.BOM_UTF32_LE: "UTF-32",
    codecs.BOM_UTF32_BE: "UTF-32",
    codecs.BOM_UTF16_LE: "UTF-16",
    codecs.BOM_UTF16_BE: "UTF-16",
}

Rows = Iterator[Row | RejectedRow]


def reader(config: FormatConfig) -> Callable[[Path], Rows]:
    """Return the reader of the configured format.

    It raises a DataError where a file is not what the format says.
    """
    if config.kind == "json":
        return read_json
    if config.kind == "csv":
        return lambda path: read_csv(path, config.delimiter or ",", config.columns, config.quotes)
    if config.kind == "conll":
        return lambda path: read_conll(path, config.delimiter, config.columns)
    if config.kind == "parquet":
        return read_parquet
    if config.header is None:
        raise ValueError("this format has a header")
    pattern = compile_header(config.header)
    return lambda path: read_log(path, pattern)


def read_json(path: Path) -> Rows:
    """Read one JSON object a line; nested objects become dotted names."""
    for number, offset, line in _lines(path):
        try:
            value = json.loads(line)
        except (ValueError, RecursionError) as error:
            yield RejectedRow(str(path), number, f"not JSON: {error}", line[:_RAW_LIMIT])
            continue
        if not isinstance(value, dict):
            reason = f"expected a JSON object, found {type(value).__name__}"
            yield RejectedRow(str(path), number, reason, line[:_RAW_LIMIT])
            continue
        yield Row(str(path), number, f"{path.name}:{offset}", dict(_flatten(value, "")))


def read_csv(path: Path, delimiter: str, columns: Sequence[str] = (), quotes: bool = True) -> Rows:
    """Read CSV; quoted fields may hold newlines and delimiters.

    The first row names the columns, unless `columns` does. Without `quotes` a row is a line.
    A wrong row is rejected line by line: a quote that is never closed costs all that follows it.

    Raises:
        DataError: the first row names two columns alike, or the file is not UTF-8.
    """
    _check_encoding(path)
    csv.field_size_limit(_FIELD_LIMIT_BYTES)
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as lines:
        quoting = csv.QUOTE_MINIMAL if quotes else csv.QUOTE_NONE
        rows = csv.reader(chain(lines, [_END]), delimiter=delimiter, quoting=quoting)
        header = list(columns) or next(rows)
        twice = next((name for name in header if header.count(name) > 1), None)
        if twice is not None:
            raise DataError(
                f"{path}: two columns are called {twice!r}; rename one, or name them all in "
                f"data.format.columns and leave out the first row"
            )
        while True:
            number = rows.line_num + 1
            try:
                values = next(rows)
            except StopIteration:
                return
            except csv.Error as error:
                yield RejectedRow(str(path), number, f"not CSV: {error}", "")
                continue
            if not values or values == [_END]:
                continue
            wrong, last = None, rows.line_num
            if values[-1].endswith(_END):
                values[-1], last = values[-1].removesuffix(_END), last - 1
                wrong = "a quote that opens here is never closed; data.format.quotes: false?"
            elif len(values) != len(header):
                wanted = "data.format.columns names" if columns else "the header has"
                wrong = f"{len(values)} fields, {wanted} {len(header)}"
            if wrong is not None:
                raw = delimiter.join(values)[:_RAW_LIMIT]
                for line in range(number, last + 1):
                    yield RejectedRow(str(path), line, wrong, raw if line == number else "")
                continue
            fields = dict(zip(header, values, strict=True))
            yield Row(str(path), number, f"{path.name}:row-{number}", fields)


def read_conll(path: Path, delimiter: str | None, columns: Sequence[str] = ()) -> Rows:
    """Read CoNLL: one token a line, its columns, a blank line between texts.

    Each text becomes a row whose columns are JSON lists, as a list in a JSON line is. Without
    `columns` the first is called `tokens` and the last `tags`. Document markers are passed over.
    """
    for number, offset, lines in _paragraphs(path):
        raw = "\n".join(lines)[:_RAW_LIMIT]
        parted = [line.split(delimiter) for line in lines if not line.startswith("-DOCSTART-")]
        if not parted:
            continue
        width = len(columns) or max(len(parted[0]), 2)
        wrong = next((i for i, values in enumerate(parted) if len(values) != width), None)
        if wrong is not None:
            reason = f"line {number + wrong} has {len(parted[wrong])} columns, not {width}"
            yield RejectedRow(str(path), number, reason, raw)
            continue
        names = columns or ("tokens", *map(str, range(2, width)), "tags")
        lists = zip(*parted, strict=True)
        fields = {
            name: json.dumps(values, ensure_ascii=False)
            for name, values in zip(names, lists, strict=True)
        }
        yield Row(str(path), number, f"{path.name}:{offset}", fields)


def read_parquet(path: Path) -> Rows:
    """Read Parquet; structs become dotted names, and what JSON has no word for its text.

    Raises:
        DataError: the file is not Parquet, or damaged.
    """
    import pyarrow
    import pyarrow.parquet

    number = 0
    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            for batch in file.iter_batches(_PARQUET_ROWS):
                for values in batch.to_pylist():
                    number += 1
                    fields = dict(_flatten(values, ""))
                    yield Row(str(path), number, f"{path.name}:row-{number}", fields)
    except (pyarrow.ArrowException, OSError) as error:
        raise DataError(f"{path}: cannot be read as Parquet: {error}") from error


def compile_header(header: str) -> re.Pattern[str]:
    """Compile a logparser-style header such as `<Label> <Time> <Content>`.

    Every field takes as little as it can up to the text between it and the next one;
    the last field takes the rest of the line.
    """
    parts = re.split(r"<([A-Za-z_]\w*)>", header)
    if len(parts) < 3 or len(set(parts[1::2])) != len(parts[1::2]):
        raise ValueError(f"header {header!r}: write fields as <Name>, each name once")
    pattern = re.escape(parts[0])
    for index in range(1, len(parts), 2):
        last = index == len(parts) - 2
        separator = re.sub(r"(\\ )+", r"\\s+", re.escape(parts[index + 1]))
        pattern += f"(?P<{parts[index]}>{'.*' if last else '.*?'}){separator}"
    return re.compile(pattern + r"\Z", re.DOTALL)


def read_log(path: Path, header: re.Pattern[str]) -> Rows:
    """Read log lines that follow a header, as the loghub collection's do."""
    for number, offset, line in _lines(path):
        match = header.match(line)
        if match is None:
            reason = "the line does not follow data.format.header"
            yield RejectedRow(str(path), number, reason, line[:_RAW_LIMIT])
            continue
        yield Row(str(path), number, f"{path.name}:{offset}", match.groupdict())


def _paragraphs(path: Path) -> Iterator[tuple[int, int, list[str]]]:
    """Yield (number, byte offset, lines) of each run of lines that are not blank."""
    first, start, lines = 0, 0, []
    for number, offset, line in _lines(path):
        if lines and number != first + len(lines):
            yield first, start, lines
            lines = []
        if not lines:
            first, start = number, offset
        lines.append(line)
    if lines:
        yield first, start, lines


def _lines(path: Path) -> Iterator[tuple[int, int, str]]:
    """Yield (number, byte offset, text) of each line that is not blank."""
    _check_encoding(path)
    offset = 0
    with path.open("rb") as file:
        for number, raw in enumerate(file, start=1):
            encoding = "utf-8-sig" if number == 1 else "utf-8"
            line = raw.decode(encoding, errors="replace").rstrip("\r\n")
            if line.strip():
                yield number, offset, line
            offset += len(raw)


def _check_encoding(path: Path) -> None:
    """Raise a DataError where a byte order mark says that the file is not UTF-8."""
    with path.open("rb") as file:
        begin = file.read(4)
    for mark, encoding in _MARKS.items():
        if begin.startswith(mark):
            raise DataError(
                f"{path}: it is {encoding}, only UTF-8 is read; "
                f"`iconv -f {encoding} -t UTF-8 {path} > NEW-FILE` turns it"
            )


def _flatten(value: dict[str, Any], prefix: str) -> Iterator[tuple[str, str]]:
    for key, item in value.items():
        if isinstance(item, dict):
            yield from _flatten(item, f"{prefix}{key}.")
        elif item is None:
            yield prefix + key, ""
        elif isinstance(item, str):
            yield prefix + key, item
        else:
            yield prefix + key, _written(item)


def _written(item: Any) -> str:
    if isinstance(item, bytes):
        return item.decode("utf-8", "replace")
    if isinstance(item, date | time):
        return item.isoformat()
    if isinstance(item, bool | int | float | list | dict):
        return json.dumps(item, ensure_ascii=False, default=_written)
    return str(item)
