"""What lb asks of its pool before it answers: which tag fits, what old turns said, a plan."""

import json
from typing import Any

import pytest

from lb.core.ledger import Admitted, Settled
from lb.core.plans import Key, Plan
from tests import faulty_plays
from tests.clients import Answer, ask, asking, pool
from tests.conftest import Proxy, Served
from tests.hearing import Listener, conversing, message, over_sockets
from tests.plays import Asked, Play, saying
from tests.scripted import Upstream
from tests.talking import say
from tests.tenants import ask_as, call, key_of, keys
from tests.test_gateway import HARD, PLANNING

MODELS = '[gateway]\nrouter_model = "gpt-5-nano:low"\nsummary_model = "summer"\n'
TAGS = [
    {"name": "code", "description": "programming", "models": ["coder"]},
    {"name": "prose", "description": "letters", "models": ["writer"]},
]


def facts_of(server: Served) -> list[Any]:
    """What goes into the ledger from now on."""
    facts: list[Any] = []
    server.gateway.dispatch.books.note = lambda *told: facts.extend(told)
    return facts


@pytest.fixture
async def server(proxy: Proxy, upstream: Upstream) -> Served:
    return await proxy(pool({"first": upstream.url}) + MODELS)


async def tagged(server: Served, text: str = "programming!", **wish: Any) -> Answer:
    return await ask(server.url, asking(text, gateway={"tags": TAGS, **wish}))


def router_says(answer: str) -> Any:
    def play(asked: Asked) -> Play:
        return saying(answer if asked.body["model"] == "gpt-5-nano" else "Done.")

    return play


async def test_a_model_says_which_tag_fits_and_is_asked_once(
    server: Served, upstream: Upstream
) -> None:
    upstream.choose = router_says('{"tag":"prose"}')
    facts = facts_of(server)
    answer = await tagged(server)
    await tagged(server)
    assert (answer.status, answer.text) == (200, "Done.")
    assert [each.body["model"] for each in upstream.seen] == ["gpt-5-nano", "writer", "writer"]
    question = upstream.seen[0].body
    schema = question["text"]["format"]["schema"]
    assert question["text"]["format"]["strict"] is True
    assert schema["properties"]["tag"]["enum"] == ["code", "prose", None]
    assert question["reasoning"] == {"effort": "low"}
    assert "code: programming" in question["instructions"]
    asked, settled = ([f for f in facts if isinstance(f, kind)] for kind in (Admitted, Settled))
    assert len({fact.request_id for fact in asked}) == len(settled) == 3


async def test_nothing_private_is_in_a_question(server: Served, upstream: Upstream) -> None:
    upstream.choose = router_says('{"tag":"prose"}')
    await tagged(server, "programming for bob@example.com", redact={"email": True})
    assert "bob@" not in json.dumps([each.body for each in upstream.seen])


@pytest.mark.parametrize("answer", ["prose, I think", '{"tag":"cooking"}', "[]", ""])
async def test_words_decide_where_the_router_does_not(
    answer: str, server: Served, upstream: Upstream
) -> None:
    upstream.choose = router_says(answer)
    assert (await tagged(server)).status == 200
    assert upstream.seen[-1].body["model"] == "coder"


async def test_words_decide_where_the_router_fails(server: Served, upstream: Upstream) -> None:
    fault = faulty_plays.error(404, "model_not_found")
    upstream.choose = lambda asked: fault if asked.body["model"] == "gpt-5-nano" else None
    assert (await tagged(server)).status == 200
    assert upstream.seen[-1].body["model"] == "coder"


async def test_no_tag_may_fit(server: Served, upstream: Upstream) -> None:
    upstream.choose = router_says('{"tag":null}')
    await tagged(server)
    assert upstream.seen[-1].body["model"] == "gpt-5.5"


def history(turns: int = 7) -> list[dict[str, Any]]:
    said = ["my address is bob@example.com", *["tell me about whales"] * (turns - 1)]
    return [
        item
        for number, text in enumerate(said)
        for item in (
            {"role": "user", "content": f"{text}, turn {number}"},
            {"role": "assistant", "content": "whales swim" if number else "noted"},
        )
    ][:-1]


COMPRESSED = {"chatHistoryCompression": {"enabled": True, "score": 0.3}, "redact": {"email": True}}


async def test_old_turns_that_do_not_matter_are_summed_up(
    server: Served, upstream: Upstream
) -> None:
    upstream.choose = lambda asked: (
        saying("They live at [EMAIL_1].") if asked.body["model"] == "summer" else saying("Done.")
    )
    body = asking(gateway=COMPRESSED) | {"input": history()}
    answer = await ask(server.url, body)
    await ask(server.url, body)
    assert answer.status == 200
    assert [each.body["model"] for each in upstream.seen] == ["summer", "gpt-5.5", "gpt-5.5"]
    question, told = (each.body for each in upstream.seen[:2])
    assert "[EMAIL_1]" in json.dumps(question)
    assert "bob@" not in json.dumps([question, told])
    assert "They live at [EMAIL_1]." in json.dumps(told["input"][0])
    assert "my address" not in json.dumps(told["input"])
    assert "gateway.chatHistoryCompression" in answer.headers["x-lb-changed"]


async def test_without_a_summary_the_turns_just_go(server: Served, upstream: Upstream) -> None:
    fault = faulty_plays.error(404, "model_not_found")
    upstream.choose = lambda asked: fault if asked.body["model"] == "summer" else None
    answer = await ask(server.url, asking(gateway=COMPRESSED) | {"input": history()})
    assert answer.status == 200
    assert "my address" not in json.dumps(upstream.seen[-1].body["input"])


