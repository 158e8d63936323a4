"""Read a request body: in time, in bounds, plain.

aiohttp bounds neither the time a body may take nor what it may swell to, so the server runs with
``auto_decompress=False`` and reads here. Authenticate before reading: bytes cost memory.
"""

import asyncio
from collections.abc import Awaitable

from aiohttp import hdrs, web
from aiohttp.streams import StreamReader

from lb.core.body import Source
from lb.core.errors import Blame, Problem, bad_request
from lb.core.inflate import MIB, decoders, inflate, too_large

BODY_S = 20.0  # for the first bytes and any pause; what nginx and Envoy call a body timeout is 60
BODY_S_PER_MIB = 1.0  # a line of 8 Mbit/s is never cut
INLINE_BYTES = (
    64 * 1024
)  # compressed; above it a thread does the work: it could take the loop 10 ms


def read_body(
    request: web.Request,
    limit_bytes: int,
    *,
    base_s: float = BODY_S,
    per_mib_s: float = BODY_S_PER_MIB,
) -> Awaitable[Source]:
    """The plain body of ``request``, at most ``limit_bytes`` of it, on the wire and plain.

    It has ``base_s`` and ``per_mib_s`` for each MiB received to arrive. After a Problem some of it
    may be unread (``is_unread``): then the answer has to close the connection.

    Raises: Problem: 400 for another content type than JSON or a body that is garbage, 408 when it
    is too slow, 413 when it is too large, 415 for a content coding that is not supported;
    ConnectionResetError when the client has left.
    """
    _check_type(request)
    return read_any(request, limit_bytes, base_s=base_s, per_mib_s=per_mib_s)


async def read_any(
    request: web.Request,
    limit_bytes: int,
    *,
    base_s: float = BODY_S,
    per_mib_s: float = BODY_S_PER_MIB,
) -> Source:
    """As ``read_body``, whatever the content type (a form with a file in it, say)."""
    codings = _codings(request)
    if (request.content_length or 0) > limit_bytes:
        raise too_large(limit_bytes)
    content = request.content
    if content.is_eof():  # most bodies came with their head
        data: Source = content.read_nowait()
        if len(data) > limit_bytes:
            raise too_large(limit_bytes)
    else:
        data = await _received(content, limit_bytes, base_s, per_mib_s)
    if not codings:
        return data
    if len(data) <= INLINE_BYTES and len(codings) == 1:
        return inflate(bytes(data), codings, limit_bytes)
    return await asyncio.to_thread(inflate, bytes(data), codings, limit_bytes)


def is_unread(request: web.Request) -> bool:
    """Whether part of the body is still to come, so that the connection serves no other request."""
    return not request.content.is_eof()


async def _received(
    content: StreamReader, limit_bytes: int, base_s: float, per_mib_s: float
) -> Source:
    received = bytearray()  # one buffer: a million chunks of a byte each must not cost 40 MB
    begun = asyncio.get_running_loop().time()
    try:
        async with asyncio.timeout_at(begun + base_s) as patience:
            while piece := await content.readany():
                received += piece
                if len(received) > limit_bytes:
                    raise too_large(limit_bytes)
                patience.reschedule(begun + base_s + per_mib_s * len(received) / MIB)
    except TimeoutError:
        raise _too_slow(len(received)) from None
    except web.RequestPayloadError:
        raise bad_request("The request body is framed wrongly (chunked encoding).") from None
    except RuntimeError as error:  # aiohttp's word for a client that left before the first byte
        raise ConnectionResetError(str(error)) from None
    # a large one is not copied once more: it is never written to again
    return bytes(received) if len(received) <= INLINE_BYTES else received


def _codings(request: web.Request) -> tuple[str, ...]:
    if hdrs.CONTENT_ENCODING not in request.headers:
        return ()
    named = ",".join(request.headers.getall(hdrs.CONTENT_ENCODING))
    codings = tuple(
        coding
        for part in named.split(",")
        if (coding := part.strip().lower()) not in ("", "identity")
    )
    decoders(codings)  # an unknown one is refused before a byte is read
    return codings


def _check_type(request: web.Request) -> None:
    named = request.headers.get(hdrs.CONTENT_TYPE, "")
    if named == "application/json":
        return
    kind = named.partition(";")[0].strip().lower()
    if kind == "application/json" or (kind.startswith("application/") and kind.endswith("+json")):
        return
    what = f"Unsupported content type: '{named[:100]}'." if named else "Content type missing."
    raise bad_request(
        f"{what} This method only accepts JSON: send the header 'Content-Type: application/json'.",
        code="unsupported_content_type",
    )


def _too_slow(size_bytes: int) -> Problem:
    return Problem(
        f"The request body did not arrive in time ({size_bytes} bytes did). Send it again.",
        status=408,
        type="invalid_request_error",
        code="request_timeout",
        blame=Blame.CLIENT,
    )
