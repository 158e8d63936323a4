"""Raw requests: bytes in, bytes out, with a deadline; for what no HTTP client would send."""

import asyncio
import contextlib
import json
import re
from collections.abc import Mapping
from urllib.parse import urlsplit

from attrs import frozen

LONGEST_ANSWER_S = 8.0
SILENCE_S = 0.25  # a server that could answer has done so by then
_STATUS = re.compile(rb"HTTP/1\.[01] (\d{3}) ")


@frozen
class Reply:
    """What came back on the connection until the server closed it, and how long that took."""

    raw: bytes
    seconds: float

    @property
    def statuses(self) -> list[int]:
        """The status of each answer."""
        return [int(code) for code in _STATUS.findall(self.raw)]

    @property
    def body(self) -> bytes:
        """The body of the first answer."""
        return self.raw.partition(b"\r\n\r\n")[2]

    @property
    def is_envelope(self) -> bool:
        """Whether the body is OpenAI's error envelope."""
        try:
            error = json.loads(self.body)["error"]
        except (ValueError, KeyError, TypeError):
            return False
        return set(error) >= {"message", "type", "param", "code"} and bool(error["message"])


def post(
    body: bytes, headers: Mapping[str, str] | None = None, path: str = "/v1/responses"
) -> bytes:
    """A well-formed request that asks the server to close the connection after it."""
    told = {
        "Host": "localhost",
        "Content-Type": "application/json",
        "Content-Length": str(len(body)),
        "Connection": "close",
        **(headers or {}),
    }
    lines = [f"POST {path} HTTP/1.1", *(f"{name}: {value}" for name, value in told.items())]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


async def send(url: str, request: bytes, *, half_close: bool = False) -> Reply:
    """Send ``request`` as it is and read until the server hangs up.

    ``half_close``: once nothing comes, as when the request is not finished, say that no more will.

    Raises: TimeoutError when the server does not hang up in time: it hangs.
    """
    place = urlsplit(url)
    loop = asyncio.get_running_loop()
    began, parts = loop.time(), []
    async with asyncio.timeout(LONGEST_ANSWER_S):
        reader, writer = await asyncio.open_connection(place.hostname, place.port)
        with contextlib.suppress(ConnectionError):
            writer.write(request)
            await writer.drain()
            while half_close and (part := await _word(reader)):
                parts.append(part)
            if half_close:
                writer.write_eof()
            while part := await reader.read(65536):
                parts.append(part)
        writer.close()
    return Reply(b"".join(parts), loop.time() - began)


async def _word(reader: asyncio.StreamReader) -> bytes:
    """What the server says next; nothing when it is silent."""
    try:
        async with asyncio.timeout(SILENCE_S):
            return await reader.read(65536)
    except TimeoutError:
        return b""
