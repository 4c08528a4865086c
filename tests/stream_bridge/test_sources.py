"""Sources by themselves: positions, rotation while away, the spool's bounds."""

import gzip
import json
import os
import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_bridge.config.sources import StdinSource, TailSource
from stream_bridge.errors import SourceError
from stream_bridge.sources.file import FileReader
from stream_bridge.sources.lines import LineReader
from stream_bridge.sources.spool import SpoolReader, SpoolWriter, segments
from stream_bridge.sources.stdin import StdinFeeder
from stream_bridge.sources.tail import TailReader
from stream_bridge.sources.tail_many import TailManyReader


def tail(path, position=None, **options):
    options = {"poll_seconds": 0.01, "from_end": False, "wake": threading.Event(), **options}
    return TailReader(path, 1000, position, **options)


def drain(source):
    found = []
    while lines := source.read(3, 0.1):
        found += [line.data.decode() for line in lines]
    return found


@given(st.lists(st.binary(max_size=12).map(lambda b: b.replace(b"\n", b""))), st.integers(1, 9))
def test_lines_are_whole_positioned_and_bounded(tmp_path_factory, lines, limit):
    path = tmp_path_factory.mktemp("lines") / "f"
    path.write_bytes(b"".join(line + b"\n" for line in lines))
    with path.open("rb", buffering=0) as file:
        reader, found = LineReader(file, 0, 8), []
        while some := reader.read(limit):
            assert len(some) <= limit
            found += some
        assert reader.rest() is None
    content = path.read_bytes()
    for line, expected in zip(found, lines, strict=True):
        assert content[line.start : line.end] == expected + b"\n"
        assert line.truncated == (len(expected) > 8)
        assert line.data == (expected[:8] if line.truncated else expected.removesuffix(b"\r"))


def test_an_overlong_line_is_cut_and_the_next_one_is_whole(tmp_path):
    path = tmp_path / "f"
    path.write_bytes(b"x" * 1_000_000 + b"\nnext\n" + b"y" * 1_000_000)
    with path.open("rb", buffering=0) as file:
        reader = LineReader(file, 0, 10)
        cut, following = reader.read(5)
        assert (cut.data, cut.truncated, cut.end) == (b"x" * 10, True, 1_000_001)
        assert (following.data, following.start) == (b"next", 1_000_001)
        rest = reader.rest()
        assert (rest.truncated, rest.start, rest.end) == (True, 1_000_006, 2_000_006)


def test_a_file_that_got_shorter_is_refused(tmp_path):
    (tmp_path / "f").write_text("short")
    with pytest.raises(SourceError, match="--from-start"):
        FileReader(tmp_path / "f", 100, {"file": str(tmp_path / "f"), "offset": 99})


def test_a_rotation_while_away_is_made_up_for(tmp_path):
    log = tmp_path / "app.log"
    log.write_text("a\nb\nc\n")
    first = tail(log)
    assert [line.data for line in first.read(2, 0)] == [b"a", b"b"]
    position = first.position
    first.close()
    log.rename(tmp_path / "app.log.2")
    log.write_text("d\n")
    log.rename(tmp_path / "app.log.1")
    log.write_text("e\n")
    (tmp_path / "app.log.3.gz").write_bytes(b"packed")
    again = tail(log, position)
    assert drain(again) == ["c", "d", "e"]
    assert again.position["generation"] == 2


def test_another_file_with_the_same_inode_is_another_file(tmp_path):
    log = tmp_path / "app.log"
    log.write_text("old 1\nold 2\n")
    first = tail(log)
    assert drain(first) == ["old 1", "old 2"]
    position = first.position
    first.close()
    with log.open("r+") as file:  # truncated and refilled beyond where it was read
        file.truncate(0)
        file.write("new 1\nnew 2\nnew 3\n")
    again = tail(log, position)
    assert drain(again) == ["new 1", "new 2", "new 3"]


def many(place, position=None, **options):
    options = {"poll_seconds": 0.01, "from_end": False, "wake": threading.Event(), **options}
    pattern = TailSource(address=f"tail:{place}").pattern
    return TailManyReader(pattern, 1000, position, **options)


def test_all_files_of_a_directory_are_followed_with_those_that_come(tmp_path):
    (tmp_path / "a.log").write_text("a1\n")
    (tmp_path / "old.gz").write_bytes(b"packed")
    source = many(f"{tmp_path}/")
    assert drain(source) == ["a1"]
    (tmp_path / "b.log").write_text("b1\nb2\nb3\nb4\n")
    with (tmp_path / "a.log").open("a") as file:
        file.write("a2\n")
    assert sorted(until_lines(source, 5)) == ["a2", "b1", "b2", "b3", "b4"]
    # Rotated: what is now a.log.1 is not a file of its own.
    (tmp_path / "a.log").rename(tmp_path / "a.log.1")
    (tmp_path / "a.log").write_text("a3\n")
    assert until_lines(source, 1) == ["a3"]
    position = json.loads(json.dumps(source.position))
    source.close()
    (tmp_path / "b.log").unlink()
    (tmp_path / "a.log").rename(tmp_path / "a.log.2")
    (tmp_path / "a.log").write_text("a4\n")
    (tmp_path / "c.log").write_text("c1\n")
    again = many(f"{tmp_path}/", position)
    assert sorted(until_lines(again, 2)) == ["a4", "c1"]
    # The same name once more is another file, with other ids.
    (tmp_path / "b.log").write_text("b5\n")
    (line,) = until_raws(again, 1)
    assert (line.data, line.position) == (b"b5", f"{tmp_path}/b.log#1:0")
    assert drain(again) == []
    again.close()


