"""What to do with state a request names when the account that holds it is lost."""

from lb.core.body import Body
from lb.core.errors import Blame, Problem


def without_reasoning(body: Body) -> Body | None:
    """The body without reasoning items (minted by another account); None when it has none.

    What is left stands alone: messages, calls and their outputs keep their order.
    """
    items = body.get("input")
    if not isinstance(items, list):
        return None
    kept = [item for item in items if not _is_reasoning(item)]
    if len(kept) == len(items):
        return None
    stripped = body.copy()
    stripped.set("input", kept)
    return stripped


def _is_reasoning(item: object) -> bool:
    return isinstance(item, dict) and item.get("type") == "reasoning"


def stale_anchor() -> Problem:
    """OpenAI's own words, after which clients resend their whole history."""
    return Problem(
        "The account that holds the previous response cannot serve now;"
        " send the whole input again without previous_response_id.",
        status=400,
        type="invalid_request_error",
        code="previous_response_not_found",
        param="previous_response_id",
        blame=Blame.ANCHOR,
        should_retry=False,
    )
