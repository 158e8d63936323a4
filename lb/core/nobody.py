"""Nobody left to ask: the truth, never a shrug.

The message counts why ("2 exhausted until 14:05 UTC, 1 needs login"); the status tells a client
whether waiting helps.
"""

from collections import Counter
from datetime import UTC, datetime

from lb.core.account import Ask
from lb.core.errors import Blame, Problem
from lb.core.pool import Pool
from lb.core.slot import ANY_MOMENT, NEVER, SERVES, Slot, Verdict

LONGEST_RETRY_S = 30.0
"""Codex obeys Retry-After without a cap, up to 30 times: what is longer is not worth a retry."""
SOON_S = 1.0  # when to come back for what may be over at any moment

DAY_S = 86400.0
_PHRASES = {
    Verdict.READY: "ready",
    Verdict.SECOND: "doubtful",
    Verdict.BUSY: "busy",
    Verdict.COOLING: "cooling",
    Verdict.EXHAUSTED: "exhausted",
    Verdict.REFRESHING: "refreshing",
    Verdict.PROBING: "being probed",
    Verdict.REFUSED: "refused (need a person)",
    Verdict.PAUSED: "paused",
    Verdict.BLOCKED: "without the model",
    Verdict.MODEL: "not offering the model",
    Verdict.KIND: "without the endpoint",
    Verdict.FIELD: "not taking a field of the request",
    Verdict.ONLY: "not among those the request allows",
}
NO_ACCOUNT = (
    "No account is configured. Add one to accounts.toml, for example:"
    ' [[accounts]] id = "mine", kind = "openai", api_key_env = "OPENAI_API_KEY";'
    " the file is taken up within two seconds."
)

NOT_FOR_THIS_KEY = "None of the accounts this API key may use is in service. Tell your operator."


def nobody(pool: Pool, ask: Ask, now: float) -> Problem:
    """Why no account can serve ``ask`` and when one can (see facts: 503 no_accounts, 429, 404)."""
    slots = [slot for slot in pool.enabled() if ask.may_use(slot.account)]
    if not slots:
        limited = bool(ask.accounts or ask.labels) and any(True for _ in pool.enabled())
        return _unavailable(NOT_FOR_THIS_KEY if limited else NO_ACCOUNT)
    if (unmet := _unmet(slots, ask)) is not None:
        return _unavailable(unmet)
    verdicts = {slot.id: slot.judge(ask, now) for slot in slots}
    slots = [slot for slot in slots if verdicts[slot.id] is not Verdict.ONLY]
    if all(verdicts[slot.id] is Verdict.MODEL for slot in slots):
        return _no_such_model(ask)
    if all(verdict in NEVER for verdict in verdicts.values()) and ask.kinds:
        return _no_such_endpoint(ask)
    able = [slot for slot in slots if verdicts[slot.id] not in NEVER]
    told = describe(slots, ask, now)
    backs = [slot.back_at(verdicts[slot.id], ask) for slot in able]
    soonest = min((back for back in backs if back is not None), default=None)
    left = {verdicts[slot.id] for slot in able} - {Verdict.REFUSED, Verdict.PAUSED}
    if left & ANY_MOMENT:
        soonest = now + SOON_S
    if left == {Verdict.EXHAUSTED} and soonest is not None:
        return _spent(told, soonest, now)
    if left & {Verdict.COOLING, Verdict.EXHAUSTED} and not left & SERVES:
        return _too_fast(told, soonest, now)
    if left == {Verdict.BLOCKED}:
        return _no_such_model(ask)
    soon_at = now + SOON_S if left & ANY_MOMENT else None
    return _unavailable(f"No account can serve this now: {told}.", soon_at)


def _unmet(slots: list[Slot], ask: Ask) -> str | None:
    """Which condition of the request leaves no account, in words; None when some are left."""
    for number, only in enumerate(ask.only, 1):
        if not any(slot.account.fulfils(ask.only[:number]) for slot in slots):
            names = ", ".join(sorted(only.names))
            what = "is labelled" if only.labels else "goes by the name"
            return f"No account is left: {only.why} allows only those that {what} {names}."
    return None


def describe(slots: list[Slot], ask: Ask | None, now: float) -> str:
    """The standing of the accounts in words, counted: "2 ready, 1 exhausted until 14:05 UTC"."""
    asked = ask or Ask(model="")
    counts: Counter[Verdict] = Counter()
    untils: dict[Verdict, float] = {}
    for slot in slots:
        verdict = slot.judge(asked, now)
        if ask is None and verdict is Verdict.MODEL:
            verdict = _regardless_of_model(slot, now)
        counts[verdict] += 1
        back = slot.back_at(verdict, asked)
        if back is not None and verdict not in ANY_MOMENT:
            untils[verdict] = min(back, untils.get(verdict, back))
    parts = []
    for verdict, count in counts.most_common():
        until = f" until {clock_time(untils[verdict], now)}" if verdict in untils else ""
        parts.append(f"{count} {_PHRASES.get(verdict, verdict.value)}{until}")
    return ", ".join(parts) or "no account"


def _regardless_of_model(slot: Slot, now: float) -> Verdict:
    example = next((m for m in slot.account.models if not set(m) & set("*?[")), None)
    name = example or slot.account.models[0].replace("*", "").replace("?", "x")
    return slot.judge(Ask(model=name), now)


def clock_time(at: float, now: float) -> str:
    """A time people read: the clock within a day, with the date beyond."""
    moment = datetime.fromtimestamp(at, UTC)
    return moment.strftime("%H:%M UTC" if at - now < DAY_S else "%a %d %b %H:%M UTC")


def _spent(told: str, resets_at: float, now: float) -> Problem:
    return Problem(
        f"Every account has spent its quota: {told}.",
        status=429,
        type="usage_limit_reached",
        code="usage_limit_reached",
        blame=Blame.POOL,
        until=resets_at,
        retry_after_s=max(1.0, resets_at - now),
        should_retry=False,
        extra={
            "plan_type": "team",
            "resets_at": round(resets_at),
            "resets_in_seconds": max(1, round(resets_at - now)),
        },
    )


def _too_fast(told: str, soonest: float | None, now: float) -> Problem:
    wait_s = None if soonest is None else max(1.0, soonest - now)
    hint = "" if wait_s is None else f" Please try again in {wait_s:.0f}s."
    return Problem(
        f"Every account is at its rate limit: {told}.{hint}",
        status=429,
        type="rate_limit_exceeded",
        code="rate_limit_exceeded",
        blame=Blame.POOL,
        until=soonest,
        retry_after_s=wait_s,
        should_retry=wait_s is not None and wait_s <= LONGEST_RETRY_S,
    )


def _unavailable(message: str, soon_at: float | None = None) -> Problem:
    return Problem(
        message,
        status=503,
        type="server_error",
        code="no_accounts",
        blame=Blame.POOL,
        until=soon_at,
        retry_after_s=None if soon_at is None else SOON_S,
        should_retry=soon_at is not None,
    )


def _no_such_endpoint(ask: Ask) -> Problem:
    kinds = ", ".join(sorted(ask.kinds))
    return Problem(
        f"No account here has this endpoint; accounts of kind {kinds} do.",
        status=501,
        type="invalid_request_error",
        code="not_implemented",
        blame=Blame.CLIENT,
        should_retry=False,
    )


def _no_such_model(ask: Ask) -> Problem:
    return Problem(
        f"The model '{ask.model}' does not exist here or no account serves it;"
        " GET /v1/models lists those that are.",
        status=404,
        type="invalid_request_error",
        code="model_not_found",
        param="model",
        blame=Blame.CLIENT,
        should_retry=False,
    )
