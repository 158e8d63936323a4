"""Who would be chosen, and why each other not, in words."""

from random import Random

from attrs import frozen

from lb.core.account import Ask
from lb.core.health import State
from lb.core.pool import Pool
from lb.core.slot import SERVES, Slot, Verdict


@frozen
class Opinion:
    """What the pool thinks of one account for one request."""

    account: str
    verdict: str
    reason: str


def explain(pool: Pool, ask: Ask, now: float, rng: Random) -> tuple[str | None, list[Opinion]]:
    """Who would be chosen now, and what is thought of each account; nothing is reserved."""
    found = pool.find(ask, now, rng)
    chosen = found[0].id if found else None
    opinions = []
    for slot in pool.slots.values():
        verdict = slot.judge(ask, now) if slot.account.enabled else Verdict.PAUSED
        word = "out"
        if slot.id == chosen:
            word = "chosen"
        elif verdict in SERVES:
            word = verdict.value
        opinions.append(Opinion(slot.id, word, reason_of(slot, verdict, ask)))
    return chosen, opinions


def reason_of(slot: Slot, verdict: Verdict, ask: Ask) -> str:
    """Why a slot was judged so, in words."""
    health = slot.health
    match verdict:
        case Verdict.READY | Verdict.SECOND if health.state is State.DOUBTFUL:
            return f"doubtful: {health.reason}"
        case Verdict.COOLING | Verdict.EXHAUSTED | Verdict.REFUSED | Verdict.PAUSED:
            return health.reason or verdict.name.lower()
        case Verdict.BLOCKED:
            return f"the upstream said it has no {ask.model} ({slot.blocks[ask.model].reason})"
        case Verdict.FIELD:
            fields = sorted(n for n in ask.needs if slot.account.fields.get(n) == "reject")
            return f"does not take {', '.join(fields)}"
        case Verdict.BUSY:
            return f"{slot.in_flight} of {slot.limit:.0f} places taken"
        case Verdict.READY:
            return f"{slot.in_flight} in flight"
        case Verdict.SECOND if slot.origin.streak:
            return "its host could not be reached"
        case Verdict.SECOND:
            return "a usage window is full"
        case _:
            return str(verdict.value)
