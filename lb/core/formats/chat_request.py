"""A chat request -> a Responses request: what the rules do not do for any request anyway."""

from collections.abc import Callable
from typing import Any

from lb.core.body import Body
from lb.core.errors import bad_request
from lb.core.rules.complaints import invalid_type, invalid_value, missing
from lb.core.rules.shapes import expect

MOST_STOPS = 4
LOGPROBS = "message.output_text.logprobs"

NATIVE_HERE = frozenset(
    {
        *("messages", "instructions", "tools", "tool_choice", "response_format", "include"),
        *("max_tokens", "max_completion_tokens", "reasoning_effort", "verbosity"),
    }
)
"""Fields whose translation is this format's way of speaking: not told in ``x-lb-changed``."""

LEFT_OUT: dict[str, tuple[Any, ...]] = {
    "seed": (None,),
    "frequency_penalty": (None, 0),
    "presence_penalty": (None, 0),
    "logit_bias": (None, {}),
    "prediction": (None,),
    "modalities": (None, ["text"]),
    "audio": (None,),
}
"""Fields Responses has no word for -> the values by which they ask for nothing; else it is told."""

LEGACY = {"functions": "tools", "function_call": "tool_choice"}
"""Fields Chat Completions itself gave up -> what took their place."""


def wants_usage(body: Body) -> bool:
    """Whether the stream is to end with a chunk that tells the usage; taken off the body."""
    if not body.given("stream_options"):
        body.drop("stream_options", told=False)
        return False
    options = dict(expect(body.get("stream_options"), dict, "stream_options"))
    wanted = options.pop("include_usage", None) is True
    if options:
        body.set("stream_options", options, told=False)
    else:
        body.drop("stream_options", told=False)
    return wanted


def stops_of(body: Body) -> tuple[str, ...]:
    """What ends the answer; Responses has no such field, so it is done here, off the body."""
    told = body.get("stop")
    body.drop("stop", told=False)
    if told is None:
        return ()
    stops = [told] if isinstance(told, str) else told
    if not isinstance(stops, list):
        raise invalid_type("stop", "a string or an array", "another type")
    if len(stops) > MOST_STOPS:
        raise invalid_value("stop", f"at most {MOST_STOPS} sequences.")
    for at, stop in enumerate(stops):
        if not expect(stop, str, f"stop[{at}]"):
            raise invalid_value(f"stop[{at}]", "it is empty.")
    return tuple(stops)


def messages_are_there(body: Body) -> None:
    """``messages``, and nothing in place of it."""
    if body.given("input"):
        message = "Unknown parameter: 'input'. Send 'messages', or use /v1/responses."
        raise bad_request(message, "input", "unknown_parameter")
    if not body.given("messages"):
        raise missing("messages", "Send an array of messages.")


def one_answer_is_asked_for(body: Body) -> None:
    """``n`` is 1: upstream gives one answer to one request."""
    n = body.get("n")
    body.drop("n", told=False)
    if n is not None and n != 1:
        raise invalid_value("n", "only 1 is supported; send the request again for another answer.")


def answer_is_text(body: Body) -> None:
    """No sound is asked for."""
    modalities = body.get("modalities")
    if isinstance(modalities, list) and "audio" in modalities:
        message = "Audio output is not supported by /v1/responses upstreams; ask for text."
        raise bad_request(message, "modalities", "unsupported_capability")


def nothing_is_legacy(body: Body) -> None:
    """What gave way to ``tools`` long ago is refused by name."""
    for name, now in LEGACY.items():
        if body.given(name):
            message = f"Unsupported parameter: '{name}'. Use '{now}' instead."
            raise bad_request(message, name, "unsupported_parameter")
        body.drop(name, told=False)


def logprobs_are_included(body: Body) -> None:
    """``logprobs: true`` -> an ``include``."""
    wanted = body.get("logprobs")
    body.drop("logprobs", told=False)
    if wanted is not None and expect(wanted, bool, "logprobs"):
        include = body.get("include") or []
        body.set("include", [*expect(include, list, "include"), LOGPROBS], told=False)


def web_search_is_a_tool(body: Body) -> None:
    """``web_search_options`` -> the tool."""
    options = body.get("web_search_options")
    body.drop("web_search_options", told=False)
    if options is None:
        return
    options = expect(options, dict, "web_search_options")
    where = options.get("user_location")
    if isinstance(where, dict) and isinstance(where.get("approximate"), dict):
        options = {**options, "user_location": {"type": "approximate", **where["approximate"]}}
    tools = body.get("tools") or []
    body.set("tools", [*expect(tools, list, "tools"), {"type": "web_search", **options}])


def functions_are_lax_unless_told(body: Body) -> None:
    """A function is strict only where it says so; Responses makes them strict by itself."""
    tools = body.get("tools")
    if not isinstance(tools, list):
        return
    told = [_lax(tool) for tool in tools]
    if told != tools:
        body.set("tools", told, told=False)


def _lax(tool: Any) -> Any:
    inner = tool.get("function") if isinstance(tool, dict) else None
    if not isinstance(inner, dict) or inner.get("strict") is not None:
        return tool
    return {**tool, "function": {**inner, "strict": False}}


def nothing_is_stored_unless_told(body: Body) -> None:
    """Chats are not kept by default; responses are."""
    if not body.given("store"):
        body.set("store", False, told=False)


def rest_is_left_out(body: Body) -> None:
    """What Responses has no word for."""
    for name, idle in LEFT_OUT.items():
        if name in body:
            body.drop(name, told=body.get(name) not in idle)


STEPS: tuple[Callable[[Body], None], ...] = (
    messages_are_there,
    one_answer_is_asked_for,
    answer_is_text,
    nothing_is_legacy,
    logprobs_are_included,
    web_search_is_a_tool,
    functions_are_lax_unless_told,
    nothing_is_stored_unless_told,
    rest_is_left_out,
)
"""In order; the rules come after."""
