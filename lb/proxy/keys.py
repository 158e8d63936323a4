"""The keys of the clients at run time: made, changed, ended; file's and store's as one ring.

A change made here counts at once; one that another process wrote to the store, after ``follow``.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from attrs import define, evolve, field

from lb.adapters.keys import KeyStore, mint, rotated, with_key
from lb.adapters.stores import Store
from lb.config import Config, ConfigError
from lb.config.checks import NAME
from lb.config.plans import stored, stored_keys
from lb.core.allowance import told_of
from lb.core.errors import Blame, Problem
from lb.core.keyring import Keyring, Record
from lb.core.limits import Limits, Spending
from lb.core.plans import PERIODS
from lb.core.secret import Secret
from lb.core.spans import bounds
from lb.core.throttle import Throttle

Spent = Callable[[float], Awaitable[list[Spending]]]
"""What each key has used since an instant (unix seconds), by the ledger."""
SPAN: Final = re.compile(r"(\d{1,5})([smhdw])")
UNITS_S: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
GRACE_S: Final = 86400.0
"""How long the old key opens after a rotation, where nobody says."""
MOST_TRIES: Final = 8
"""So often a change is made again that another process's change got in the way of."""


def _nothing() -> None:
    return


@define(eq=False)
class Keys:
    """``on_change`` is told whenever the ring is another one.

    ``limits`` and ``throttle`` are what the keys have used, and how often wrong ones were tried.
    ``on_written`` is waited for after a change made here: so others know before it is answered.
    """

    config: Config
    store: KeyStore
    now: Callable[[], float]
    on_change: Callable[[], None] = _nothing
    ring: Keyring = field(factory=Keyring)
    records: dict[str, Record] = field(factory=dict)
    limits: Limits = field(factory=Limits)
    throttle: Throttle = field(factory=Throttle)
    restored: bool = False
    on_written: Callable[[], Awaitable[object]] | None = None
    _revision: tuple[int, int] | None = None
    _one_at_a_time: asyncio.Lock = field(factory=asyncio.Lock)

    def __attrs_post_init__(self) -> None:
        """The file's keys are known at once."""
        self._rebuild()

    def take_up(self, config: Config) -> None:
        """Another configuration counts from now on."""
        self.config = config
        self._rebuild()

    @property
    def certain(self) -> bool:
        """Whether the store could be asked at least once."""
        return self._revision is not None

    async def follow(self, spent: Spent | None = None) -> None:
        """Look whether the store has changed, and take it up; once, what was used before, too.

        Raises: StoreAway.
        """
        if spent is not None and not self.restored:
            await self._restore(spent)
        revision = await self.store.revision()
        if revision != self._revision:
            self.records = {record.name: record for record in await self.store.load()}
            self._revision = revision
            self._rebuild()

    def _rebuild(self) -> None:
        kept = [key for record in self.records.values() for key in stored_keys(record, self.config)]
        self.ring = Keyring.of(self.config.keys, kept)
        self.limits.take_up({key.name: key.plan for key in self.ring.by_name.values()})
        self.on_change()

    async def _restore(self, spent: Spent) -> None:
        now = self.now()
        begins = {per: bounds(per, now)[0] for per in PERIODS}
        self.limits.restore({per: await spent(begin) for per, begin in begins.items()}, now)
        self.restored = True

    async def told(self, name: str = "") -> dict[str, Any]:
        """What ``/admin/keys`` says of one key, or of all. Raises: Problem (404)."""
        if name:
            return self.told_of(name)
        return {
            "object": "list",
            "data": [self.told_of(each) for each in sorted(self.ring.by_name)],
        }

    def told_of(self, name: str) -> dict[str, Any]:
        """A key as JSON: nothing in it opens anything. Raises: Problem (404)."""
        key = self.ring.by_name.get(name)
        if key is None:
            raise no_such_key(name)
        record = self.records.get(name) if key.source == "store" else None
        told = told_of(key, self.limits.of(name), self.now())
        return {
            "name": name,
            **told,
            "object": "key",
            "own": dict(record.limits) if record else {},
            "created_at": record.created_at if record else None,
            "old_until": (record.old_until or None) if record else None,
        }

    async def create(
        self, name: str, plan: str = "", limits: Mapping[str, Any] | None = None
    ) -> tuple[Record, Secret]:
        """A new key. It is told here, once. Raises: Problem (400, 409)."""
        if NAME.fullmatch(name) is None:
            raise _mistake(f"'{name[:64]}' is no usable name", "name")
        key = mint()
        told = dated(limits or {}, self.now())
        record = Record(name, b"", "", plan, told, created_at=self.now())
        async with self._one_at_a_time:
            await self.follow()
            free = name not in self.ring.by_name and name not in self.records
            made = await self._write(with_key(record, key)) if free else None
        if made is None:
            raise _conflict(f"There is a key named '{name}' already.")
        return made, key

    async def rotate(self, name: str, grace_s: float = GRACE_S) -> tuple[Record, Secret]:
        """A new key for a name; the old one opens for ``grace_s`` more. Raises: Problem."""
        key, until = mint(), self.now() + max(0.0, grace_s)
        return await self._turn(name, lambda record: rotated(record, key, until)), key

    async def change(self, name: str, changes: Mapping[str, Any]) -> Record:
        """Set ``plan``, ``disabled``, or ``limits`` (merged; None takes one away).

        Raises: Problem (400, 404, 409).
        """
        said = dated(changes.get("limits", {}), self.now())

        def changed(record: Record) -> Record:
            limits = {**record.limits, **said}
            limits = {each: value for each, value in limits.items() if value is not None}
            plan = changes.get("plan", record.plan) or ""
            disabled = changes.get("disabled", record.disabled)
            return evolve(record, plan=plan, disabled=disabled, limits=limits)

        return await self._turn(name, changed)

    async def delete(self, name: str) -> None:
        """End a key for ever. Raises: Problem (404, 409)."""
        async with self._one_at_a_time:
            await self._own(name)
            await self.store.delete(name)
            await self._written()

    async def _turn(self, name: str, into: Callable[[Record], Record]) -> Record:
        """Turn a record into another one, as it is when it is written, whoever else writes."""
        async with self._one_at_a_time:
            for _ in range(MOST_TRIES):
                if (written := await self._write(into(await self._own(name)))) is not None:
                    return written
        raise _conflict(f"The key '{name}' was being changed all the while; try again.")

    async def _own(self, name: str) -> Record:
        """The store's record of a name. Raises: Problem (404, 409)."""
        await self.follow()
        if any(key.name == name for key in self.config.keys):
            raise _conflict(f"The key '{name}' is declared in accounts.toml; change it there.")
        if name not in self.records:
            raise no_such_key(name)
        return self.records[name]

    async def _write(self, record: Record) -> Record | None:
        """The record as it stands now; None, and nothing done, if another process was faster."""
        if record.plan and record.plan not in self.config.plans:
            known = ", ".join(sorted(self.config.plans)) or "none is configured"
            raise _mistake(f"There is no plan '{record.plan[:64]}': {known}", "plan")
        try:
            stored(record.limits, self.config)
        except ConfigError as error:
            raise _mistake(str(error).replace("\n", "; "), error.mistakes[0].path) from None
        if not await self.store.put(record):
            return None
        await self._written()
        return self.records.get(record.name, record)

    async def _written(self) -> None:
        await self.follow()
        if self.on_written is not None:
            await self.on_written()


