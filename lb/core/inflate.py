"""Undo the content codings of a request body, within bounds whatever it holds.

A thousand bytes can stand for a million, so the size is bounded before it is known: what comes out
is never larger than the limit, nor than 200 times what came in once it passes 1 MiB (an honest body
of JSON stays well below: even base64 of one colour hardly passes 100).
"""

import zlib
from collections.abc import Callable

import zstandard

from lb.core.errors import Blame, Problem, bad_request

MIB = 1024 * 1024
RATIO = 200  # plain bytes for each byte on the wire
FREE_BYTES = MIB  # up to here any ratio is taken: a small body of blanks is no bomb
WINDOW_BYTES = 8 * MIB  # RFC 9659: the most a decoder of `zstd` content has to offer
CODINGS_MAX = 2  # one on another; nobody honest needs more

Decoder = Callable[[bytes, int], bytes]


def inflate(data: bytes, codings: tuple[str, ...], limit_bytes: int) -> bytes:
    """The plain bytes of ``data``; ``codings`` in the order they were applied.

    Raises: Problem: 413 when it is larger than ``limit_bytes`` or swells beyond reason, 400 when it
    is garbage or cut short, 415 for a coding that is not supported.
    """
    allowed = min(limit_bytes, max(FREE_BYTES, RATIO * len(data)))
    for decoder in reversed(decoders(codings)):
        data = decoder(data, allowed)
    return data


def decoders(codings: tuple[str, ...]) -> list[Decoder]:
    """The decoder of each coding.

    Raises: Problem (415) naming the codings that are supported.
    """
    unknown = [coding for coding in codings if coding not in DECODERS]
    if unknown or len(codings) > CODINGS_MAX:
        what = f"'{', '.join(codings)[:100]}'"
        supported = ", ".join(sorted({"identity", *DECODERS} - {"x-gzip"}))
        raise Problem(
            f"Unsupported Content-Encoding: {what}. Supported are: {supported}, "
            f"at most {CODINGS_MAX} of them.",
            status=415,
            type="invalid_request_error",
            code="unsupported_content_encoding",
            blame=Blame.CLIENT,
        )
    return [DECODERS[coding] for coding in codings]


def too_large(limit_bytes: int) -> Problem:
    """The 413 for a body beyond ``limit_bytes``."""
    return Problem(
        f"The request body is larger than {_size(limit_bytes)}, the most that is accepted here "
        "(plain, and as it swells when decompressed). Send less.",
        status=413,
        type="invalid_request_error",
        code="request_too_large",
        blame=Blame.CLIENT,
    )


def _gzip(data: bytes, allowed: int) -> bytes:
    return _zlib(data, allowed, "gzip", 16 + zlib.MAX_WBITS)


def _deflate(data: bytes, allowed: int) -> bytes:
    """``deflate`` means zlib (RFC 9110), but some send it without zlib's two bytes of head."""
    head = int.from_bytes(data[:2], "big")
    has_head = head >> 8 & 0x0F == zlib.DEFLATED and head % 31 == 0
    return _zlib(data, allowed, "deflate", zlib.MAX_WBITS if has_head else -zlib.MAX_WBITS)


def _zlib(data: bytes, allowed: int, coding: str, wbits: int) -> bytes:
    decoder = zlib.decompressobj(wbits)
    try:
        plain = decoder.decompress(data, allowed + 1)
    except zlib.error:
        raise _garbage(coding) from None
    if len(plain) > allowed:
        raise too_large(allowed)
    if not decoder.eof or decoder.unused_data:  # cut short, or more than the one member it may be
        raise _garbage(coding)
    return plain


def _zstd(data: bytes, allowed: int) -> bytes:
    try:
        head = zstandard.get_frame_parameters(data)
        if head.content_size != zstandard.CONTENTSIZE_UNKNOWN and head.content_size > allowed:
            raise too_large(allowed)
        decoder = zstandard.ZstdDecompressor(max_window_size=WINDOW_BYTES)
        return decoder.decompress(data, max_output_size=allowed, allow_extra_data=False)
    except zstandard.ZstdError:
        if _swells(data, allowed):
            raise too_large(allowed) from None
        raise _garbage("zstd") from None


def _swells(data: bytes, allowed: int) -> bool:
    """Whether a frame that failed did so because more than ``allowed`` bytes are in it."""
    decoder = zstandard.ZstdDecompressor(max_window_size=WINDOW_BYTES)
    try:
        with decoder.stream_reader(data) as reader:
            seen = 0
            while seen <= allowed and (piece := reader.read(MIB)):
                seen += len(piece)
    except zstandard.ZstdError:
        return False
    return seen > allowed


def _garbage(coding: str) -> Problem:
    return bad_request(
        f"The request body could not be decompressed: it is not one whole '{coding}' stream, "
        "as its Content-Encoding says. Send it again, or without compression."
    )


def _size(size_bytes: int) -> str:
    return f"{size_bytes / MIB:g} MiB" if size_bytes >= MIB else f"{size_bytes} bytes"


DECODERS: dict[str, Decoder] = {"gzip": _gzip, "x-gzip": _gzip, "deflate": _deflate, "zstd": _zstd}
"""Content coding -> what undoes it: (data, most bytes that may come out) -> plain."""
