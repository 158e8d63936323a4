"""Request body -> request body: small rules, one function each, run once for each request.

A new rule is one function and one row in ``RULES``. A rule may look, alter the body or refuse it;
it does nothing to a body it has been through before, nor to one without the fields it is about, and
does not decode what it need not see.
"""

from collections.abc import Callable

from lb.core.body import Body
from lb.core.fields import REJECTABLE
from lb.core.remembered import Remembered
from lb.core.rules import items, messages, names, presence, shapes, tools
from lb.core.rules.needs import needs, refusal

__all__ = ["RULES", "Rule", "prepare", "refusal"]

Rule = Callable[[Body], None]

RULES: dict[Rule, tuple[str, ...]] = {
    shapes.fields_have_their_types: (),
    shapes.inner_fields_have_their_types: tuple(shapes.INNER),
    shapes.elements_have_their_types: tuple(shapes.ELEMENTS),
    presence.model_is_named: (),
    presence.input_is_given_once: (),
    presence.history_is_given_once: ("conversation",),
    presence.messages_are_not_empty: ("messages",),
    names.chat_fields_become_native: (*names.TOKENS, *names.INSIDE, "response_format"),
    tools.tools_have_types: ("tools",),
    tools.tools_are_native: ("tools",),
    tools.tool_choice_is_native: ("tool_choice",),
    tools.include_is_known: ("include",),
    messages.messages_become_input: ("messages",),
    items.chat_items_become_native: ("input",),
    items.foreign_keys_are_stripped: ("input",),
    items.bare_parts_become_messages: ("input",),
}
"""Rule -> the fields it is about; it is run where one is there, or always where none is told.

In order: what is checked first, is relied on after.
"""


def prepare(body: Body, rejectable: frozenset[str] = REJECTABLE) -> frozenset[str]:
    """Run the rules over ``body``; return what it needs of an account: names of ``rejectable``.

    A need refuses nothing yet: whether an account serves it is for the pool to say, and ``refusal``
    is the answer when none does.

    Raises: Problem (400) that names the field.
    """
    altered, done = body.altered, -1
    while True:
        before = len(altered)
        fields = tuple([name for name in body.heads() if name in _TOLD])
        for number, rule in _about[fields, done]:
            rule(body)
            if len(altered) > before:
                done = number
                break  # a field may have come that later rules are about
        else:
            return needs(body, rejectable)
        body.rules.append((rule.__name__, tuple(dict.fromkeys(altered[before:]))))


_TOLD = frozenset(name for about in RULES.values() for name in about)
"""The fields some rule is about: what else a client names is not remembered, there is no end."""


def _rules(asked: tuple[tuple[str, ...], int]) -> tuple[tuple[int, Rule], ...]:
    """The rules for a body of such fields, after number ``done``, each with its number."""
    fields, done = asked
    told = set(fields)
    return tuple(
        (number, rule)
        for number, (rule, about) in enumerate(RULES.items())
        if number > done and (not about or not told.isdisjoint(about))
    )


_about = Remembered(_rules, 1024)
