"""The ``gateway`` object at the door: who is asked, what goes up, what comes back."""

from typing import Any

import pytest

from tests import faulty_plays
from tests.clients import Answer, ask, asking, pool
from tests.conftest import Proxy, Served
from tests.plays import Asked, Play, saying
from tests.scripted import Upstream
from tests.test_models import chat

LABELS = {"first": '["us"]', "second": '["eu"]', "third": '["eu", "zdr"]'}


@pytest.fixture
async def three(proxy: Proxy, upstream: Upstream) -> Served:
    """Three accounts, asked in order, with the LABELS."""
    parts = [
        f'[[accounts]]\nid = "{name}"\nkind = "openai"\nbase_url = "{upstream.url}"\n'
        f'api_key = "{name}"\npriority = {at}\nlabels = {labels}\nsupports = ["store"]\n'
        for at, (name, labels) in enumerate(LABELS.items())
    ]
    return await proxy("[server]\npatience_s = 0\n" + "\n".join(parts))


async def wishing(server: Served, wish: Any, **fields: Any) -> Answer:
    return await ask(server.url, asking(gateway=wish, **fields))


@pytest.mark.parametrize(
    ("wish", "asked"),
    [
        ({}, ["first", "second", "third"]),
        ({"order": ["third", "eu"]}, ["third", "second", "first"]),
        ({"only": ["eu"]}, ["second", "third"]),
        ({"only": ["eu"], "order": ["third"]}, ["third", "second"]),
        ({"only": ["openai"], "order": ["eu"]}, ["second", "third", "first"]),
        ({"zdr": True}, ["third"]),
    ],
)
async def test_accounts_are_asked_as_wished(
    wish: Any, asked: list[str], three: Served, upstream: Upstream
) -> None:
    upstream.choose = lambda _: faulty_plays.error(503, "server_error")
    await wishing(three, wish)
    first_lap = upstream.asked()[: len(asked)]
    assert first_lap == asked
    assert set(upstream.asked()) == set(asked)
    assert all("gateway" not in each.body for each in upstream.seen)


@pytest.mark.parametrize(
    ("wish", "named"),
    [
        ({"only": ["nobody"]}, "gateway.only"),
        ({"zdr": True, "only": ["us"]}, "gateway.zdr"),
    ],
)
async def test_nobody_left_says_which_condition_emptied_it(
    wish: Any, named: str, three: Served, upstream: Upstream
) -> None:
    answer = await wishing(three, wish)
    assert (answer.status, answer.error["code"]) == (503, "no_accounts")
    assert named in answer.error["message"]
    assert not upstream.seen


async def test_zero_retention_stores_nothing(three: Served, upstream: Upstream) -> None:
    answer = await wishing(three, {"zdr": True}, store=True)
    assert answer.status == 200
    assert upstream.seen[0].body["store"] is False
    assert "gateway.zdr" in answer.headers["x-lb-changed"]


def echo(asked: Asked) -> Play:
    """Plays a model that repeats what it was told."""
    content = asked.body["input"]
    text = content if isinstance(content, str) else content[-1]["content"][0]["text"]
    return saying(f"You wrote {text}!")


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
async def test_what_is_private_never_leaves_and_comes_back(
    three: Served,
    upstream: Upstream,
    capsys: pytest.CaptureFixture[str],
    *,
    stream: bool,
) -> None:
    upstream.choose = echo
    secret = "bob@example.com, 4111 1111 1111 1111"
    wish = {"redact": {"email": True, "credit_card": True}}
    answer = await wishing(three, wish, input=secret, stream=stream)
    assert answer.text == f"You wrote {secret}!"
    assert upstream.seen[0].body["input"] == "[EMAIL_1], [CREDIT_CARD_1]"
    assert answer.headers["x-lb-changed"] == "gateway.redact"
    assert "bob@" not in "".join(capsys.readouterr())


async def test_a_chat_may_wish_as_well(three: Served, upstream: Upstream) -> None:
    upstream.choose = echo
    messages = [{"role": "user", "content": "bob@example.com"}]
    body = {"model": "gpt-5.5", "messages": messages, "gateway": {"redact": {"email": True}}}
    answer = await chat(three.url, body)
    assert answer.body["choices"][0]["message"]["content"] == "You wrote bob@example.com!"
    assert "bob" not in str(upstream.seen[0].body)


async def test_a_malformed_wish_is_a_400_and_nobody_is_asked(
    three: Served, upstream: Upstream
) -> None:
    answer = await wishing(three, {"redact": {"email": "yes"}})
    assert (answer.status, answer.error["param"]) == (400, "gateway.redact.email")
    assert not upstream.seen


