"""Which models the accounts themselves list: asked, kept, and asked again in the background."""

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import structlog
from attrs import define, evolve, field

from lb.adapters.clock import Clock
from lb.adapters.files import write_private
from lb.core.account import Account, Ask
from lb.core.catalog import spelt_out
from lb.core.errors import Problem
from lb.core.plans import Plan
from lb.core.pool import Pool
from lb.core.slot import Slot
from lb.core.upstreams import KINDS
from lb.proxy.attempt import Tries

FRESH_S = 300.0
RETRY_S = 30.0  # an account that could not list its models is asked again after this
FIRST_ASK_S = 3.0  # how long a client waits for a list nobody has yet
EVERYTHING = Plan()
_log = structlog.get_logger()


@define
class Listing:
    """What one account listed, and when (unix seconds)."""

    models: dict[str, dict[str, Any]]
    at: float
    ok: bool
    codex: dict[str, dict[str, Any]] = field(factory=dict)  # as Codex's catalog has them


@define(eq=False)
class Catalog:
    """The union of the accounts' lists."""

    pool: Pool
    tries: Tries
    clock: Clock
    kept_at: Path | None = None
    _listings: dict[str, Listing] = field(factory=dict)
    _refresh: asyncio.Task[None] | None = None
    _seen_ns: int = 0  # when what is kept was last written

    async def models(self, plan: Plan = EVERYTHING) -> list[dict[str, Any]]:
        """The models that some account serves and a key with ``plan`` may use, by id."""
        await self._known()
        union: dict[str, dict[str, Any]] = {}
        ask = Ask("", accounts=plan.accounts, labels=plan.labels)
        for slot in self.pool.enabled():
            if not ask.may_use(slot.account):
                continue
            for name, model in self._of(slot.account).items():
                if plan.admits(name):
                    union.setdefault(name, model)
        return [union[name] for name in sorted(union)]

    async def codex_models(self, plan: Plan = EVERYTHING) -> list[dict[str, Any]]:
        """The same as Codex's catalog has them, best first; only what a Codex account listed."""
        await self._known()
        union: dict[str, dict[str, Any]] = {}
        ask = Ask("", accounts=plan.accounts, labels=plan.labels)
        for slot in self.pool.enabled():
            listing = self._listings.get(slot.id)
            if listing is None or not ask.may_use(slot.account):
                continue
            for name, model in listing.codex.items():
                if slot.account.serves(name) and plan.admits(name):
                    union.setdefault(name, model)
        return sorted(union.values(), key=lambda model: (model.get("priority", 0), model["slug"]))

    async def _known(self) -> None:
        """Ask again in the background; wait a little only for accounts nothing is known of."""
        stale = self._stale()
        if stale:
            task = self._refreshing(stale)
            if any(slot.id not in self._listings for slot in stale):
                await asyncio.wait({task}, timeout=FIRST_ASK_S)

    def knows(self, name: str) -> bool:
        """Whether some account lists a model of just this name, or the config gives it one."""
        return any(
            name in listing.models
            for id_, listing in self._listings.items()
            if id_ in self.pool.slots
        ) or any(
            spelt_out(glob, name)
            for slot in self.pool.enabled()
            for glob in slot.account.models
            if set(":/") & set(glob) or glob == name
        )

    def _of(self, account: Account) -> dict[str, dict[str, Any]]:
        listing = self._listings.get(account.id)
        listed = dict(listing.models) if listing is not None else {}
        for name in account.models:
            if not set(name) & set("*?["):
                listed.setdefault(name, _model(name, 0, account.kind))
        return {name: model for name, model in listed.items() if account.serves(name)}

    def _stale(self) -> list[Slot]:
        now = self.clock.now()
        return [slot for slot in self.pool.enabled() if self._is_stale(slot.id, now)]

    def _is_stale(self, account: str, now: float) -> bool:
        listing = self._listings.get(account)
        return listing is None or now - listing.at > (FRESH_S if listing.ok else RETRY_S)

    def _refreshing(self, stale: list[Slot]) -> asyncio.Task[None]:
        if self._refresh is None or self._refresh.done():
            self._refresh = asyncio.create_task(self.refresh(stale))
        return self._refresh

    async def refresh(self, slots: list[Slot] | None = None) -> None:
        """Ask the accounts that were not asked lately; one that fails keeps its last list."""
        await asyncio.gather(*(self._ask(slot) for slot in slots or self._stale()))

    async def _ask(self, slot: Slot) -> None:
        now, known = self.clock.now(), self._listings.get(slot.id)
        try:
            body = await self.tries.fetch(slot.account, KINDS[slot.account.kind].models_path)
        except Problem as problem:
            _log.info("models_not_listed", account=slot.id, reason=problem.message)
            kept = known or Listing({}, now, ok=False)
            self._listings[slot.id] = evolve(kept, at=now, ok=False)
        else:
            models, codex = listed(body, slot.account.kind), listed_for_codex(body)
            self._listings[slot.id] = Listing(models, now, ok=True, codex=codex)
            self._keep()

    def follow(self) -> None:
        """Take up what another worker has kept since this was last asked; it blocks."""
        try:
            changed_ns = 0 if self.kept_at is None else self.kept_at.stat().st_mtime_ns
        except OSError:
            return
        if changed_ns != self._seen_ns:
            self._seen_ns = changed_ns
            self.recall(self.clock.now())

    def recall(self, at: float = 0.0) -> None:
        """Take up what was listed ``at`` some time; before a restart: it is asked again soon."""
        if self.kept_at is None:
            return
        try:
            kept = msgspec.json.decode(self.kept_at.read_bytes(), type=dict[str, dict[str, Any]])
            for account, told in kept.items():
                self._listings[account] = Listing(told["models"], at, ok=True, codex=told["codex"])
        except (OSError, msgspec.DecodeError, KeyError):
            return

    def _keep(self) -> None:
        if self.kept_at is None:
            return
        told = {
            account: {"models": listing.models, "codex": listing.codex}
            for account, listing in self._listings.items()
            if account in self.pool.slots
        }
        try:
            write_private(self.kept_at, msgspec.json.encode(told))
        except OSError as error:
            _log.warning("catalog_not_kept", reason=str(error))


def listed_for_codex(body: bytes) -> dict[str, dict[str, Any]]:
    """The entries of Codex's catalog (``{"models": [...]}``) as they came, by slug."""
    try:
        answer = msgspec.json.decode(body, type=dict[str, Any])
    except msgspec.DecodeError:
        return {}
    entries = answer.get("models")
    if not isinstance(entries, list):
        return {}
    return {
        entry["slug"]: entry
        for entry in entries
        if isinstance(entry, dict) and isinstance(entry.get("slug"), str)
    }


def listed(body: bytes, owner: str) -> dict[str, dict[str, Any]]:
    """The models of an OpenAI list (``data``) or of Codex's catalog (``models``), by id."""
    try:
        answer = msgspec.json.decode(body, type=dict[str, Any])
    except msgspec.DecodeError:
        return {}
    found: dict[str, dict[str, Any]] = {}
    for entry in answer.get("data") or answer.get("models") or ():
        name = entry.get("id") or entry.get("slug") if isinstance(entry, dict) else None
        if isinstance(name, str):
            created = entry.get("created")
            owned_by = entry.get("owned_by")
            found[name] = _model(
                name,
                created if isinstance(created, int) else 0,
                owned_by if isinstance(owned_by, str) else owner,
            )
    return found


def _model(name: str, created: int, owner: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": created, "owned_by": owner}
