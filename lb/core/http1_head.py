"""The head of an HTTP/1.1 answer: its text in, status and headers out.

Strict where two readers could differ, patient where they cannot: a lone LF ends a line, a field may
be folded. Sources: RFC 9112 (2.2, 4, 5, 9.3), RFC 9110.
"""

import re

from msgspec import Struct

from lb.core.remembered import Remembered, shorter_than

_LONG = 256  # characters of a line; such ones are not remembered, since an upstream chooses them
_ANEW = ("x-request-id:", "x-ratelimit-remaining-", "openai-processing-ms:", "cf-ray:", "set-cook")
"""How headers begin that are others with each answer: to remember them only fills the memory."""
_STATUS = re.compile(r"HTTP/1\.([01]) ([1-9][0-9]{2})(?: [^\n]*)?")
_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")


class Garbled(Exception):  # noqa: N818  # the house's word
    """What came is no HTTP/1.1."""


class Head(Struct, gc=False):
    """The head of an answer; ``headers`` lower-case, of two with one name the last."""

    status: int
    headers: dict[str, str]


def blank_in(data: bytes, start: int) -> tuple[int, int]:
    """Where the first line before a blank one ends, and where what follows begins; 0: nowhere.

    Each spelling is found faster on its own than both by a pattern.
    """
    usual = data.find(b"\n\r\n", start)
    bare = data.find(b"\n\n", start, usual + 1 if usual >= 0 else len(data))
    if bare >= 0:
        return bare, bare + 2
    return usual, usual + 3 if usual >= 0 else 0


def read(text: bytes) -> tuple[str, Head]:
    """The minor version, and the head. Raises: Garbled."""
    first, *lines = text.decode("utf-8", "surrogateescape").split("\n")
    version, status = _statuses[first]
    return version, Head(status, _headers(lines))


def _status(line: str) -> tuple[str, int]:
    """Minor version and status. Raises: Garbled."""
    found = _STATUS.fullmatch(line.removesuffix("\r"))
    if found is None:
        raise Garbled("a status line that is none")
    return found[1], int(found[2])


_statuses = Remembered(_status, 256, lambda line: len(line) < _LONG)


def _headers(lines: list[str]) -> dict[str, str]:
    """Name -> value. Raises: Garbled."""
    try:
        headers = dict(map(_fields.__getitem__, lines))
    except Garbled:
        return _one_by_one(lines)  # a folded line is no header by itself
    return headers if len(headers) == len(lines) else _one_by_one(lines)


def _one_by_one(lines: list[str]) -> dict[str, str]:
    """The same of any lines: folded, long, or several with one name. Raises: Garbled."""
    headers: dict[str, str] = {}
    name = ""
    for line in lines:
        if line[0] in " \t" and name:
            headers[name] += " " + _parted(f"{name}:{line}")[1]
            continue
        name, value = _parted(line)
        if name in _ONCE and headers.get(name, value) != value:
            raise Garbled(f"two headers {name}")
        headers[name] = value
    return headers


def _parted(line: str) -> tuple[str, str]:
    """Name and value of a header. Raises: Garbled."""
    key, colon, value = line.partition(":")
    name = _names[key]
    if not colon or not name:
        raise Garbled("a header that is none")
    value = value.strip()
    if "\r" in value or "\0" in value:
        raise Garbled("a header with a control character")
    return name, value


_names: Remembered[str, str] = Remembered(
    lambda key: key.lower() if _NAME.fullmatch(key) else "", 1024, shorter_than(64)
)
"""A header's name in lower case; empty where it is none."""


def _comes_again(line: str) -> bool:
    return len(line) < _LONG and not line.lower().startswith(_ANEW)


_fields = Remembered(_parted, 2048, _comes_again)
"""The same, remembered: most come with every answer."""


_ONCE = frozenset({"content-length", "transfer-encoding"})
"""Headers that say how long an answer is: two that differ are two readings of it."""


def keeps(version: str, headers: dict[str, str]) -> bool:
    """Whether the connection stays open after this answer. Source: RFC 9112, 9.3."""
    told = headers.get("connection")
    if told is None:
        return version == "1"
    options = {option.strip() for option in told.lower().split(",")}
    return "close" not in options and (version == "1" or "keep-alive" in options)
