"""What a client key may do: its plan.

Money is in micro-USD (uusd), so that sums are exact; times are unix seconds.
"""

from typing import Any, Final

from attrs import evolve, field, frozen

from lb.core.account import admits
from lb.core.body import Body
from lb.core.errors import Blame, Problem
from lb.core.gateway.wish import NOTHING, Wish

UUSD: Final = 1_000_000
"""Micro-USD in a USD."""
PERIODS: Final = ("day", "week", "month", "total")
"""What a budget may be for: UTC days, weeks from Monday on, calendar months, all there ever is."""
EFFORTS: Final = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
"""Reasoning efforts, least first (OpenAI's names, and the seeds' ``max``)."""
ON_DISCONNECT: Final = ("abort", "drain")
COUNTED: Final = ("rpm", "rpd", "tpm", "tpd", "max_parallel")
"""Limits that are whole numbers: requests and tokens a minute and a day, requests at once."""


@frozen
class Budget:
    """What may be spent in a period; a new one begins with each."""

    uusd: int
    per: str = "month"


@frozen
class Plan:
    """What one may do and how much of it; None and empty: no limit.

    ``models`` and ``deny`` are globs, and deny wins; an account may be used when ``accounts`` names
    it or it carries one of ``labels``. ``balance_uusd`` is all that was ever paid in;
    ``drain_tokens`` how many tokens an answer may go on for after its client has left, where
    ``on_disconnect`` is "drain"; ``gateway`` what requests ask of lb itself unless they say.
    """

    name: str = ""
    models: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()
    accounts: frozenset[str] = frozenset()
    labels: frozenset[str] = frozenset()
    max_effort: str = ""
    rpm: int | None = None
    rpd: int | None = None
    tpm: int | None = None
    tpd: int | None = None
    max_parallel: int | None = None
    budget: Budget | None = None
    balance_uusd: int | None = None
    expires_at: float | None = None
    on_disconnect: str = "abort"
    drain_tokens: int = 0
    gateway: Wish = NOTHING

    drains: int = field(init=False)  # tokens that may still be generated for who has left
    has_limits: bool = field(init=False)  # on requests or tokens over time: clients are told
    is_metered: bool = field(init=False)  # money is limited: only models with a price may be used

    @drains.default
    def _drains(self) -> int:
        return self.drain_tokens if self.on_disconnect == "drain" else 0

    @has_limits.default
    def _has_limits(self) -> bool:
        return not (self.rpm is None is self.tpm is self.rpd is self.tpd)

    @is_metered.default
    def _is_metered(self) -> bool:
        return self.budget is not None or self.balance_uusd is not None

    def admits(self, *names: str) -> bool:
        """Whether the globs admit the model that goes by ``names``."""
        if self.deny and any(admits(self.deny, name) for name in names):
            return False
        return not self.models or any(admits(self.models, name) for name in names)

    def check_model(self, *names: str) -> None:
        """Raises: Problem (403) when the model that goes by ``names`` may not be used."""
        if not self.models and not self.deny:
            return
        if not self.admits(*names):
            raise forbidden(f"This API key does not have access to model '{names[0]}'")

    def check_effort(self, body: Body, model: str) -> None:
        """Raises: Problem (400) when a request asks for more reasoning than ``max_effort``.

        One that names no effort gets the model's own default. ``model:high`` names one, too; a
        level nobody knows counts as above all others.
        """
        if not self.max_effort:
            return
        most = EFFORTS.index(self.max_effort)
        asked = _effort_of(body)
        suffix = model.rpartition(":")[2]
        for effort in (asked, suffix if suffix in EFFORTS else ""):
            if effort and (effort not in EFFORTS or EFFORTS.index(effort) > most):
                raise _too_much_effort(effort, self.max_effort)


@frozen
class Key:
    """A client's key: never the key itself, only its SHA-256 (32 bytes) and its first characters.

    ``note`` says why it may not be used now whatever else holds; ``ends_at`` when this digest of
    it ends, for the one before a rotation.
    """

    name: str
    digest: bytes = field(repr=False)
    plan: Plan = Plan()
    prefix: str = ""
    source: str = "file"
    note: str = ""
    ends_at: float | None = None

    def refusal(self, now: float) -> str:
        """Why it lets nobody in at ``now``, in words for who holds it; empty: it does."""
        if self.note:
            return self.note
        if self.ends_at is not None and now >= self.ends_at:
            return "This API key was replaced by a new one."
        expires_at = self.plan.expires_at
        if expires_at is not None and now >= expires_at:
            return "This API key has expired."
        return ""

    @property
    def masked(self) -> str:
        """How it is shown: enough to recognise it by."""
        return f"{self.prefix}…" if self.prefix else "…"


def with_overrides(plan: Plan, overrides: dict[str, Any]) -> Plan:
    """The plan with a key's own values in place of the plan's."""
    return evolve(plan, **overrides) if overrides else plan


def _effort_of(body: Body) -> str:
    if not body.view("reasoning"):
        return ""
    reasoning = body.get("reasoning")
    effort = reasoning.get("effort") if isinstance(reasoning, dict) else None
    return effort if isinstance(effort, str) else ""


def forbidden(message: str, code: str = "model_not_allowed") -> Problem:
    """The 403 for a model that is not for this key."""
    return Problem(
        message,
        status=403,
        type="invalid_request_error",
        code=code,
        param="model",
        blame=Blame.CLIENT,
        should_retry=False,
    )


def unpriced(model: str) -> Problem:
    """The 403 for a model whose use could not be charged to the key's money."""
    return forbidden(
        f"The model '{model}' has no price here, so an API key with a budget or a balance cannot"
        " use it. Your operator can add one under [prices].",
        "model_not_priced",
    )


def _too_much_effort(effort: str, most: str) -> Problem:
    return Problem(
        f"This API key may use reasoning effort up to '{most}', not '{effort[:40]}'."
        f" Ask for '{most}' or less, or leave reasoning.effort out.",
        status=400,
        type="unsupported_capability",
        code="unsupported_capability",
        param="reasoning.effort",
        blame=Blame.CLIENT,
        should_retry=False,
    )
