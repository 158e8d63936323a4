"""Compressed bodies come out whole, and bombs do not go off."""

import gzip
import tracemalloc
import zlib
from collections.abc import Callable

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from lb.core.errors import Problem
from lb.core.inflate import MIB, decoders, inflate

LIMIT = 4 * MIB


def raw_deflate(data: bytes) -> bytes:
    encoder = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return encoder.compress(data) + encoder.flush()


def zstd(data: bytes) -> bytes:
    return zstandard.ZstdCompressor().compress(data)


def zstd_stream(data: bytes) -> bytes:
    """The size is not in the head, as Codex sends it."""
    encoder = zstandard.ZstdCompressor().compressobj()
    return encoder.compress(data) + encoder.flush()


ENCODERS: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "gzip": ("gzip", gzip.compress),
    "x-gzip": ("x-gzip", gzip.compress),
    "zlib": ("deflate", zlib.compress),
    "raw deflate": ("deflate", raw_deflate),
    "zstd": ("zstd", zstd),
    "zstd of unknown size": ("zstd", zstd_stream),
}
each = pytest.mark.parametrize(("coding", "encode"), ENCODERS.values(), ids=ENCODERS)


def status_of(data: bytes, *codings: str, limit: int = LIMIT) -> int:
    with pytest.raises(Problem) as caught:
        inflate(data, codings, limit)
    return caught.value.status


@each
@given(data=st.binary(max_size=400), times=st.integers(1, 50))
def test_what_went_in_comes_out(
    coding: str, encode: Callable[[bytes], bytes], data: bytes, times: int
) -> None:
    assert inflate(encode(data * times), (coding,), LIMIT) == data * times


@given(st.binary(max_size=400), st.lists(st.sampled_from(sorted(ENCODERS)), max_size=2))
def test_codings_are_undone_from_the_last_to_the_first(data: bytes, names: list[str]) -> None:
    wire = data
    for name in names:
        wire = ENCODERS[name][1](wire)
    assert inflate(wire, tuple(ENCODERS[name][0] for name in names), LIMIT) == data


@each
def test_a_body_of_just_the_limit_passes_and_one_more_byte_does_not(
    coding: str, encode: Callable[[bytes], bytes]
) -> None:
    assert inflate(encode(b"a" * 1000), (coding,), 1000) == b"a" * 1000
    assert status_of(encode(b"a" * 1001), coding, limit=1000) == 413


@each
def test_a_ratio_beyond_200_is_refused_once_past_a_mebibyte(
    coding: str, encode: Callable[[bytes], bytes]
) -> None:
    assert len(inflate(encode(bytes(MIB)), (coding,), LIMIT)) == MIB
    assert status_of(encode(bytes(MIB + 1)), coding) == 413


@each
def test_garbage_and_what_is_cut_short_is_a_400(
    coding: str, encode: Callable[[bytes], bytes]
) -> None:
    whole = encode(b'{"model":"m"}' * 20)
    assert status_of(b"", coding) == 400
    assert status_of(b"no such thing", coding) == 400
    for cut in (1, 2, len(whole) // 2, len(whole) - 1):
        assert status_of(whole[:cut], coding) == 400


@pytest.mark.parametrize("name", ["gzip", "zlib", "raw deflate"])
def test_more_than_one_stream_is_a_400(name: str) -> None:
    coding, encode = ENCODERS[name]
    assert status_of(encode(b"{}") + encode(b"{}"), coding) == 400


@given(st.binary(max_size=200), st.sampled_from(["gzip", "deflate", "zstd"]))
def test_any_bytes_are_inflated_or_refused(data: bytes, coding: str) -> None:
    plain = inflated(data, coding)
    if isinstance(plain, Problem):
        assert plain.status in (400, 413)
    else:
        assert len(plain) <= 1000


def inflated(data: bytes, coding: str) -> bytes | Problem:
    try:
        return inflate(data, (coding,), 1000)
    except Problem as problem:
        return problem


@each
def test_a_bomb_costs_no_more_memory_than_the_limit(
    coding: str, encode: Callable[[bytes], bytes]
) -> None:
    bomb = encode(bytes(64 * MIB))
    twice = encode(bomb)
    tracemalloc.start()
    try:
        assert status_of(bomb, coding) == 413
        assert status_of(twice, coding, coding) == 413
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 3 * LIMIT


def test_a_zstd_frame_that_lies_about_its_size_is_refused() -> None:
    honest = zstd(b"a" * 300)
    head = zstandard.get_frame_parameters(honest)
    assert head.content_size == 300
    lying = honest.replace((300 - 256).to_bytes(2, "little"), (40_000).to_bytes(2, "little"), 1)
    assert zstandard.get_frame_parameters(lying).content_size == 40_256
    assert status_of(lying, "zstd", limit=10_000) == 413
    assert status_of(lying, "zstd") == 400


def test_a_zstd_frame_with_a_huge_window_is_refused() -> None:
    params = zstandard.ZstdCompressionParameters(window_log=27)
    encoder = zstandard.ZstdCompressor(compression_params=params).compressobj()
    wire = encoder.compress(b"{}" * 100) + encoder.flush()
    assert status_of(wire, "zstd") == 400


@pytest.mark.parametrize("codings", [("br",), ("gzip", "compress"), ("gzip", "gzip", "gzip")])
def test_an_unknown_coding_is_a_415_that_names_those_there_are(codings: tuple[str, ...]) -> None:
    with pytest.raises(Problem) as caught:
        decoders(codings)
    assert caught.value.status == 415
    assert "deflate, gzip, identity, zstd" in caught.value.message