def test_a_pattern_from_its_end(tmp_path):
    (tmp_path / "a.log").write_text("old\n")
    (tmp_path / "a.txt").write_text("not meant\n")
    source = many(f"{tmp_path}/*.log", from_end=True)
    (tmp_path / "b.log").write_text("b1\n")
    with (tmp_path / "a.log").open("a") as file:
        file.write("a1\n")
    assert sorted(until_lines(source, 2)) == ["a1", "b1"]
    source.close()


def until_raws(source, count):
    found = []
    deadline = time.monotonic() + 20
    while len(found) < count and time.monotonic() < deadline:
        found += source.read(3, 0.1)
    return found


def until_lines(source, count):
    return [line.data.decode() for line in until_raws(source, count)]


def test_only_new_lines_on_request(tmp_path):
    log = tmp_path / "app.log"
    log.write_text("old\n")
    source = tail(log, from_end=True)
    with log.open("a") as file:
        file.write("new\n")
    assert drain(source) == ["new"]


def test_the_spool_is_bounded_and_frees_what_is_committed(tmp_path):
    writer = SpoolWriter(tmp_path, max_bytes=400, segment_bytes=100)
    written = 0
    while not writer.full():
        writer.append(b"line %04d\n" % written)
        written += 1
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 410
    reader = SpoolReader(tmp_path, "tcp", 100, None, wake=threading.Event())
    assert drain(reader) == [f"line {i:04d}" for i in range(written)]
    reader.committed(reader.position)
    assert not writer.full()
    writer.append(b"more\n")
    assert drain(reader) == ["more"]


def test_half_a_line_after_a_crash_is_dropped_and_numbers_are_never_reused(tmp_path):
    writer = SpoolWriter(tmp_path, 10_000, 1_000)
    writer.append(b"whole\n")
    (only,) = segments(tmp_path)
    with (tmp_path / f"{only:016d}.lines").open("ab") as file:
        file.write(b"ha")
    SpoolWriter(tmp_path, 10_000, 1_000).append(b"next\n")
    reader = SpoolReader(tmp_path, "tcp", 100, None, wake=threading.Event())
    lines = reader.read(5, 0) + reader.read(5, 0.1)
    assert [line.data for line in lines] == [b"whole", b"next"]
    assert len({line.position for line in lines}) == 2
    assert segments(tmp_path)[-1] > only


def test_a_pattern_is_read_in_order_packed_or_not_and_resumed(tmp_path):
    (tmp_path / "a.log").write_text("a1\na2")
    (tmp_path / "b.log.gz").write_bytes(gzip.compress(b"b1\nb2\nb3\n"))
    (tmp_path / "c.log").touch()
    (tmp_path / "d.log").write_text("d1\n")
    pattern = tmp_path / "*.log*"
    position, found = None, []
    while True:  # a new reader for each line, as after a crash
        reader = FileReader(pattern, 100, position)
        lines = reader.read(1, 0)
        position = reader.position
        found += [(line.data.decode(), line.position.rpartition("/")[2]) for line in lines]
        reader.close()
        if reader.done:
            break
    assert found == [
        ("a1", "a.log:0"),
        ("a2", "a.log:3"),
        ("b1", "b.log.gz:0"),
        ("b2", "b.log.gz:3"),
        ("b3", "b.log.gz:6"),
        ("d1", "d.log:0"),
    ]
    assert FileReader(pattern, 100, position).done
    (tmp_path / "e.log").write_text("e1\n")
    (line,) = FileReader(pattern, 100, position).read(9, 0) or FileReader(
        pattern, 100, position
    ).read(9, 0)
    assert line.data == b"e1"


def test_a_broken_gzip_file_is_a_clear_error(tmp_path):
    (tmp_path / "a.gz").write_bytes(gzip.compress(os.urandom(100))[:-20])
    with pytest.raises(SourceError, match=r"a\.gz: "):
        FileReader(tmp_path / "a.gz", 100, None).read(9, 0)
    with pytest.raises(SourceError, match="no file matches"):
        FileReader(tmp_path / "*.none", 100, None)


def test_standard_input_ends_the_source(tmp_path):
    ended = threading.Event()
    out, into = os.pipe()
    with StdinFeeder(StdinSource(address="stdin:"), tmp_path, 100, ended, out):
        reader = SpoolReader(tmp_path, "stdin:", 100, None, wake=threading.Event(), ended=ended)
        os.write(into, b"one\ntw")
        assert drain(reader) == ["one"]
        assert not reader.done
        os.write(into, b"o\nthree")
        os.close(into)
        found = []
        while not reader.done:
            found += [line.data for line in reader.read(9, 1)]
    os.close(out)
    assert found == [b"two", b"three"]
