"""The ``gateway`` object: read strictly, off unless asked for, each feature told."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lb.core import gateway
from lb.core.account import Account, Ask
from lb.core.body import Body
from lb.core.errors import Problem
from lb.core.formats.responses import NATIVE
from lb.core.gateway.scores import scores

Json = dict[str, Any]


def body_of(wish: Any = None, **fields: Any) -> Body:
    told = {"model": "m", "input": "hi", **fields}
    if wish is not None:
        told["gateway"] = wish
    return Body.parse(msgspec.json.encode(told))


def done(wish: Json, **fields: Any) -> Body:
    body = body_of(wish, **fields)
    gateway.applied(body, gateway.taken(body), NATIVE)
    return body


def user(text: str, *parts: Json) -> Json:
    content = [{"type": "input_text", "text": text}, *parts]
    return {"type": "message", "role": "user", "content": content}


def said(text: str) -> Json:
    content = [{"type": "output_text", "text": text}]
    return {"type": "message", "role": "assistant", "content": content}


EVERYTHING_OFF: Json = {
    "zdr": False,
    "order": [],
    "only": [],
    "tags": [],
    "mediaOptimization": False,
    "toolOptimization": {"enabled": False},
    "chatHistoryCompression": None,
    "redact": {},
}


@pytest.mark.parametrize("wish", [{}, None, EVERYTHING_OFF])
@given(text=st.text(max_size=50))
def test_what_is_not_asked_for_leaves_the_body_byte_for_byte(wish: Any, text: str) -> None:
    tools = [{"type": "function", "name": "f"}]
    plain = body_of(input=[user(text)], tools=tools)
    asked = body_of(wish, input=[user(text)], tools=tools)
    assert gateway.applied(asked, gateway.taken(asked), NATIVE) is NATIVE
    assert asked.render() == plain.render()
    assert not asked.changed


MALFORMED = {
    "gateway": 1,
    "gateway.zdr": {"zdr": "yes"},
    "gateway.only": {"only": "a"},
    "gateway.order[0]": {"order": [1]},
    "gateway.redact.email": {"redact": {"email": 1}},
    "gateway.redact.custom[1]": {"redact": {"custom": ["a", r"(?<=x)y"]}},
    "gateway.toolOptimization.acceptScore": {"toolOptimization": {"acceptScore": 2}},
    "gateway.chatHistoryCompression.score": {"chatHistoryOptimization": {"score": -1}},
    "gateway.planningTriggerScore": {"planningTriggerScore": 1.5},
    "gateway.tags[0]": {"tags": [{}]},
    "gateway.tags[0].models": {"tags": [{"name": "x"}]},
}


@pytest.mark.parametrize("path", MALFORMED)
def test_a_malformed_wish_is_a_400_with_its_path(path: str) -> None:
    body = body_of(MALFORMED[path])
    with pytest.raises(Problem) as caught:
        _all_of(body)
    assert (caught.value.status, caught.value.param) == (400, path)


def test_a_feature_misspelt_is_a_400() -> None:
    with pytest.raises(Problem, match="redcat"):
        gateway.taken(body_of({"redcat": {}}))


def _all_of(body: Body) -> None:
    wish = gateway.taken(body)
    gateway.model_is_chosen(body, wish)
    gateway.applied(body, wish, NATIVE)


def test_zero_retention_forbids_storing_and_wants_the_label() -> None:
    body = body_of({"zdr": True, "only": ["eu"]}, store=True)
    wish = gateway.taken(body)
    gateway.applied(body, wish, NATIVE)
    only = gateway.conditions(wish)
    assert body.get("store") is False
    assert body.changed == ("gateway.zdr",)
    assert Account("a", "openai", labels=frozenset({"eu", "zdr"})).fulfils(only)
    assert not Account("zdr", "openai", labels=frozenset({"eu"})).fulfils(only)
    assert not Account("a", "openai", labels=frozenset({"zdr"})).fulfils(only)


def test_order_ranks_accounts_by_any_name() -> None:
    ask = Ask("m", order=("eu", "azure", "b"))
    ranks = [
        ask.rank(Account("a", "openai", labels=frozenset({"eu"}))),
        ask.rank(Account("c", "azure")),
        ask.rank(Account("b", "openai")),
        ask.rank(Account("d", "openai")),
    ]
    assert ranks == [0, 1, 2, 3]


def tool(name: str, description: str, **more: Any) -> Json:
    return {"type": "function", "name": name, "description": description, **more}


TOOLS = [
    tool("get_weather", "The weather forecast of a city"),
    tool("send_email", "Write an email; addresses come from find_contact"),
    tool("find_contact", "Look somebody up"),
    tool("run_sql", "Query the database"),
    {"type": "web_search"},
]
FITTING: Json = {"toolOptimization": {"enabled": True, "acceptScore": 0.5}}


def kept(body: Body) -> list[str]:
    return [each.get("name", each["type"]) for each in body.get("tools")]


def test_tools_that_have_nothing_to_do_with_it_are_left_out() -> None:
    body = done(FITTING, input="What is the weather in Tokyo?", tools=TOOLS)
    assert kept(body) == ["get_weather", "web_search"]
    assert body.changed == ("gateway.toolOptimization",)


def test_a_tool_named_by_one_that_stays_stays() -> None:
    body = done(FITTING, input="email my boss", tools=TOOLS)
    assert kept(body) == ["send_email", "find_contact", "web_search"]


def test_tools_called_forced_or_always_wanted_stay() -> None:
    call = {"type": "function_call", "call_id": "c", "name": "run_sql", "arguments": "{}"}
    wish = {"toolOptimization": {"enabled": True, "alwaysInclude": ["find_contact"]}}
    body = done(
        wish,
        input=[user("the weather?"), call],
        tools=TOOLS,
        tool_choice={"type": "function", "name": "send_email"},
    )
    assert kept(body) == [each.get("name", "web_search") for each in TOOLS]


def test_nothing_to_judge_by_leaves_all_tools() -> None:
    assert not done(FITTING, input="xyzzy", tools=TOOLS).changed


@given(st.lists(st.sampled_from(["the weather?", "email her", "query the database", "hm"])))
def test_tools_only_grow_with_the_conversation(questions: list[str]) -> None:
    before: set[str] = set()
    for count in range(1, len(questions) + 1):
        items = [user(question) for question in ["the weather?", *questions[:count]]]
        now = set(kept(done(FITTING, input=items, tools=TOOLS)))
        assert now >= before
        before = now


IMAGE = {"type": "input_image", "image_url": "data:image/png;base64,AAAA"}
FILE = {"type": "input_file", "filename": "plan.pdf", "file_data": "data:,"}
MEDIA: Json = {"mediaOptimization": True}


def test_media_of_turns_no_longer_referred_to_become_notes() -> None:
    items = [user("what is it?", IMAGE, FILE), said("a cat"), user("and cats eat?", IMAGE)]
    told = done(MEDIA, input=items)
    first, _, last = told.get("input")
    notes = [part["text"] for part in first["content"][1:]]
    assert notes == [
        "[image of an earlier turn left out]",
        '[file "plan.pdf" of an earlier turn left out]',
    ]
    assert last == items[2]
    assert told.changed == ("gateway.mediaOptimization",)


@pytest.mark.parametrize("question", ["look at that picture again", "the attached file?"])
def test_media_the_last_turn_refers_to_stay(question: str) -> None:
    assert not done(MEDIA, input=[user("x", IMAGE), said("y"), user(question)]).changed


COMPRESSING: Json = {"chatHistoryCompression": {"enabled": True, "score": 0.5}}


def conversation(*topics: str) -> list[Json]:
    items: list[Json] = [{"type": "message", "role": "developer", "content": "be brief"}]
    for number, topic in enumerate(topics):
        call = {"type": "function_call", "call_id": f"c{number}", "name": "f", "arguments": "{}"}
        output = {"type": "function_call_output", "call_id": f"c{number}", "output": topic}
        items += [user(topic), {"type": "reasoning", "id": f"rs_{number}"}, call, output]
        items.append(said(f"about {topic}"))
    return items


def test_old_turns_that_have_nothing_to_do_with_it_are_dropped() -> None:
    topics = ["whales", "taxes", "whales again", "cooking", "whales", "whales today"]
    body = done(COMPRESSING, input=conversation(*topics))
    texts = [item["content"][0]["text"] for item in body.get("input") if item.get("role") == "user"]
    assert texts == ["whales", "whales again", "whales", "whales today"]
    assert body.get("input")[0]["role"] == "developer"
    assert body.changed == ("gateway.chatHistoryCompression",)


def test_nothing_is_dropped_where_upstream_holds_the_history() -> None:
    items = conversation("a", "b", "c", "d", "e", "a")
    assert not done(COMPRESSING, input=items, previous_response_id="resp_1").changed
    assert not done(COMPRESSING, input=items, conversation="conv_1").changed


TOPICS = st.sampled_from(["whales", "taxes and law", "cooking whales", "a b", "", "law"])


@given(st.lists(TOPICS, max_size=14), st.data())
def test_a_pruned_history_orphans_no_call_and_no_output(topics: list[str], data: Any) -> None:
    items = conversation(*topics)
    shuffled = data.draw(st.permutations(items)) if data.draw(st.booleans()) else items
    told = done(COMPRESSING, input=shuffled).get("input")
    calls = {item["call_id"] for item in told if item["type"] == "function_call"}
    outputs = {item["call_id"] for item in told if item["type"] == "function_call_output"}
    assert calls == outputs
    assert [item for item in told if item.get("role") == "developer"] == items[:1]


@given(st.lists(TOPICS, min_size=6, max_size=14))
def test_between_two_judgements_the_prefix_stays(topics: list[str]) -> None:
    from lb.core.gateway.history import LAST_TURNS, STRIDE

    first = done(COMPRESSING, input=conversation(*topics)).get("input")
    then = done(COMPRESSING, input=conversation(*topics, "more")).get("input")
    same = (len(topics) - LAST_TURNS) // STRIDE == (len(topics) + 1 - LAST_TURNS) // STRIDE
    assert not same or then[: len(first)] == first


TAGS = [
    {"name": "code", "description": "programming, bugs, refactoring", "models": ["big", "mid"]},
    {"name": "chat", "description": "small talk, greetings", "models": ["small"]},
]


@pytest.mark.parametrize(
    ("question", "model"),
    [("fix these bugs in my program", "big"), ("some small talk", "small"), ("xyzzy", "m")],
)
def test_a_request_goes_to_the_tag_that_fits(question: str, model: str) -> None:
    body = body_of({"tags": TAGS}, input=question)
    others = gateway.model_is_chosen(body, gateway.taken(body))
    assert body.get("model") == model
    assert others == (("mid",) if model == "big" else ())


@pytest.mark.parametrize(
    ("fields", "model"),
    [
        ({"tools": [{"type": "image_generation"}]}, "painter"),
        ({"input": "Draw me a cat"}, "painter"),
        ({"input": "please create a nice logo"}, "painter"),
        ({"input": "create a table"}, "m"),
    ],
)
def test_who_asks_for_an_image_gets_the_model_for_it(fields: Json, model: str) -> None:
    body = body_of({"imageGenerationModel": "painter"}, **fields)
    gateway.model_is_chosen(body, gateway.taken(body))
    assert body.get("model") == model


@given(st.lists(st.text("abc _", max_size=12), min_size=1, max_size=6), st.text("abc _"))
def test_scores_are_shares_of_the_best(texts: list[str], question: str) -> None:
    told = scores(texts, question)
    assert all(0.0 <= score <= 1.0 for score in told)
    assert max(told) in {0.0, 1.0}
    assert told == scores(texts, question)