HARD = "First analyze the algorithm, then design a strategy, compare both and finally refactor it."
PLANNING = {"planningTriggerScore": 0.6}
PRICED = "[models.planner]\nprices = { input = 1, output = 1000000 }\n"


def planner(asked: Asked) -> Play:
    """Plays both: the planner plans, the executor answers."""
    return saying("1. Think." if asked.body["model"] == "planner" else "Done.")


@pytest.fixture
async def pair(proxy: Proxy, upstream: Upstream) -> Served:
    upstream.choose = planner
    return await proxy(pool({"first": upstream.url, "second": upstream.url}) + PRICED)


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
async def test_a_hard_question_is_planned_first(
    pair: Served, upstream: Upstream, *, stream: bool
) -> None:
    wish = {**PLANNING, "redact": {"email": True}}
    fields = {"model": "doer:planning:planner", "instructions": "Be kind.", "stream": stream}
    answer = await wishing(pair, wish, input=f"{HARD} bob@example.com", **fields)
    plan, done = (each.body for each in upstream.seen)
    assert (plan["model"], done["model"]) == ("planner", "doer")
    assert done["instructions"] == "Be kind.\n\nFollow this plan:\n1. Think."
    assert "bob" not in str(plan) + str(done)
    usage = (answer.events[-1]["response"] if stream else answer.body)["usage"]
    details = usage["planning_usage_details"]
    assert details["total_tokens"] == details["prompt_tokens"] + details["completion_tokens"] > 0
    assert details["cost"] >= details["completion_tokens"]
    assert "gateway.planning" in answer.headers["x-lb-changed"]


async def test_a_chat_tells_what_its_plan_cost(pair: Served) -> None:
    messages = [{"role": "user", "content": HARD}]
    answer = await chat(pair.url, {"model": "doer:planning:planner", "messages": messages})
    assert answer.body["usage"]["planning_usage_details"]["total_tokens"] > 0


async def test_an_easy_question_goes_to_the_executor_at_once(
    pair: Served, upstream: Upstream
) -> None:
    answer = await wishing(pair, PLANNING, model="doer:planning:planner", input="Hello")
    assert [each.body["model"] for each in upstream.seen] == ["doer"]
    assert "planning_usage_details" not in answer.body["usage"]


async def test_a_planner_that_fails_costs_nothing_but_the_plan(
    pair: Served, upstream: Upstream
) -> None:
    fault = faulty_plays.error(404, "model_not_found")
    upstream.choose = lambda asked: fault if asked.body["model"] == "planner" else None
    answer = await wishing(pair, PLANNING, model="doer:planning:planner", input=HARD)
    assert answer.status == 200
    assert "instructions" not in upstream.seen[-1].body


@pytest.mark.parametrize("model", ["doer:planning:", ":planning:planner"])
async def test_half_a_pair_of_models_is_a_400(model: str, pair: Served) -> None:
    answer = await wishing(pair, PLANNING, model=model, input=HARD)
    assert (answer.status, answer.error["param"]) == (400, "model")


TAGS = [{"name": "code", "description": "programming", "models": ["big:high", "old", "small"]}]


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
async def test_the_models_of_a_tag_are_tried_in_order(
    proxy: Proxy, upstream: Upstream, *, stream: bool
) -> None:
    models = '[models.big]\nefforts = ["high"]\n[models.old]\nretired = "small"\n'
    server = await proxy(pool({"first": upstream.url, "second": upstream.url}) + models)
    upstream.choose = lambda asked: (
        faulty_plays.error(404, "model_not_found") if asked.body["model"] == "big" else None
    )
    answer = await wishing(server, {"tags": TAGS}, input="programming!", stream=stream)
    assert answer.status == 200
    assert [each.body["model"] for each in upstream.seen] == ["big", "big", "small"]
    assert [each.body.get("reasoning") for each in upstream.seen[1:]] == [{"effort": "high"}, None]


async def test_a_client_s_own_mistake_is_not_tried_with_another_model(
    proxy: Proxy, upstream: Upstream
) -> None:
    server = await proxy(pool({"first": upstream.url}))
    upstream.choose = lambda _: faulty_plays.error(400, "invalid_value", "invalid_request_error")
    tags = [{"name": "code", "description": "programming", "models": ["big", "small"]}]
    answer = await wishing(server, {"tags": tags}, input="programming!")
    assert answer.status == 400
    assert len(upstream.seen) == 1
