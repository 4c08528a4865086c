from __future__ import annotations

import pytest

from tfx_pipeline.config import FormatConfig
from tfx_pipeline.dataset import formats
from tfx_pipeline.errors import DataError
from tfx_pipeline.records import RejectedRow, Row


def read(tmp_path, content: bytes, config: FormatConfig):
    path = tmp_path / "events.txt"
    path.write_bytes(content)
    return list(formats.reader(config)(path))


def test_jsonl_keeps_good_rows_and_rejects_each_bad_one(tmp_path):
    content = (
        b'{"text": "a", "n": 1, "o": {"p": "q"}, "none": null}\n\nnot json\n[1]\n{"text": "\xff"}\n'
    )
    rows = read(tmp_path, content, FormatConfig(kind="json"))
    assert rows[0] == Row(
        str(tmp_path / "events.txt"),
        1,
        "events.txt:0",
        {"text": "a", "n": "1", "o.p": "q", "none": ""},
    )
    assert [type(row) for row in rows] == [Row, RejectedRow, RejectedRow, Row]
    assert (rows[1].number, rows[1].raw) == (3, "not json")
    assert "found list" in rows[2].reason
    assert rows[3].fields["text"] == "�"
    assert content[int(rows[3].position.split(":")[1]) :].startswith(b'{"text": "\xff"')


def test_deeply_nested_json_is_rejected_not_a_crash(tmp_path):
    rows = read(tmp_path, b"[" * 200_000 + b"\n", FormatConfig(kind="json"))
    assert isinstance(rows[0], RejectedRow)


def test_csv_reads_quoted_newlines_and_other_delimiters(tmp_path):
    content = b'text;label\n"two\nlines; and more";x\nshort\nplain;y\n'
    rows = read(tmp_path, content, FormatConfig(kind="csv", delimiter=";"))
    assert rows[0].fields == {"text": "two\nlines; and more", "label": "x"}
    assert isinstance(rows[1], RejectedRow)
    assert rows[1].number == 4
    assert rows[2].fields == {"text": "plain", "label": "y"}


@pytest.mark.parametrize("row", [b'"open,x', b'a,"open'])
def test_a_quote_that_is_never_closed_costs_no_row_in_silence(tmp_path, row):
    content = b"text,label\nfine,x\n" + row + b"\n" + b"more,y\n" * 3
    rows = read(tmp_path, content, FormatConfig(kind="csv"))
    assert isinstance(rows[0], Row)
    assert [found.number for found in rows[1:]] == [3, 4, 5, 6]
    assert all("never closed" in found.reason for found in rows[1:])


def test_two_columns_of_one_name_are_refused(tmp_path):
    with pytest.raises(DataError, match="two columns are called 'label'"):
        read(tmp_path, b"text,label,label\na,x,y\n", FormatConfig(kind="csv"))


def test_a_log_header_splits_lines_and_the_last_field_takes_the_rest(tmp_path):
    header = "<Label> <Time> <Component>: <Content>"
    rows = read(
        tmp_path,
        b"- 12:00 kernel: disk full: no space\nAPP 12:01  ssh: hello\nnonsense\n",
        FormatConfig(kind="header", header=header),
    )
    assert rows[0].fields == {
        "Label": "-",
        "Time": "12:00",
        "Component": "kernel",
        "Content": "disk full: no space",
    }
    assert rows[1].fields["Component"] == "ssh"
    assert isinstance(rows[2], RejectedRow)


@pytest.mark.parametrize("header", ["no fields", "<A> <A>"])
def test_a_header_without_distinct_fields_is_refused(header):
    with pytest.raises(ValueError, match="header"):
        formats.compile_header(header)


def test_every_line_of_a_real_log_follows_its_header(data):
    header = (
        "<Label> <Timestamp> <Date> <Node> <Time> <NodeRepeat> <Type> <Component> <Level> <Content>"
    )
    path = data / "loghub" / "BGL_2k.log"
    rows = list(formats.reader(FormatConfig(kind="header", header=header))(path))
    assert len(rows) == 2000
    assert sum(row.fields["Label"] != "-" for row in rows) == 143