async def test_a_plan_s_own_gateway_object_counts_where_a_request_says_nothing(
    proxy: Proxy, upstream: Upstream
) -> None:
    plan = "[plans.safe]\ngateway = { redact = { email = true }, mediaOptimization = true }\n"
    server = await proxy(pool({"a": upstream.url}) + plan + keys(alice='plan = "safe"'))
    wishes: list[Any] = [None, {"order": ["a"]}, {"redact": {}}]
    for wish in wishes:
        body = asking("bob@example.com") | ({} if wish is None else {"gateway": wish})
        assert (await ask_as(server.url, key_of("alice"), body)).status == 200
    assert ["bob" in str(each.body) for each in upstream.seen] == [False, False, True]


async def test_a_plan_counts_within_the_limits_of_the_key(proxy: Proxy, upstream: Upstream) -> None:
    server = await proxy(pool({"a": upstream.url}) + keys(alice="rpm = 3"))
    facts = facts_of(server)
    body = asking(HARD, gateway=PLANNING) | {"model": "doer:planning:planner"}
    answers = [await ask_as(server.url, key_of("alice"), body) for _ in range(3)]
    assert [answer.status for answer in answers] == [200, 200, 429]
    assert [each.body["model"] for each in upstream.seen] == ["planner", "doer", "doer"]
    meter = server.gateway.keys.limits.of("alice")
    assert (meter.in_flight, meter.held_tokens) == (0, 0)
    models = [fact.model for fact in facts if isinstance(fact, Admitted)]
    assert models == ["planner", "doer", "doer"]


async def test_a_model_s_price_is_what_it_costs(proxy: Proxy, upstream: Upstream) -> None:
    prices = (
        '[models.big]\naliases = ["b"]\nserved = "gpt-5.5"\nprices = { input = 1000, output = 0 }\n'
    )
    server = await proxy(pool({"a": upstream.url}) + prices + keys(alice="balance = 5"))
    facts = facts_of(server)
    answer = await ask_as(server.url, key_of("alice"), asking() | {"model": "b"})
    usage = answer.body["usage"]
    (settled,) = (fact for fact in facts if isinstance(fact, Settled))
    assert settled.cost_uusd == usage["input_tokens"] * 1000


async def test_a_model_of_another_plan_is_a_403_and_is_not_listed(
    proxy: Proxy, upstream: Upstream
) -> None:
    text = (
        '[plans.ultra]\n[plans.free]\n[models."gpt-5.5"]\naliases = ["fast"]\nplans = ["ultra"]\n'
    )
    server = await proxy(
        pool({"a": upstream.url}) + text + keys(alice='plan = "ultra"', bob='plan = "free"')
    )
    for model in ("gpt-5.5", "fast", "openai/gpt-5.5:low"):
        statuses = [
            (await ask_as(server.url, key_of(name), asking() | {"model": model})).status
            for name in ("alice", "bob")
        ]
        assert statuses == [200, 403]
    for name, count in (("alice", 1), ("bob", 0)):
        listed = await call(server.url, "GET", "/v1/models", key=key_of(name))
        assert [each["id"] for each in listed.body["data"]].count("gpt-5.5") == count


def test_a_denied_model_is_denied_by_all_its_names() -> None:
    plan = Key("k", b"", Plan(deny=("gpt-5.5",))).plan
    assert not plan.admits("fast", "gpt-5.5")
    assert plan.admits("fast")


async def test_a_conversation_on_a_socket_is_hidden_and_restored(proxy: Proxy) -> None:
    async with Listener() as listener:
        server = await proxy(over_sockets({"first": listener.url}))
        wish = {"redact": {"email": True}}
        model = {"model": "gpt-5.5:low"}
        async with conversing(server.url) as link:
            listener.standing = saying("Hello [EMAIL_1].")
            first = await say(
                link, {**model, "input": [message("bob@example.com")], "gateway": wish}
            )
            last = first.events[-1]["response"]["id"]
            again = {"previous_response_id": last, "gateway": wish, **model}
            second = await say(link, {**again, "input": [message("alice@example.com")]})
    assert (first.text, second.text) == ("Hello bob@example.com.", "Hello bob@example.com.")
    sent = [each.body for each in listener.seen]
    assert "@example" not in json.dumps(sent)
    assert [each["model"] for each in sent] == ["gpt-5.5", "gpt-5.5"]
    assert "gateway" not in sent[1]
    assert "[EMAIL_2]" in json.dumps(sent[1]["input"])


async def test_a_turn_that_goes_on_names_the_model_as_upstream_does(proxy: Proxy) -> None:
    async with Listener() as listener:
        server = await proxy(over_sockets({"first": listener.url}))
        model = {"model": "openai/gpt-5.5:low"}
        async with conversing(server.url) as link:
            first = await say(link, {**model, "input": [message("one")]})
            last = {"previous_response_id": first.events[-1]["response"]["id"]}
            second = await say(link, {**model, **last, "input": [message("two")]})
    assert second.status == 200
    sent = [each.body for each in listener.seen]
    assert [each["model"] for each in sent] == ["gpt-5.5", "gpt-5.5"]
    assert [each["reasoning"]["effort"] for each in sent] == ["low", "low"]
    assert sent[1]["previous_response_id"]
    assert len(sent[1]["input"]) == 1
