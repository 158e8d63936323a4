from collections.abc import Mapping
from typing import Any

import msgspec
import pytest

from lb.core.account import FEATURES, Account, Ask
from lb.core.body import Body
from lb.core.call import Call, Outgoing
from lb.core.fields import for_account
from lb.core.secret import Secret
from lb.core.upstreams import KINDS
from lb.core.upstreams.chatgpt import Bearer
from lb.core.upstreams.dialect import AGENT

BASES = {
    "openai": "https://api.openai.com/v1/responses",
    "chatgpt": "https://chatgpt.com/backend-api/codex/responses",
    "azure": "https://r.openai.azure.com/openai/v1/responses",
    "compatible": "http://10.0.0.1:8000/v1/responses",
    "simulated": "simulated://here/responses",
}
GIVEN = {"azure": "https://r.openai.azure.com/openai/v1/", "compatible": "http://10.0.0.1:8000/v1/"}


def account(kind: str, supports: frozenset[str] = frozenset(), **facts: Any) -> Account:
    fields = for_account(kind, supports, facts.pop("overrides", {}))
    return Account("a", kind, GIVEN.get(kind, ""), supports=supports, fields=fields, **facts)


def call(fields: Mapping[str, Any] | bytes, *, codex: bool = False, **facts: Any) -> Call:
    source = fields if isinstance(fields, bytes) else msgspec.json.encode(fields)
    return Call(
        Body.parse(source), Ask("m"), stream=b'"stream":true' in source, codex=codex, **facts
    )


def sent(kind: str, made: Call, secret: Secret | None = None, **facts: Any) -> Outgoing:
    return KINDS[kind].rewrite(made, account(kind, **facts), secret or Secret("k"))


def body(kind: str, fields: Mapping[str, Any], *, codex: bool = False, **facts: Any) -> Any:
    return msgspec.json.decode(sent(kind, call(fields, codex=codex), **facts).body)


def test_every_kind_is_listed_under_its_name() -> None:
    assert {name: kind.name for name, kind in KINDS.items()} == {name: name for name in BASES}
    assert [name for name, kind in KINDS.items() if not kind.base_url] == ["azure", "compatible"]
    assert [name for name, kind in KINDS.items() if kind.stream_only] == ["chatgpt"]


@pytest.mark.parametrize(("kind", "url"), BASES.items())
def test_where_a_request_goes(kind: str, url: str) -> None:
    assert sent(kind, call({"model": "m"})).url == url


@pytest.mark.parametrize("kind", ["openai", "azure", "compatible", "simulated"])
def test_a_body_nothing_needs_to_touch_goes_out_byte_for_byte(kind: str) -> None:
    source = b'{"model":"m","input":"hi","temperature":0.50,"new_thing":[1e2],"stream":false}'
    outgoing = sent(kind, call(source))
    assert outgoing.body == source
    assert outgoing.changed == ()
    assert not outgoing.stream


@pytest.mark.parametrize("name", ["codex_lite", "codex_classic"])
def test_a_codex_body_goes_to_chatgpt_byte_for_byte(name: str) -> None:
    tools = [] if name == "codex_lite" else [{"type": "web_search"}, {"type": "custom"}]
    first = {"type": "additional_tools", "role": "developer", "tools": [{"type": "function"}]}
    source = msgspec.json.encode(
        {
            "model": "gpt-6.1-sol",
            "input": [first, {"type": "message", "role": "user", "content": []}],
            **({"tools": tools} if tools else {}),
            "store": False,
            "stream": True,
            "include": ["reasoning.encrypted_content"],
            "client_metadata": {"session_id": "s"},
        }
    )
    for codex in (True, False):  # by the client's name or by the form alone
        outgoing = sent("chatgpt", call(source, codex=codex))
        assert outgoing.body == source
        assert outgoing.changed == ()


def test_chatgpt_gets_what_it_demands() -> None:
    assert body("chatgpt", {"model": "m", "input": "hi"}) == {
        "model": "m",
        "input": [
            {
                "type": "message",
                "role": "user",
                "content": [{"type": "input_text", "text": "hi"}],
            }
        ],
        "store": False,
        "stream": True,
        "instructions": "",
    }


@pytest.mark.parametrize(
    ("fields", "codex", "instructions"),
    [
        ({"instructions": "be brief", "input": []}, False, "be brief"),
        ({"instructions": None, "input": []}, False, ""),
        ({"input": [{"role": "user", "content": "x"}]}, False, ""),
        ({"input": [{"role": "user", "content": "x"}]}, True, None),
        ({"input": [{"role": "developer", "content": "x"}]}, False, None),
        ({"instructions": None, "input": [{"role": "developer", "content": ""}]}, False, None),
        ({"input": [["developer"]]}, False, ""),
    ],
)
def test_instructions_are_missing_only_in_the_codex_form(
    fields: dict[str, Any], *, codex: bool, instructions: str | None
) -> None:
    assert body("chatgpt", fields, codex=codex).get("instructions") == instructions


