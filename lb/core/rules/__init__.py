"""Request body -> request body: small rules, one function each, run once for each request.

A new rule is one function and one row in ``RULES``. A rule may look, alter the body or refuse it;
it does nothing to a body it has been through before, and does not decode what it need not see.
"""

from collections.abc import Callable

from lb.core.body import Body
from lb.core.fields import REJECTABLE
from lb.core.rules import items, messages, names, presence, shapes, tools
from lb.core.rules.needs import needs, refusal

__all__ = ["RULES", "Rule", "prepare", "refusal"]

Rule = Callable[[Body], None]

RULES: tuple[Rule, ...] = (
    shapes.fields_have_their_types,
    shapes.inner_fields_have_their_types,
    shapes.elements_have_their_types,
    presence.model_is_named,
    presence.input_is_given_once,
    presence.history_is_given_once,
    presence.messages_are_not_empty,
    names.chat_fields_become_native,
    tools.tools_have_types,
    tools.tools_are_native,
    tools.tool_choice_is_native,
    tools.include_is_known,
    messages.messages_become_input,
    items.chat_items_become_native,
    items.foreign_keys_are_stripped,
    items.bare_parts_become_messages,
)
"""In order: what is checked first, is relied on after."""


def prepare(body: Body, rejectable: frozenset[str] = REJECTABLE) -> frozenset[str]:
    """Run every rule over ``body``; return what it needs of an account: names of ``rejectable``.

    A need refuses nothing yet: whether an account serves it is for the pool to say, and ``refusal``
    is the answer when none does.

    Raises: Problem (400) that names the field.
    """
    for rule in RULES:
        before = len(body.altered)
        rule(body)
        if len(body.altered) > before:
            body.rules.append((rule.__name__, tuple(dict.fromkeys(body.altered[before:]))))
    return needs(body, rejectable)
