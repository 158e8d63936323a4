"""The ``gateway`` object as a client wrote it: read strictly, never sent upstream."""

from typing import Any, Final

import msgspec
from msgspec import Struct, structs

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

    @property
    def without_history(self) -> "Wish":
        """The same, old turns left as they are: they have been seen to."""
        return structs.replace(self, chat_history_compression=None, chat_history_optimization=None)


NOTHING: Final = Wish()


def taken(body: Body, default: Wish = NOTHING) -> Wish:
    """The wish, taken off ``body``; ``default`` says what it does not say, key by key.

    Raises: Problem (400) with the path of what is malformed.
    """
    if FIELD not in body:
        return default
    told = body.get(FIELD)
    body.drop(FIELD, told=False)
    return default if told is None else over(read(told), told, default)


def read(told: Any) -> Wish:
    """What was written. Raises: Problem (400) with the path of what is malformed."""
    try:
        wish = msgspec.convert(_without_nulls(told), Wish)
    except msgspec.ValidationError as error:
        raise _malformed(str(error)) from None
    _check_scores(wish)
    return wish


def over(wish: Wish, told: dict[str, Any], default: Wish) -> Wish:
    """``wish``, which was read from ``told``, before ``default``."""
    if default is NOTHING:
        return wish
    names = zip(Wish.__struct_encode_fields__, Wish.__struct_fields__, strict=True)
    own = {name: getattr(wish, name) for key, name in names if told.get(key) is not None}
    if not own.keys().isdisjoint(_HISTORY):
        own = {**dict.fromkeys(_HISTORY), **own}
    return structs.replace(default, **own)


_HISTORY: Final = ("chat_history_compression", "chat_history_optimization")


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