def test_what_is_stripped_is_told_after_what_the_rules_changed() -> None:
    made = call({"model": "m", "user": "u", "temperature": 1, "top_p": None, "input": []})
    made.body.set("model", "n")
    outgoing = sent("chatgpt", made)
    assert outgoing.changed == ("model", "temperature", "user")
    assert set(msgspec.json.decode(outgoing.body)) == {
        "model",
        "input",
        "store",
        "stream",
        "instructions",
    }


def test_one_accounts_dialect_leaves_the_call_as_it_was() -> None:
    made = call({"model": "m", "user": "u", "input": "hi"})
    before = made.body.render()
    sent("chatgpt", made)
    assert made.body.render() == before
    assert made.body.changed == ()


def test_chatgpt_always_streams_a_response_and_nothing_else() -> None:
    assert sent("chatgpt", call({"model": "m"})).stream
    other = sent("chatgpt", call(b'{"model":"m"}', path="/images/generations"))
    assert (other.stream, other.body) == (False, b'{"model":"m"}')
    assert other.url == "https://chatgpt.com/backend-api/codex/images/generations"


def test_a_stored_response_is_stored_nowhere_at_chatgpt_and_that_is_told() -> None:
    outgoing = sent("chatgpt", call({"store": True, "input": []}), supports=FEATURES)
    assert msgspec.json.decode(outgoing.body)["store"] is False
    assert outgoing.changed == ("store",)


def test_tools_and_store_can_be_stripped_by_the_config() -> None:
    overrides = {"tools.web_search": {"*": "strip"}, "store": {"*": "strip"}}
    fields = {"store": True, "tools": [{"type": "web_search"}, {"type": "function", "name": "f"}]}
    assert body("openai", fields, overrides=overrides) == {
        "store": False,
        "tools": [{"type": "function", "name": "f"}],
    }
    assert body("openai", {"tools": [{"type": "web_search"}]}, overrides=overrides) == {}
    untouched = b'{"tools":[{"type":"function","name":"web_search"}]}'
    assert sent("openai", call(untouched), overrides=overrides).body == untouched


def test_headers_are_the_clients_then_ours_then_the_accounts() -> None:
    made = call(
        {"model": "m"},
        headers={
            "user-agent": "evil/1",
            "x-client-request-id": "r",
            "authorization": "Bearer theirs",
        },
    )
    headers = {"OpenAI-Project": Secret("p"), "X-Extra": Secret("e")}
    assert sent("openai", made, Secret("mine"), headers=headers).headers == {
        "user-agent": AGENT,
        "x-client-request-id": "r",
        "authorization": "Bearer mine",
        "content-type": "application/json",
        "accept": "application/json",
        "accept-encoding": "identity",
        "openai-project": "p",
        "x-extra": "e",
    }


def test_a_codex_client_keeps_its_name_and_a_stream_is_asked_for() -> None:
    made = call({"stream": True}, codex=True, headers={"user-agent": "codex_exec/0.169.0"})
    headers = sent("chatgpt", made).headers
    assert headers["user-agent"] == "codex_exec/0.169.0"
    assert headers["accept"] == "text/event-stream"


@pytest.mark.parametrize(
    ("kind", "secret", "told"),
    [
        ("openai", Secret("k"), {"authorization": "Bearer k"}),
        ("compatible", Secret("k"), {"authorization": "Bearer k"}),
        ("compatible", Secret(""), {}),
        ("azure", Secret("k"), {"api-key": "k"}),
        ("azure", Secret("eyJ0.e.s"), {"authorization": "Bearer eyJ0.e.s"}),
        ("chatgpt", Secret("t"), {"authorization": "Bearer t"}),
        (
            "chatgpt",
            Bearer("t", "acct"),
            {"authorization": "Bearer t", "chatgpt-account-id": "acct"},
        ),
    ],
)
def test_how_an_account_proves_itself(kind: str, secret: Secret, told: dict[str, str]) -> None:
    headers = KINDS[kind].rewrite(call({"model": "m"}), account(kind), secret).headers
    names = ("authorization", "api-key", "chatgpt-account-id")
    assert {name: headers[name] for name in names if name in headers} == told


def test_a_bearer_does_not_show_itself() -> None:
    assert "t0ken" not in f"{Bearer('t0ken', 'acct')!r} {Bearer('t0ken', 'acct')}"


def test_the_windows_of_an_answer() -> None:
    headers = {"x-ratelimit-limit-tokens": "4", "x-ratelimit-remaining-tokens": "1"}
    for kind in KINDS.values():
        assert [(window.name, window.used) for window in kind.windows(headers, 1.0)] == [
            ("tokens", 0.75)
        ]
