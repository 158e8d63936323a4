"""Several clients on one pool: none reaches, steers or learns of another's conversation.

What is remembered is scoped to the client already (see affinity). Here is what is left: ids of
state that upstream would hand to anybody of the organisation, and the prompt caches it keeps.
"""

from typing import Any, Final

import msgspec
from attrs import define

from lb.core.affinity import Affinity, key_of
from lb.core.body import Body
from lb.core.errors import Blame, Problem, bad_request

_CLAIM: Final = "\0claim"
"""Whose a conversation is; no client is named so."""


class _Item(msgspec.Struct):
    type: Any = None
    id: Any = None


_ITEMS: Final = msgspec.json.Decoder(list[_Item])
_REFERENCES: Final = (None, "item_reference")


@define
class Tenant:
    """One client of several: ``check`` and then ``separate_caches`` for each of its requests."""

    client: str
    affinity: Affinity
    untaken: frozenset[str] = frozenset()  # fields no account takes: refused for that, elsewhere

    def check(self, body: Body, now: float) -> None:
        """Refuse a request that names a response, an item or a conversation of somebody else.

        An id nobody is known to own is refused in the same words, so that asking tells nothing. A
        conversation is made elsewhere: the first client that names it has it.

        Raises: Problem (400, 404).
        """
        previous = body.get("previous_response_id")
        if isinstance(previous, str) and previous and "previous_response_id" not in self.untaken:
            self._check_response(previous, now)
        for item in _referenced(body):
            if not self._owns(f"item:{item}", now):
                raise _not_found("Item", item, "input")
        conversation = body.get("conversation")
        if isinstance(conversation, dict):
            conversation = conversation.get("id")
        if isinstance(conversation, str) and conversation and not self._has(conversation, now):
            raise _not_found("Conversation", conversation, "conversation")

    def _check_response(self, name: str, now: float) -> None:
        if not self._owns(f"resp:{name}", now):
            raise _no_response(name)

    def _owns(self, name: str, now: float) -> bool:
        return self.affinity.owner(self.client, (name,), now) is not None

    def _has(self, conversation: str, now: float) -> bool:
        name = (f"conv:{conversation}",)
        client = self.affinity.owner(_CLAIM, name, now) or self.client
        if client == self.client:
            self.affinity.pin(_CLAIM, name, client, now)
        return client == self.client

    def separate_caches(self, body: Body) -> None:
        """Give the client a prompt cache of its own.

        Upstream keeps caches per organisation: with one ``prompt_cache_key`` a client could tell by
        ``cached_tokens`` what another one has sent.
        """
        key = body.get("prompt_cache_key")
        if isinstance(key, str) and key:
            body.set("prompt_cache_key", key_of(self.client, f"cache:{key}").hex())


def _referenced(body: Body) -> list[str]:
    r"""The ids of items that stand for what an upstream keeps; an item without a type is one, too.

    However it is spelt ("\u0069d"): what is held against the list is what upstream will read.
    """
    if bytes(body.view("input")[:1]) != b"[":
        return []
    try:
        items = _ITEMS.decode(body.view("input"))
    except msgspec.ValidationError:  # not all of them are objects: then no rule has let them by
        return []
    except (msgspec.DecodeError, RecursionError):
        raise bad_request("'input' could not be decoded.", "input") from None
    return [str(item.id) for item in items if item.id and item.type in _REFERENCES]


def _no_response(name: str) -> Problem:
    return Problem(
        f"Previous response with id '{name[:100]}' not found."
        " Send the whole input again without previous_response_id.",
        status=400,
        type="invalid_request_error",
        code="previous_response_not_found",
        param="previous_response_id",
        blame=Blame.CLIENT,
        should_retry=False,
    )


def _not_found(kind: str, name: str, param: str) -> Problem:
    return Problem(
        f"{kind} with id '{name[:100]}' not found. Send what it held in 'input' instead.",
        status=404,
        type="invalid_request_error",
        param=param,
        blame=Blame.CLIENT,
        should_retry=False,
    )