def keys_in(
    store: Store, config: Config, now: Callable[[], float], limits: Limits | None = None
) -> Keys:
    """The keys of ``config`` and ``store``; the latter after ``follow``."""
    from lb.adapters.stores.client_keys import ClientKeys  # and with it SQLAlchemy

    return Keys(config, ClientKeys(store), now, limits=limits or Limits())


def dated(limits: Mapping[str, Any], now: float) -> dict[str, Any]:
    """The limits with a span of ``expires`` ("30d", from ``now`` on) as the instant it ends at."""
    seconds = seconds_of(str(limits.get("expires", "")))
    if seconds is None:
        return dict(limits)
    return {**limits, "expires": datetime.fromtimestamp(now + seconds, UTC).isoformat()}


def seconds_of(span: str) -> float | None:
    """The seconds of "30d", "12h", "90s"; None for what is no span."""
    match = SPAN.fullmatch(span)
    return None if match is None else float(int(match[1]) * UNITS_S[match[2]])


def no_such_key(name: str) -> Problem:
    """The 404 for a name no key has."""
    return _client_problem(404, f"There is no key named '{name[:64]}'.", "key_not_found", "name")


def _conflict(message: str) -> Problem:
    return _client_problem(409, message, "key_conflict", "name")


def _mistake(message: str, param: str) -> Problem:
    return _client_problem(400, f"{message}.", "invalid_value", param)


def _client_problem(status: int, message: str, code: str, param: str) -> Problem:
    return Problem(
        message,
        status=status,
        type="invalid_request_error",
        code=code,
        param=param,
        blame=Blame.CLIENT,
        should_retry=False,
    )
