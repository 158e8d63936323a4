"""What a request needs of an account that some kind of upstream rejects."""

from lb.core.account import FEATURES
from lb.core.body import Body
from lb.core.errors import Problem, bad_request
from lb.core.fields import TOOL
from lb.core.remembered import Remembered
from lb.core.rules.items import names_a_file
from lb.core.rules.tools import types_of

_NULL = frozenset({b"", b"null"})
_IDLE = {"store": _NULL | {b"false"}, "background": _NULL | {b"false"}}
"""Field -> the JSON texts by which it asks for nothing; null does for every field."""

_ADVICE = {
    "previous_response_id": "Send the earlier turns in 'input' instead.",
    "conversation": "Send the earlier turns in 'input' instead.",
    "file_id": "Send the file itself as 'file_data' (or 'image_url') instead.",
    "store": "Leave it out or send false.",
    "background": "Leave it out or send false.",
}


def needs(body: Body, rejectable: frozenset[str]) -> frozenset[str]:
    """Those names of ``rejectable`` that a (checked) body uses."""
    fields, tools = _split[rejectable]
    used = [name for name in body.heads() if name in fields and _uses(body, name)]
    if "file_id" in rejectable and names_a_file(body):
        used.append("file_id")
    if tools and "tools" in body:
        used += [tools[kind] for kind in types_of(body) if kind in tools]
    return frozenset(used) if used else NOTHING


NOTHING: frozenset[str] = frozenset()


def _parted(rejectable: frozenset[str]) -> tuple[frozenset[str], dict[str, str]]:
    """The needs that are top-level fields, and those that are tools, by the type of tool."""
    tools = {name.removeprefix(TOOL): name for name in rejectable if name.startswith(TOOL)}
    return rejectable.difference(tools.values(), {"file_id"}), tools


_split = Remembered(_parted, 64)


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


def _uses(body: Body, need: str) -> bool:
    return bytes(body.view(need)[:6]) not in _IDLE.get(need, _NULL)
