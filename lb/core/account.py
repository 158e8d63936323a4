"""An account: what the config says (``Account``), what a request wants (``Ask``)."""

from fnmatch import translate
from functools import lru_cache
from re import Pattern
from re import compile as compile_pattern

from attrs import field, frozen
from msgspec import Struct

from lb.core.secret import Secret

FEATURES = frozenset(
    {"previous_response_id", "store", "truncation", "conversation", "background", "file_id"}
)
"""State a request can lean on; an account names in ``supports`` what it keeps."""

PROVIDERS: dict[str, tuple[str, ...]] = {
    "openai": ("openai",),
    "chatgpt": ("chatgpt", "openai"),
    "azure": ("azure", "openai"),
    "compatible": ("compatible",),
    "simulated": ("simulated", "openai"),
}
"""Kind of an account -> what a model's prefix (``openai/gpt-5.5``) may call it."""


@frozen
class Only:
    """A condition an account must fulfil: to go by one of ``names``.

    ``why`` says who set it, for the message when nobody fulfils it; ``labels`` whether labels alone
    count, not ids, kinds or providers.
    """

    names: frozenset[str]
    why: str
    labels: bool = False


@frozen
class Timeouts:
    """Patience with an upstream, in seconds."""

    connect_s: float = 4.0
    head_s: float = 60.0  # to the head of a streamed answer
    answer_s: float = 600.0  # to the end of an answer that is not streamed
    idle_s: float = 300.0  # between two frames


@frozen
class Simulation:
    """How a simulated account behaves: shares 0..1, times in seconds."""

    delay_s: float = 0.05  # to the first event
    interval_s: float = 0.01  # between deltas
    fail_share: float = 0.0  # how many of its answers fail
    requests_per_minute: int | None = None  # beyond: 429 with the time
    seed: int = 0


@frozen
class Account:
    """One upstream account, as the config says it. Nothing here changes while it serves."""

    id: str
    kind: str
    base_url: str = ""
    api_key: Secret | None = None
    auth_file: str | None = None
    issuer: str = ""
    models: tuple[str, ...] = ()
    priority: int = 0
    weight: float = 1.0
    max_in_flight: int = 64
    labels: frozenset[str] = frozenset()
    supports: frozenset[str] = frozenset()
    fields: dict[str, str] = field(factory=dict)  # request field -> strip | reject; absent: pass
    proxy: str | None = None
    headers: dict[str, Secret] = field(factory=dict)
    timeouts: Timeouts = Timeouts()
    simulation: Simulation = Simulation()
    websocket: str = ""  # never | as_client | always; empty: as the kind is used to
    enabled: bool = True
    stripped: tuple[str, ...] = field(init=False)  # those of ``fields`` that are left out

    @stripped.default
    def _stripped(self) -> tuple[str, ...]:
        return tuple(name for name, verdict in self.fields.items() if verdict == "strip")

    @property
    def names(self) -> frozenset[str]:
        """All it goes by: id, labels, kind, providers."""
        return self.labels | {self.id, self.kind, *PROVIDERS.get(self.kind, ())}

    def fulfils(self, only: tuple[Only, ...]) -> bool:
        """Whether it goes by one of the names of every condition."""
        return all(each.names & (self.labels if each.labels else self.names) for each in only)

    def takes(self, needs: frozenset[str]) -> bool:
        """Whether the account rejects none of the request fields in ``needs``."""
        return not needs or all(self.fields.get(need) != "reject" for need in needs)

    def serves(self, model: str) -> bool:
        """Whether the account's globs admit ``model``."""
        return admits(self.models, model)


class Ask(Struct, frozen=True, gc=False, array_like=True):
    """What a request wants of an account. A Struct: each request makes a few.

    ``client`` scopes everything that is remembered; ``needs`` the request fields some kind of
    upstream rejects (see fields); ``anchors`` are names of state that only its owner holds (already
    scoped, see affinity), ``session`` the soft key of the conversation; ``kinds`` the only kinds of
    account that have the endpoint (empty: all); ``bound`` whether the request is lost without the
    anchors, so that only their owner can serve it. ``accounts`` and ``labels`` are what the
    client's key is limited to: an account named there, or with such a label; both empty: any.
    ``only`` are conditions every account must fulfil, ``order`` the names of accounts to be
    preferred, best first.
    """

    model: str
    client: str = ""
    needs: frozenset[str] = frozenset()
    accounts: frozenset[str] = frozenset()
    labels: frozenset[str] = frozenset()
    anchors: tuple[str, ...] = ()
    session: str = ""
    bound: bool = False
    kinds: frozenset[str] = frozenset()
    only: tuple[Only, ...] = ()
    order: tuple[str, ...] = ()

    def may_use(self, account: Account) -> bool:
        """Whether the client's key may be served by ``account``."""
        if not self.accounts and not self.labels:
            return True
        return account.id in self.accounts or not self.labels.isdisjoint(account.labels)

    def rank(self, account: Account) -> int:
        """How soon ``order`` wants the account: 0 first."""
        names = account.names if self.order else frozenset()
        return next((at for at, name in enumerate(self.order) if name in names), len(self.order))


def admits(globs: tuple[str, ...], name: str) -> bool:
    """Whether ``name`` matches one of ``globs``; no globs admit all."""
    return not globs or any(pattern.match(name) for pattern in _compiled(globs))


@lru_cache(maxsize=4096)
def _compiled(globs: tuple[str, ...]) -> tuple[Pattern[str], ...]:
    return tuple(compile_pattern(translate(glob)) for glob in globs)
