"""A body keeps its bytes."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from lb.core.body import Body
from lb.core.errors import Problem

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
NUMBERS = st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)
OBJECTS = st.dictionaries(TEXT, JSON, max_size=6)
COMPACT = (",", ":")


@given(OBJECTS)
def test_a_compact_body_nobody_touched_is_the_very_object_that_came_in(
    value: dict[str, Any],
) -> None:
    source = msgspec.json.encode(value)
    body = Body.parse(source)
    plain = all(name.isascii() and name.isidentifier() for name in value)
    assert body.render() is source if plain else body.render() == source
    assert body.names() == tuple(value)
    assert {name: body.get(name) for name in value} == value


@given(OBJECTS, st.booleans(), st.sampled_from([None, 2]))
def test_a_body_of_any_layout_keeps_its_meaning(
    value: dict[str, Any], ascii_only: bool, indent: int | None  # noqa: FBT001
) -> None:  # fmt: skip
    source = json.dumps(value, ensure_ascii=ascii_only, indent=indent).encode()
    assert json.loads(Body.parse(source).render()) == value


@given(OBJECTS, TEXT, JSON)
def test_fields_that_were_not_set_keep_their_bytes(
    value: dict[str, Any], name: str, new: Any
) -> None:
    body = Body.parse(json.dumps(value, separators=COMPACT).encode())
    before = {key: body.raw(key) for key in value if key != name}
    body.set(name, new)
    after = Body.parse(body.render())
    assert {key: after.raw(key) for key in before} == before
    assert after.get(name) == new
    assert body.changed == (name,)


@given(OBJECTS, st.data())
def test_a_dropped_field_is_gone_and_the_copy_keeps_it(
    value: dict[str, Any], data: st.DataObject
) -> None:
    assume(value)
    name = data.draw(st.sampled_from(sorted(value)))
    body = Body.parse(msgspec.json.encode(value))
    copy = body.copy()
    body.drop(name, told=False)
    body.drop(name)
    assert name not in body
    assert (body.raw(name), body.get(name, 7), body.changed) == (b"", 7, ())
    assert msgspec.json.decode(body.render()) == {k: v for k, v in value.items() if k != name}
    assert copy.render() == msgspec.json.encode(value)


def test_of_two_fields_with_one_name_upstream_sees_the_one_that_was_checked() -> None:
    body = Body.parse(b'{"a":1,"b":2,"a":3}')
    assert body.get("a") == 3
    assert body.render() == b'{"a":3,"b":2}'
    assert Body.parse(b'{"a":1,"\\u0061":2}').render() == b'{"a":2}'


def test_a_surrogate_pair_passes() -> None:
    source = rb'{"a":"\ud83d\ude00"}'
    body = Body.parse(source)
    assert body.get("a") == "\U0001f600"
    assert body.render() is source


MALFORMED = {
    "empty": b"",
    "a word": b"hello",
    "a list": b"[1]",
    "a string": b'"x"',
    "null": b"null",
    "cut short": b'{"a":1',
    "two values": b'{"a":1}{}',
    "a trailing comma": b'{"a":1,}',
    "an inner trailing comma": b'{"a":[1,]}',
    "NaN": b'{"a":NaN}',
    "Infinity": b'{"a":[-Infinity]}',
    "a lone high surrogate": rb'{"a":"\ud800"}',
    "a lone low surrogate": rb'{"a":["x",{"y":"\uDC00z"}]}',
    "a lone surrogate in a key": rb'{"\ud800":1}',
    "not UTF-8": b'{"a":"\xff"}',
    "an encoded surrogate": b'{"a":"\xed\xa0\x80"}',
    "a raw control character": b'{"a":"x\ny"}',
    "a leading zero": b'{"a":01}',
    "a comment": b'{"a":1}//x',
    "single quotes": b"{'a':1}",
    "UTF-16": '{"a":1}'.encode("utf-16"),
    "arrays too deep": b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "objects too deep": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
}


@pytest.mark.parametrize("source", MALFORMED.values(), ids=MALFORMED)
def test_what_is_not_one_strict_json_object_is_a_400(source: bytes) -> None:
    with pytest.raises(Problem) as caught:
        Body.parse(source)
    assert caught.value.status == 400
    assert caught.value.message.startswith("We could not parse the JSON body of your request")


@given(st.binary(max_size=60) | st.text('{}[]",:1ea\\ud8', max_size=40).map(str.encode))
def test_any_bytes_are_parsed_or_refused(source: bytes) -> None:
    body = parsed(source)
    if isinstance(body, Problem):
        assert body.status == 400
    else:
        assert Body.parse(body.render()).names() == body.names()


def parsed(source: bytes) -> Body | Problem:
    try:
        return Body.parse(source)
    except Problem as problem:
        return problem


def test_a_number_no_machine_holds_passes_unless_it_is_looked_at() -> None:
    source = b'{"a":1e400}'
    body = Body.parse(source)
    assert body.render() is source
    with pytest.raises(Problem) as caught:
        body.get("a")
    assert (caught.value.status, caught.value.param) == (400, "a")


def test_a_look_at_a_field_costs_no_copy() -> None:
    body = Body.parse(b'{"a": [1, 2]}')
    assert bytes(body.view("a")) == body.raw("a") == b"[1, 2]"
    assert body.view("a").obj is not body.raw("a")
    assert bytes(body.view("b")) == b""
