"""Answers over HTTP/1.1: any cutting gives the same bytes, and what two could read is refused."""

import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lb.core.http1 import HEAD_BYTES, LINE_BYTES, TRAILER_BYTES, Reader
from lb.core.http1_head import Garbled, Head, blank_in

OK = b"HTTP/1.1 200 OK\r\n"
bodies = st.lists(st.binary(min_size=1, max_size=40), max_size=8)


def read(wire: bytes, cuts: list[int] | None = None, method: str = "POST") -> tuple[Reader, bytes]:
    """The reader after all of ``wire``, given in pieces, and the body."""
    reader = Reader()
    reader.begin(method)
    ends = [0, *sorted(cut % (len(wire) + 1) for cut in cuts or []), len(wire)]
    return reader, b"".join(reader.feed(wire[a:b]) for a, b in pairwise(ends) if a != b)


def chunked(pieces: list[bytes], trailer: bytes = b"") -> bytes:
    """``pieces`` as chunks, with an extension here and there."""
    coded = [
        b"%x%b\r\n%b\r\n" % (len(piece), b' ; a="b"' * (n % 2), piece)
        for n, piece in enumerate(pieces)
    ]
    return b"".join(coded) + b"0\r\n" + trailer + b"\r\n"


@given(bodies, st.lists(st.integers(0, 500), max_size=12), st.sampled_from([b"", b"a: b\r\n"]))
def test_chunks_are_the_same_bytes_however_they_are_cut(
    pieces: list[bytes], cuts: list[int], trailer: bytes
) -> None:
    head = OK + b"Transfer-Encoding: chunked\r\nX-Request-Id: r\r\n\r\n"
    reader, body = read(head + chunked(pieces, trailer), cuts)
    assert body == b"".join(pieces)
    assert reader.done()
    assert reader.keeps
    assert reader.head == Head(200, {"transfer-encoding": "chunked", "x-request-id": "r"})


tricky = st.sampled_from(
    [b"\r\n", b"\r\n5\r\n", b"0\r\n\r\n", b"a\r\n", b"x" * 300, b"\r\n0\r\n\r\n"]
)


@given(
    st.lists(st.lists(tricky, min_size=1, max_size=4).map(b"".join), min_size=8, max_size=40),
    st.lists(st.integers(0, 20_000), max_size=4),
    st.booleans(),
)
def test_many_chunks_are_the_same_bytes_whatever_they_look_like(
    pieces: list[bytes],
    cuts: list[int],
    extended: bool,  # noqa: FBT001
) -> None:
    wire = chunked(pieces) if extended else plainly(pieces)
    reader, body = read(OK + b"transfer-encoding: chunked\r\n\r\n" + wire, cuts)
    assert body == b"".join(pieces)
    assert reader.done()
    assert reader.keeps


def plainly(pieces: list[bytes]) -> bytes:
    """``pieces`` as chunks, as servers write them."""
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in (*pieces, b""))


@given(bodies, st.integers(1, 200))
def test_chunks_come_byte_by_byte_as_well(pieces: list[bytes], most: int) -> None:
    wire = OK + b"transfer-encoding: chunked\r\n\r\n" + chunked(pieces)
    reader, body = read(wire, list(range(0, len(wire), most)))
    assert body == b"".join(pieces)
    assert reader.done()


@given(st.binary(max_size=200), st.lists(st.integers(0, 500), max_size=12))
def test_a_length_is_the_same_bytes_however_it_is_cut(body: bytes, cuts: list[int]) -> None:
    reader, came = read(OK + b"Content-Length: %d\r\n\r\n%b" % (len(body), body), cuts)
    assert came == body
    assert reader.done()
    assert reader.keeps


@given(st.binary(max_size=200), st.lists(st.integers(0, 500), max_size=12))
def test_a_body_without_a_length_ends_with_the_connection(body: bytes, cuts: list[int]) -> None:
    reader, came = read(OK + b"\r\n" + body, cuts)
    assert came == body
    assert not reader.done()
    assert reader.end()
    assert not reader.keeps


@given(bodies, st.integers(0, 400))
def test_a_cut_answer_is_never_whole(pieces: list[bytes], cut: int) -> None:
    wire = OK + b"transfer-encoding: chunked\r\n\r\n" + chunked(pieces)
    reader, body = read(wire[: cut % len(wire)])
    assert not reader.end()
    assert b"".join(pieces).startswith(body)


@given(st.binary(max_size=300))
def test_whatever_comes_is_read_or_garbled(wire: bytes) -> None:
    for begun in (b"", OK, OK + b"transfer-encoding: chunked\r\n\r\n"):
        try:
            read(begun + wire)
        except Garbled:
            continue


def test_answers_follow_each_other_on_one_connection() -> None:
    reader = Reader()
    for number in range(3):
        reader.begin("POST")
        assert reader.head is None
        assert reader.feed(OK + b"content-length: 1\r\n\r\n%d" % number) == b"%d" % number
        assert reader.done()
        assert reader.keeps


def test_interim_answers_are_passed_over() -> None:
    reader, body = read(
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: a\r\n\r\n"
        + OK
        + b"content-length: 2\r\n\r\nhi",
        [10, 30, 60],
    )
    assert body == b"hi"
    assert reader.head == Head(200, {"content-length": "2"})


