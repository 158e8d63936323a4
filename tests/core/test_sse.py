"""Frames as bytes: whatever the cutting, nothing is lost, added or torn."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lb.core import sse
from lb.core.errors import Problem

ENDS = (b"\n", b"\r\n", b"\r")
LINE = st.sampled_from(
    [
        b"data: {}",
        b"data:x",
        b"data",
        b": comment",
        b"event: response.created",
        b"id: 1",
        b"\xff\x00",
    ]
)
BLANK_AT_END = re.compile(rb"(?:\r\n|\n|\r){2}\Z")


@st.composite
def streams(draw: st.DrawFn, ends: tuple[bytes, ...] = ENDS) -> tuple[list[bytes], bytes]:
    """The frames of a stream, all with the same line ends, and those."""
    end = draw(st.sampled_from(ends))
    frames = draw(st.lists(st.lists(LINE, min_size=1, max_size=4), max_size=6))
    return [b"".join(line + end for line in frame) + end for frame in frames], end


@st.composite
def cuttings(draw: st.DrawFn, whole: bytes) -> list[bytes]:
    """Some way to cut bytes into chunks."""
    places = sorted(draw(st.sets(st.integers(0, len(whole)), max_size=12)))
    return [whole[a:b] for a, b in zip([0, *places], [*places, len(whole)], strict=True)]


@given(st.data(), streams())
def test_however_a_stream_is_cut_the_runs_are_the_bytes_that_came(
    data: st.DataObject, stream: tuple[list[bytes], bytes]
) -> None:
    whole = b"".join(stream[0])
    cutter, runs = sse.Cutter(), []
    for chunk in data.draw(cuttings(whole)):
        run = cutter.feed(chunk)
        assert not run or BLANK_AT_END.search(run), "a run ends where a frame does"
        runs.append(run)
    assert b"".join(runs) + cutter.rest == whole
    assert cutter.rest in (b"", b"\n"), "every frame is out, but for half a line end"


@given(st.data(), streams((b"\n",)))
def test_an_unfinished_frame_stays_behind(
    data: st.DataObject, stream: tuple[list[bytes], bytes]
) -> None:
    whole = b"".join(stream[0])
    cutter = sse.Cutter()
    runs = [cutter.feed(chunk) for chunk in data.draw(cuttings(whole + b"data: unfini"))]
    assert b"".join(runs) == whole
    assert cutter.rest == b"data: unfini"


@given(streams())
def test_the_frames_of_a_run_are_those_that_were_put_in(
    stream: tuple[list[bytes], bytes],
) -> None:
    assert list(sse.frames(b"".join(stream[0]))) == stream[0]


@given(st.lists(streams(), max_size=4), st.data())
def test_line_ends_may_change_within_a_stream(
    mixed: list[tuple[list[bytes], bytes]], data: st.DataObject
) -> None:
    whole = b"".join(frame for frames, _ in mixed for frame in frames)
    cutter = sse.Cutter()
    runs = [cutter.feed(chunk) for chunk in data.draw(cuttings(whole))]
    assert b"".join(runs) + cutter.rest == whole
    assert b"".join(sse.frames(whole)) == whole


@given(st.binary(max_size=400), st.data())
def test_any_bytes_at_all_come_out_as_they_came(noise: bytes, data: st.DataObject) -> None:
    cutter = sse.Cutter()
    runs = [cutter.feed(chunk) for chunk in data.draw(cuttings(noise))]
    assert b"".join(runs) + cutter.rest == noise
    for frame in sse.frames(noise):
        sse.read(frame)


def test_whole_frames_in_one_chunk_are_not_even_copied() -> None:
    chunk = b"data: 1\n\ndata: 2\n\n"
    assert sse.Cutter().feed(chunk) is chunk


@pytest.mark.parametrize("size", [1, 7, 64])
def test_a_frame_that_does_not_end_is_given_up(size: int) -> None:
    cutter = sse.Cutter(limit_bytes=1000)
    for _ in range(1000 // size):
        cutter.feed(b"x" * size)
    with pytest.raises(Problem) as caught:
        cutter.feed(b"x" * size)
    assert (caught.value.status, caught.value.code) == (502, "event_too_large")
    assert len(cutter.rest) <= 1000 + size


def test_the_limit_is_for_one_frame_not_for_many() -> None:
    cutter = sse.Cutter(limit_bytes=100)
    for _ in range(100):
        assert cutter.feed(b"data: " + b"x" * 80 + b"\n\n")


@pytest.mark.parametrize(
    ("frame", "name", "data"),
    [
        (b"event: a\ndata: {}\n\n", "a", b"{}"),
        (b"event:a\r\ndata:{}\r\n\r\n", "a", b"{}"),
        (b"event: a\rdata: {}\r\r", "a", b"{}"),
        (b"data: {\ndata: }\n\n", "", b"{\n}"),
        (b"data:  two spaces\n\n", "", b" two spaces"),
        (b": comment\n\n", "", b""),
        (b"id: 1\nretry: 5\n\n", "", b""),
        (b"data\n\n", "", b""),
        (b"\n\n", "", b""),
        (b"event: \xff\ndata: 1\n\n", "�", b"1"),
    ],
)
def test_a_frame_is_read_as_the_standard_says(frame: bytes, name: str, data: bytes) -> None:
    assert sse.read(frame) == (name, data)


@given(st.text("abc._", min_size=1), st.sampled_from([b"{}", b'{"a":1}', b""]))
def test_what_is_written_can_be_read(name: str, data: bytes) -> None:
    assert sse.read(sse.write(name, data)) == (name, data)


def test_keepalives_are_whole_frames_and_only_codex_gets_an_event() -> None:
    assert sse.read(sse.COMMENT) == ("", b"")
    assert sse.read(sse.KEEPALIVE_EVENT) == ("keepalive", b'{"type":"keepalive"}')
    for frame in (sse.COMMENT, sse.KEEPALIVE_EVENT):
        assert list(sse.frames(frame)) == [frame]
