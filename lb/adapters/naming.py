"""Names that are made here."""

from secrets import token_hex

_RANDOM_BYTES = 10


def request_id(now: float) -> str:
    """A request's id, of one that came ``now`` (unix seconds): a later one's sorts behind it.

    So the ledger's rows come in the order of its index (RFC 9562, 6.11, says the same of UUIDs): a
    row of a long ledger costs a third. 80 bits are chance, and nobody guesses them.
    """
    return f"req_{int(now * 1000):012x}{token_hex(_RANDOM_BYTES)}"
