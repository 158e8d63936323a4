"""Requests that are mended after a refusal and asked once more, and one that may not be."""

from attrs import evolve
from msgspec.structs import replace

from lb.core.errors import Problem
from lb.core.rules.anchors import without_reasoning
from lb.core.slot import Slot
from lb.proxy.hunt import Hunt

MOST_FIELDS_LEARNT = 64  # clients choose the names
NEVER_DROPPED = frozenset({"model", "input", "instructions", "tools", "stream", "store"})


def drop_or_raise(hunt: Hunt, slot: Slot, problem: Problem) -> None:
    """A ChatGPT account that refuses a parameter by name learns to leave it out; asked anew.

    Elsewhere such a word is about the model, and the client's to hear.
    """
    name = problem.param or ""
    learns = slot.account.kind == "chatgpt" and problem.code == "unsupported_parameter"
    learnt = len(slot.account.fields) > MOST_FIELDS_LEARNT or name in slot.account.fields
    if not learns or learnt or name in NEVER_DROPPED or name not in hunt.call.body:
        raise problem
    fields = {**slot.account.fields, name: "strip"}
    slot.account = evolve(slot.account, fields=fields)


def strip_or_raise(hunt: Hunt, problem: Problem) -> None:
    """Reasoning minted elsewhere is left out, once; what else is lost the client resends."""
    if hunt.stripped or problem.code == "previous_response_not_found":
        raise problem
    body = without_reasoning(hunt.call.body)
    if body is None:
        raise problem
    hunt.stripped = True
    hunt.call = replace(hunt.call, body=body, increment=None)


def ambiguous(problem: Problem) -> Problem:
    """The upstream may have done what was asked, and doing it twice is not the same as once."""
    return Problem(
        f"{problem.message} It may have acted on the request all the same,"
        " so it was not sent anywhere else; look before you send it again.",
        status=502,
        code="upstream_ambiguous",
        should_retry=False,
    )
