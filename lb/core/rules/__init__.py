"""Request body -> request body: small rules, one function each, run once for each request.

A new rule is one function and one row in ``RULES``. A rule may look, alter the body or refuse it;
it does nothing to a body it has been through before, nor where it is not run, and does not decode
what it need not see.
"""

from collections.abc import Callable

from lb.core.body import Body, Form, Heads, is_usual
from lb.core.fields import REJECTABLE
from lb.core.remembered import Remembered
from lb.core.rules import items, messages, names, presence, shapes, tools
from lb.core.rules.needs import needs, refusal

__all__ = ["RULES", "Rule", "prepare", "refusal"]

Rule = Callable[[Body], None]
When = Callable[[Heads], bool]


def _there(*about: str) -> When:
    """Where one of these fields is there."""
    return lambda heads: not heads.keys().isdisjoint(about)


def _array(name: str) -> When:
    """Where this field is an array."""
    return lambda heads: heads.get(name) == shapes.BRACKET


def _always(heads: Heads) -> bool:
    del heads
    return True


RULES: dict[Rule, When] = {
    shapes.fields_have_their_types: shapes.types_are_in_doubt,
    shapes.inner_fields_have_their_types: _there(*shapes.INNER),
    shapes.elements_have_their_types: _there(*shapes.ELEMENTS),
    presence.model_is_named: _always,
    presence.input_is_given_once: presence.input_is_in_doubt,
    presence.history_is_given_once: _there("conversation"),
    presence.messages_are_not_empty: _there("messages"),
    names.chat_fields_become_native: _there(*names.TOKENS, *names.INSIDE, "response_format"),
    tools.tools_have_types: _there("tools"),
    tools.tools_are_native: _there("tools"),
    tools.tool_choice_is_native: _there("tool_choice"),
    tools.include_is_known: _there("include"),
    messages.messages_become_input: _there("messages"),
    items.chat_items_become_native: _array("input"),
    items.foreign_keys_are_stripped: _array("input"),
    items.bare_parts_become_messages: _array("input"),
}
"""Rule -> when it is run, which is told by the fields there are and the first byte of each.

In order: what is checked first, is relied on after.
"""


def prepare(body: Body, rejectable: frozenset[str] = REJECTABLE) -> frozenset[str]:
    """Run the rules over ``body``; return what it needs of an account: names of ``rejectable``.

    A need refuses nothing yet: whether an account serves it is for the pool to say, and ``refusal``
    is the answer when none does.

    Raises: Problem (400) that names the field.
    """
    done = -1
    while True:
        before = body.altered
        for number, rule in _due[body.form(), done]:
            rule(body)
            if body.altered is not before:
                done = number
                break  # a field may have come that later rules are about
        else:
            return needs(body, rejectable)
        altered = tuple(dict.fromkeys(body.altered[len(before) :]))
        body.rules += ((rule.__name__, altered),)


def _rules(asked: tuple[Form, int]) -> tuple[tuple[int, Rule], ...]:
    """The rules for a body of such a form, after number ``done``, each with its number."""
    (fields, firsts), done = asked
    heads = dict(zip(fields, firsts, strict=True))
    return tuple(
        (number, rule)
        for number, (rule, when) in enumerate(RULES.items())
        if number > done and when(heads)
    )


_due = Remembered(_rules, 1024, lambda asked: is_usual(asked[0]))
