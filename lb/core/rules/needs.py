"""What a request needs of an account that some kind of upstream rejects."""

from lb.core.account import FEATURES
from lb.core.body import NULL, Body, Form, is_usual
from lb.core.errors import Problem, bad_request
from lb.core.fields import TOOL
from lb.core.remembered import Remembered
from lb.core.rules.items import names_a_file
from lb.core.rules.tools import types_of

_FALSE = ord("f")
_IDLE = {"store": (NULL, _FALSE), "background": (NULL, _FALSE)}
"""Field -> the first bytes by which it asks for nothing; null does for every field."""

_ADVICE = {
    "previous_response_id": "Send the earlier turns in 'input' instead.",
    "conversation": "Send the earlier turns in 'input' instead.",
    "file_id": "Send the file itself as 'file_data' (or 'image_url') instead.",
    "store": "Leave it out or send false.",
    "background": "Leave it out or send false.",
}


def needs(body: Body, rejectable: frozenset[str]) -> frozenset[str]:
    """Those names of ``rejectable`` that a (checked) body uses."""
    used = _used[rejectable, body.form()]
    if "file_id" in rejectable and names_a_file(body):
        used = used | {"file_id"}
    tools = _tools[rejectable]
    if tools and "tools" in body and not (kinds := types_of(body)).isdisjoint(tools):
        used = used.union(tools[kind] for kind in kinds if kind in tools)
    return used


def _fields_used(asked: tuple[frozenset[str], Form]) -> frozenset[str]:
    """The needs that are top-level fields: a form is all it takes to see them."""
    rejectable, (fields, firsts) = asked
    heads = zip(fields, firsts, strict=True)
    used = {name for name, first in heads if first not in _IDLE.get(name, (NULL,))}
    return rejectable.intersection(used).difference(_by_type(rejectable).values(), {"file_id"})


def _by_type(rejectable: frozenset[str]) -> dict[str, str]:
    """The needs that are tools, by the type of tool."""
    return {name.removeprefix(TOOL): name for name in rejectable if name.startswith(TOOL)}


_used = Remembered(_fields_used, 1024, lambda asked: is_usual(asked[1]))
_tools = Remembered(_by_type, 64)


def refusal(need: str) -> Problem:
    """The 400 for a need that no account of the pool serves."""
    advice = _ADVICE.get(need, "Leave it out.")
    if need.startswith(TOOL):
        message = (
            f"Tools of type '{need.removeprefix(TOOL)}' are not supported by any account here; "
            "an account of a kind that runs them would. Leave the tool out."
        )
        return bad_request(message, "tools", "unsupported_value")
    if need in FEATURES:
        name = "input_file.file_id" if need == "file_id" else need
        would = f'an account with `supports = ["{need}"]` would'
        message = f"'{name}' is not kept by any account here; {would}. {advice}"
    else:
        message = f"'{need}' is rejected by every account here, as `[fields]` says. {advice}"
    return bad_request(message, need, "unsupported_parameter")
