"""Whatever a client sends, it becomes a request or a Problem of the client's own, never a crash."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lb.config.models import shipped
from lb.core import gateway
from lb.core.body import Body
from lb.core.catalog import Catalog
from lb.core.errors import Blame, Problem
from lb.core.formats import FORMATS
from lb.core.models import Reader
from lb.core.rules import prepare

READER = Reader(Catalog(shipped()), lambda _: False)
LEAVES = st.none() | st.booleans() | st.integers(-2, 9) | st.floats(0, 1) | st.text(max_size=5)
KEYS = st.sampled_from(
    [
        *("type", "role", "content", "text", "name", "function", "custom", "tool_calls", "id"),
        *("image_url", "url", "file", "format", "json_schema", "include_usage", "arguments"),
        *("effort", "enabled", "models", "email", "custom", "tools", "output", "call_id"),
    ]
)
WORDS = st.sampled_from(
    [
        *("function", "custom", "user", "assistant", "tool", "system", "text", "input_text"),
        *("image_url", "file", "json_schema", "message", "function_call", "auto", "gpt-5:low"),
        *("function_call_output", "web_search", "reasoning", "bob@example.com"),
    ]
)
JSON = st.recursive(
    LEAVES | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)
MESSAGES = st.lists(
    st.fixed_dictionaries(
        {"role": st.sampled_from(["user", "assistant", "tool", "system"])},
        optional={"content": JSON, "tool_calls": JSON, "tool_call_id": JSON, "refusal": JSON},
    ),
    max_size=3,
)
NAMES = (
    *("input", "instructions", "tools", "tool_choice", "text", "reasoning", "include", "stream"),
    *("stream_options", "stop", "n", "logprobs", "top_logprobs", "modalities", "functions"),
    *("web_search_options", "response_format", "max_tokens", "reasoning_effort", "verbosity"),
    *("logit_bias", "seed", "audio", "store", "metadata", "user", "previous_response_id"),
)
WISHES = st.fixed_dictionaries(
    {},
    optional={
        "zdr": st.booleans(),
        "mediaOptimization": st.booleans(),
        "toolOptimization": st.just({"enabled": True}),
        "chatHistoryCompression": st.just({"enabled": True}),
        "redact": st.just({"email": True, "phone": True, "custom": ["o+"]}),
        "tags": st.just([{"name": "text", "models": ["gpt-5:low", "m"]}]),
        "imageGenerationModel": st.just("painter"),
    },
)
BODIES = st.fixed_dictionaries(
    {"model": st.sampled_from(["gpt-5.5", "gpt-4.1:high", "openai/gpt-5:med", ""])},
    optional={"messages": MESSAGES | JSON, "gateway": WISHES | JSON, **dict.fromkeys(NAMES, JSON)},
)


@pytest.mark.parametrize("name", FORMATS)
@given(sent=BODIES)
def test_what_comes_out_is_a_request_or_the_client_s_own_problem(
    name: str, sent: dict[str, Any]
) -> None:
    body = Body.parse(msgspec.json.encode(sent))
    spoken = FORMATS[name]
    try:
        wish = gateway.taken(body)
        voice = spoken.heard(body)
        prepare(body)
        gateway.model_is_chosen(body, wish)
        spoken.settled(body)
        gateway.applied(body, wish, voice)
        READER.settle(body, name)
    except Problem as problem:
        assert problem.blame is Blame.CLIENT  # noqa: PT017  # either is fine, a crash is not
        assert problem.status in {400, 410, 501}  # noqa: PT017
        return
    told = msgspec.json.decode(body.render())
    assert not {"gateway", "messages", "stop", "n", "max_tokens"} & set(told) or name != "chat"
    assert "gateway" not in told
