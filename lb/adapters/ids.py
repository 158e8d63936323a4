"""Ids nobody can guess: the system's own chance, drawn by the page, since each draw is a call."""

from os import register_at_fork, urandom

BYTES = 16  # of an id: as many as a UUID has
_TIME_DIGITS = 12  # of a request's id
_PAGE = 256 * BYTES
_drawn = bytearray()


def new_id() -> str:
    """32 hexadecimal digits."""
    if not _drawn:
        _drawn.extend(urandom(_PAGE))
    told = _drawn[-BYTES:].hex()
    del _drawn[-BYTES:]
    return told


def request_id(now: float) -> str:
    """A request's id, of one that came ``now`` (unix seconds): a later one's sorts behind it.

    So the ledger's index grows at its end (RFC 9562, 6.11, says the same of UUIDs): a row of a long
    ledger costs a third. The other 80 bits are chance.
    """
    return f"req_{int(now * 1000):0{_TIME_DIGITS}x}{new_id()[_TIME_DIGITS:]}"


register_at_fork(after_in_child=_drawn.clear)
"""Two processes never go on in the same page."""