@pytest.mark.parametrize(
    ("head", "method", "done"),
    [
        (b"HTTP/1.1 204 No Content\r\n\r\n", "POST", True),
        (b"HTTP/1.1 304 Not Modified\r\ncontent-length: 5\r\n\r\n", "GET", True),
        (OK + b"content-length: 5\r\n\r\n", "HEAD", True),
        (OK + b"content-length: 0\r\n\r\n", "POST", True),
        (OK + b"content-length: 5\r\n\r\n", "POST", False),
    ],
)
def test_some_answers_have_no_body(head: bytes, method: str, done: bool) -> None:  # noqa: FBT001
    assert read(head, method=method)[0].done() is done


@pytest.mark.parametrize(
    ("head", "keeps"),
    [
        (b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", True),
        (b"HTTP/1.1 200\r\ncontent-length: 0\r\n\r\n", True),
        (b"HTTP/1.1 200 OK\ncontent-length: 0\n\n", True),
        (b"HTTP/1.1 200 OK\r\nConnection: Close\r\ncontent-length: 0\r\n\r\n", False),
        (b"HTTP/1.1 200 OK\r\nconnection: x, close\r\ncontent-length: 0\r\n\r\n", False),
        (b"HTTP/1.0 200 OK\r\ncontent-length: 0\r\n\r\n", False),
        (b"HTTP/1.0 200 OK\r\nconnection: keep-alive\r\ncontent-length: 0\r\n\r\n", True),
        (OK + b"content-length: 1\r\n\r\nab", False),
        (OK + b"transfer-encoding: chunked\r\n\r\n0\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", False),
        (OK + b"content-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n", False),
    ],
)
def test_when_a_connection_serves_again(head: bytes, keeps: bool) -> None:  # noqa: FBT001
    reader, _ = read(head)
    assert reader.done()
    assert reader.keeps is keeps


@pytest.mark.parametrize(
    "wire",
    [
        b"SSH-2.0-OpenSSH\r\n\r\n",
        b"HTTP/2 200 OK\r\n\r\n",
        b"HTTP/1.1 099 Low\r\n\r\n",
        b"HTTP/1.1 101 Switching\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n" * 5_000 + OK + b"content-length: 0\r\n\r\n",
        OK + b"no colon\r\n\r\n",
        OK + b"space : before\r\n\r\n",
        OK + b": no name\r\n\r\n",
        OK + b"a: b\0c\r\n\r\n",
        OK + b"a: b\rc\r\n\r\n",
        OK + b"a: b\r\n c\rd\r\n\r\n",
        OK + b"content-length: 1\r\ncontent-length: 2\r\n\r\n",
        OK + b"content-length: 1, 1\r\n\r\n",
        OK + b"content-length: -1\r\n\r\n",
        OK + b"content-length: +1\r\n\r\n",
        OK + b"content-length: 1_0\r\n\r\n",
        OK + b"content-length: \xd9\xa1\r\n\r\n",
        OK + b"content-length: 1111111111111111111\r\n\r\n",
        OK + b"transfer-encoding: gzip, chunked\r\n\r\n",
        OK + b"transfer-encoding: identity\r\n\r\n",
        OK + b"transfer-encoding: chunked\r\n\r\n0x1\r\na\r\n",
        OK + b"transfer-encoding: chunked\r\n\r\n-1\r\n",
        OK + b"transfer-encoding: chunked\r\n\r\n\r\n",
        OK + b"transfer-encoding: chunked\r\n\r\n1\r\nabc",
        OK + b"transfer-encoding: chunked\r\n\r\n1\r\na\n1\r\nb\r\n",
        OK + b"transfer-encoding: chunked\r\n\r\n1111111111111111\r\n",
        OK + b"transfer-encoding: chunked\r\n\r\n1;" + b"x" * LINE_BYTES,
        OK + b"transfer-encoding: chunked\r\n\r\n0\r\n" + b"a: b\r\n" * TRAILER_BYTES,
        OK + b"a" * HEAD_BYTES,
        OK + b"a: b\r\n" * (HEAD_BYTES // 5) + b"\r\n",
    ],
)
def test_what_is_no_answer_or_may_be_two_is_garbled(wire: bytes) -> None:
    for cuts in ([], [20, 40, 45, 60, 62]):
        with pytest.raises(Garbled):
            read(wire, cuts)


def test_a_folded_header_is_one_line_and_of_two_the_last_counts() -> None:
    reader, _ = read(OK + b"a: b\r\n  c\r\nd: 1\r\nD: 2\r\ncontent-length: 0\r\n\r\n")
    assert reader.head is not None
    assert reader.head.headers == {"a": "b c", "d": "2", "content-length": "0"}


@given(st.text("\r\na", max_size=12).map(str.encode), st.integers(0, 12))
def test_a_blank_line_is_found_however_it_is_spelt(data: bytes, start: int) -> None:
    found = re.compile(rb"\n\r?\n").search(data, start)
    at, end = blank_in(data, start)
    assert (end == 0) == (found is None)
    if found is not None:
        assert (at, end) == found.span()
