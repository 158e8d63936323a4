"""The ``gateway`` object as a client wrote it: read strictly, never sent upstream."""

from typing import Any, Final

import msgspec
from msgspec import Struct

from lb.core.body import Body
from lb.core.errors import bad_request

FIELD: Final = "gateway"


class _Strict(Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """Unknown keys are mistakes: a feature misspelt would silently not be there."""


class Redact(_Strict, frozen=True, rename=None):
    """What is replaced on the way up and restored on the way down; ``custom`` in RE2's syntax."""

    email: bool = False
    phone: bool = False
    ip: bool = False
    uuid: bool = False
    token: bool = False
    credit_card: bool = False
    iban: bool = False
    ssn: bool = False
    mac: bool = False
    custom: tuple[str, ...] = ()


class Tools(_Strict, frozen=True):
    """Tools scored 0..1 against the conversation; those under ``accept_score`` are left out."""

    enabled: bool = False
    accept_score: float = 0.5
    always_include: tuple[str, ...] = ()


class History(_Strict, frozen=True):
    """Old turns scored 0..1 against the present one; those under ``score`` are dropped."""

    enabled: bool = False
    score: float = 0.6


class Tag(_Strict, frozen=True):
    """What a request may be about, and the models for it, most capable first."""

    name: str
    description: str = ""
    models: tuple[str, ...] = ()


class Wish(_Strict, frozen=True):
    """Everything a request can ask of the gateway itself; nothing is on unless asked for."""

    zdr: bool = False
    order: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    planning_trigger_score: float | None = None
    image_generation_model: str = ""
    tags: tuple[Tag, ...] = ()
    chat_history_compression: History | None = None
    chat_history_optimization: History | None = None
    media_optimization: bool = False
    tool_optimization: Tools | None = None
    redact: Redact | None = None

    @property
    def history(self) -> History:
        """Under either name."""
        return self.chat_history_compression or self.chat_history_optimization or History()


NOTHING: Final = Wish()


def taken(body: Body) -> Wish:
    """The wish, taken off ``body``. Raises: Problem (400) with the path of what is malformed."""
    if FIELD not in body:
        return NOTHING
    told = body.get(FIELD)
    body.drop(FIELD, told=False)
    if told is None:
        return NOTHING
    try:
        wish = msgspec.convert(_without_nulls(told), Wish)
    except msgspec.ValidationError as error:
        raise _malformed(str(error)) from None
    _check_scores(wish)
    return wish


def _without_nulls(told: Any) -> Any:
    """Clients send null for what they leave unset."""
    if not isinstance(told, dict):
        return told
    return {name: _without_nulls(value) for name, value in told.items() if value is not None}


def _malformed(message: str) -> Exception:
    """Of ``Expected `bool`, got `int` - at `$.redact.email```, the words and the path."""
    what, _, where = message.partition(" - at `$")
    path = FIELD + where.rstrip("`")
    return bad_request(f"Invalid '{path}': {what}.", path, "invalid_value")


def _check_scores(wish: Wish) -> None:
    scores: dict[str, float | None] = {
        "planningTriggerScore": wish.planning_trigger_score,
        "toolOptimization.acceptScore": (wish.tool_optimization or Tools()).accept_score,
        "chatHistoryCompression.score": wish.history.score,
    }
    for name, score in scores.items():
        if score is not None and not 0.0 <= score <= 1.0:
            path = f"{FIELD}.{name}"
            raise bad_request(f"Invalid '{path}': a score is from 0 to 1.", path, "invalid_value")
