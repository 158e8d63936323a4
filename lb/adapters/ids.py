"""Ids nobody can guess: the system's own chance, drawn by the page, since each draw is a call."""

from os import register_at_fork, urandom

BYTES = 16  # of an id: as many as a UUID has
_PAGE = 256 * BYTES
_drawn = bytearray()


def new_id() -> str:
    """32 hexadecimal digits."""
    if not _drawn:
        _drawn.extend(urandom(_PAGE))
    told = _drawn[-BYTES:].hex()
    del _drawn[-BYTES:]
    return told


register_at_fork(after_in_child=_drawn.clear)
"""Two processes never go on in the same page."""
