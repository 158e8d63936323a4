"""Which conversation a request belongs to, and which state it leans on."""

import json
from typing import Any

import pytest

from lb.core.affinity import (
    CACHEABLE_BYTES,
    LONGEST_NAME,
    PIN_S,
    Affinity,
    anchors_of,
    session_of,
)
from lb.core.body import Body
from lb.core.tap import CIPHER_PREFIX
from tests.core.happenings import NOW

LONG = "x" * CACHEABLE_BYTES


def body(**fields: Any) -> Body:
    return Body.parse(json.dumps(fields).encode())


@pytest.mark.parametrize(
    ("headers", "fields", "session"),
    [
        ({"session-id": "s", "session_id": "t", "thread-id": "u"}, {}, "session:s"),
        ({"session_id": "t", "thread-id": "u"}, {}, "session:t"),
        ({"thread-id": "u"}, {"prompt_cache_key": "k"}, "session:u"),
        ({"session-id": ""}, {"prompt_cache_key": "k"}, "session:k"),
        ({}, {"prompt_cache_key": "k", "instructions": LONG}, "session:k"),
        ({}, {"prompt_cache_key": 5}, ""),
        ({"x-codex-parent-thread-id": "p", "session-id": "s", "thread-id": "u"}, {}, "session:u"),
        ({"x-codex-parent-thread-id": "p", "session-id": "s"}, {}, "session:s"),
        ({}, {"input": "hi"}, ""),
    ],
)
def test_a_conversation_is_known_by_the_first_name_it_has(
    headers: dict[str, str], fields: dict[str, Any], session: str
) -> None:
    assert session_of(headers, body(**fields)) == session


def _user(text: str) -> dict[str, Any]:
    return {"type": "message", "role": "user", "content": text}


def test_a_nameless_conversation_is_known_by_how_it_began_once_it_is_worth_caching() -> None:
    first = body(instructions=LONG, input=[_user("hello")])
    second = body(instructions=LONG, input=[_user("hello"), _user("more"), _user("still more")])
    other = body(instructions=LONG, input=[_user("bye")])
    small = body(instructions="short", input=[_user("hello")])
    assert session_of({}, first).startswith("prefix:")
    assert session_of({}, first) != session_of({}, other)
    assert session_of({}, small) == ""
    assert session_of({}, second).startswith("prefix:")


def test_a_longer_first_turn_keeps_its_conversation() -> None:
    begun = [_user("hello " * 200)]
    one = session_of({}, body(instructions=LONG, input=begun))
    later = session_of({}, body(instructions=LONG, input=[*begun, _user("and then?")]))
    assert one == later


def test_only_what_an_upstream_would_cache_gets_a_name() -> None:
    assert session_of({}, body(input="y" * (CACHEABLE_BYTES - 3))) == ""
    assert session_of({}, body(input="y" * CACHEABLE_BYTES)).startswith("prefix:")


REASONING = {"type": "reasoning", "id": "rs_1", "encrypted_content": "gAAA" + "z" * 500}


@pytest.mark.parametrize(
    ("headers", "fields", "anchors", "bound"),
    [
        ({}, {"input": "hi"}, (), False),
        ({}, {"previous_response_id": "resp_1"}, ("resp:resp_1",), True),
        ({}, {"previous_response_id": None}, (), False),
        ({}, {"conversation": "conv_1"}, ("conv:conv_1",), True),
        ({}, {"conversation": {"id": "conv_1"}}, ("conv:conv_1",), True),
        ({}, {"input": [{"type": "item_reference", "id": "msg_1"}]}, ("item:msg_1",), True),
        ({}, {"input": [{"id": "msg_1", "type": "item_reference"}]}, ("item:msg_1",), True),
        (
            {"x-codex-turn-state": "t"},
            {"input": [REASONING]},
            ("enc:" + REASONING["encrypted_content"][:CIPHER_PREFIX], "item:rs_1", "turn:t"),
            False,
        ),
    ],
)
def test_a_request_names_the_state_it_leans_on(
    *, headers: dict[str, str], fields: dict[str, Any], anchors: tuple[str, ...], bound: bool
) -> None:
    assert anchors_of(headers, body(**fields)) == (anchors, bound)


