"""What can happen to an account: the one vocabulary of the house.

Health consumes these, the journal keeps them, the admin page prints them. Each carries the
account's id and the instant ``at`` (unix seconds), and whatever a decision needs (``jitter`` in
0..1 stands for chance), so that a replay of events rebuilds the same pool.
"""

from attrs import frozen

from lb.core.windows import Window


@frozen
class Event:
    """Something happened to ``account`` at ``at`` (unix seconds)."""

    account: str
    at: float


@frozen
class Succeeded(Event):
    """The account answered well; ``at`` is when it was asked."""


@frozen
class Doubted(Event):
    """Soft evidence: 5xx, cut, silence, garbage. Makes the account second choice, never out."""

    reason: str
    jitter: float = 1.0


@frozen
class Throttled(Event):
    """A burst limit, on the upstream's word. ``until``: unix seconds, None: it named no time."""

    reason: str
    until: float | None = None
    jitter: float = 0.0


@frozen
class Exhausted(Event):
    """A quota is proven spent until ``until`` (unix seconds)."""

    reason: str
    until: float


@frozen
class Refreshing(Event):
    """The access token died; a refresh is under way."""


@frozen
class Refused(Event):
    """The account is out until a person acts."""

    reason: str


@frozen
class Restored(Event):
    """A person, a fresh reading or a new credential says the account can serve again."""

    reason: str = ""


@frozen
class Paused(Event):
    """An operator took the account out."""


@frozen
class Resumed(Event):
    """An operator put the account back."""


@frozen
class Blocked(Event):
    """The account cannot serve ``model`` until ``until`` (unix seconds)."""

    model: str
    until: float
    reason: str


@frozen
class Measured(Event):
    """Fresh readings of usage windows."""

    windows: tuple[Window, ...]


VOCABULARY: dict[str, type[Event]] = {
    kind.__name__.lower(): kind
    for kind in (
        Succeeded,
        Doubted,
        Throttled,
        Exhausted,
        Refreshing,
        Refused,
        Restored,
        Paused,
        Resumed,
        Blocked,
        Measured,
    )
}