def test_of_many_ciphertexts_the_newest_tells_the_account() -> None:
    items = [{**REASONING, "id": f"rs_{n}", "encrypted_content": f"{n}" * 50} for n in range(5)]
    told, bound = anchors_of({}, body(input=items))
    assert told == ("enc:" + "4" * 50, "item:rs_4")
    assert not bound


def test_of_several_references_the_newest_tells_the_account() -> None:
    items = [{"type": "item_reference", "id": f"msg_{n}"} for n in range(5)]
    assert anchors_of({}, body(input=items))[0] == ("item:msg_4",)


def test_an_owner_is_forgotten_after_an_hour_unless_seen_again() -> None:
    affinity = Affinity()
    affinity.pin("", ["one", "two"], "a", NOW)
    affinity.pin("", ["two"], "a", NOW + 60)
    assert affinity.owner("", ["one"], NOW + PIN_S - 1) == "a"
    assert affinity.owner("", ["one"], NOW + PIN_S) is None
    assert affinity.owner("", ["two"], NOW + PIN_S + 59) == "a"


def test_the_first_name_that_is_known_tells_the_owner() -> None:
    affinity = Affinity()
    affinity.pin("", ["one"], "a", NOW)
    affinity.pin("", ["two"], "b", NOW)
    assert affinity.owner("", ["zero", "two", "one"], NOW) == "b"


def test_a_conversation_that_moved_belongs_to_its_new_account() -> None:
    affinity = Affinity()
    affinity.pin("", ["one"], "a", NOW)
    affinity.pin("", ["one"], "b", NOW + 1)
    assert affinity.owner("", ["one"], NOW + 1) == "b"


def test_no_more_names_are_kept_than_is_allowed_the_oldest_go_first() -> None:
    affinity = Affinity(most=3)
    affinity.pin("", ["1", "2", "3"], "a", NOW)
    affinity.pin("", ["1"], "a", NOW + 1)
    affinity.pin("", ["4"], "a", NOW + 2)
    assert len(affinity) == 3
    assert [affinity.owner("", [name], NOW + 2) for name in "1234"] == ["a", None, "a", "a"]


def test_names_are_kept_apart_by_client_and_never_in_the_clear() -> None:
    affinity = Affinity()
    affinity.pin("alice", ["session:secret"], "a", NOW)
    assert affinity.owner("bob", ["session:secret"], NOW) is None
    assert affinity.owner("", ["alice\0session:secret"], NOW) is None
    assert "secret" not in repr(affinity)


def test_a_name_may_hold_any_text() -> None:
    affinity = Affinity()
    affinity.pin("\udcff", ["session:\udcff\0"], "a", NOW)
    assert affinity.owner("\udcff", ["session:\udcff\0"], NOW) == "a"


def test_pins_are_counted_by_account_while_they_hold() -> None:
    affinity = Affinity()
    affinity.pin("", ["1", "2"], "a", NOW)
    affinity.pin("", ["3"], "b", NOW + 60)
    assert affinity.count_by_account(NOW + 60) == {"a": 2, "b": 1}
    assert affinity.count_by_account(NOW + PIN_S + 1) == {"b": 1}


def test_names_a_client_makes_long_are_kept_short_and_still_told_apart() -> None:
    long = "k" * 1_000_000
    told = [session_of({}, body(prompt_cache_key=long + end)) for end in "ab"]
    anchors, _ = anchors_of({}, body(previous_response_id=long, conversation=long))
    assert all(len(name) <= LONGEST_NAME for name in (*told, *anchors))
    assert told[0] != told[1]
    affinity = Affinity()
    affinity.pin("c", [f"resp:{long}"], "a", NOW)
    assert affinity.owner("c", anchors, NOW) == "a"
