"""One pass for all marks: it never misses what a pattern would find, however a client spells it."""

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lb.core import marks
from lb.core.body import _SPELT, Body
from lb.core.errors import Problem
from lb.core.gateway.media import _MEDIA
from lb.core.marks import ALL, PIECE_BYTES, TAIL_BYTES, Mark, kinds_in, newest
from lb.core.rules.items import _CHAT, _FILE, _STRIPPED

MARKS = {"chat": _CHAT, "stripped": _STRIPPED, "file": _FILE, "media": _MEDIA, "spelt": _SPELT}
WORDS = [
    *("type", "role", "text", "tool", "tools", "file", "file_id", "image_url", "input_text"),
    *("input_image", "input_file", "function_call", "function_call_output", "tool_calls"),
    *("reasoning_content", "rs_1", "encrypted_content", "item_reference", "\\u0074ype", "é😀"),
]
words = st.sampled_from(WORDS) | st.text(max_size=8)
values = st.recursive(
    words | st.integers() | st.none(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(words, inner, max_size=4),
    max_leaves=12,
)
SPELLINGS: list[dict[str, Any]] = [
    {},
    {"separators": (",", ":")},
    {"separators": (" ,\n", "\t:\r\n")},
    {"indent": 2},
    {"indent": 1, "separators": (",", " : ")},
    {"ensure_ascii": False},
]


@given(st.lists(values, max_size=4), st.sampled_from(SPELLINGS), values)
def test_what_a_pattern_finds_in_items_the_pass_has_seen(
    items: list[Any], spelling: dict[str, Any], other: Any
) -> None:
    text = json.dumps({"model": "m", "metadata": other, "input": items}, **spelling)
    try:
        body = Body.parse(text.encode("utf-8", "surrogatepass"))
    except Problem:
        return  # a lone surrogate
    for mark in MARKS.values():
        assert body.has(mark) == bool(mark.pattern.search(body.view("input")))


@pytest.mark.parametrize("name", MARKS)
@pytest.mark.parametrize("at", [0, PIECE_BYTES - 20, PIECE_BYTES - 3, PIECE_BYTES, 3 * PIECE_BYTES])
def test_a_mark_is_found_wherever_it_lies(name: str, at: int) -> None:
    told = {
        "chat": b'{"role":"tool"}',
        "stripped": b'{"reasoning_content":1}',
        "file": b'{"file_id":1}',
        "media": b'{"type":"input_image"}',
        "spelt": b'"\\u0066"',
    }[name]
    text = b" " * at + told + b" " * (2 * PIECE_BYTES)
    assert kinds_in(text) == MARKS[name].kind
    assert kinds_in(memoryview(bytearray(text)), MARKS[name].kind) == MARKS[name].kind
    assert kinds_in(text, ALL & ~MARKS[name].kind) == 0


def test_what_was_found_is_looked_for_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """Or whoever sends nothing but marks would have each of them listed."""
    asked: list[int] = []
    inner = marks._Automaton.kinds

    def kinds(self: marks._Automaton, text: memoryview) -> int:
        asked.append(len(self._kinds))
        return inner(self, text)

    monkeypatch.setattr(marks._Automaton, "kinds", kinds)
    assert kinds_in(b'"tool",\\ud83d' * (PIECE_BYTES // 4)) == marks.CHAT | marks.SURROGATE
    first, *later = asked
    assert len(later) > 1
    assert all(number < first for number in later)


def test_what_another_field_holds_is_not_in_the_input() -> None:
    tools = [{"name": "f", "parameters": {"type": "text", "file_id": 1}}]
    for length in (1, PIECE_BYTES):
        body = Body.parse(json.dumps({"input": [{"x": "y" * length}], "tools": tools}).encode())
        assert not any(body.has(mark) for mark in MARKS.values())


def test_a_body_written_anew_is_looked_at_anew() -> None:
    body = Body.parse(b'{"input":[{"type":"message"}]}')
    assert not body.has(_FILE)
    body.set("input", [{"file_id": "f"}])
    assert body.has(_FILE)
    assert body.copy().has(_FILE)


@pytest.mark.parametrize("behind", [0, 1, TAIL_BYTES - 4, TAIL_BYTES, 9 * TAIL_BYTES])
def test_the_newest_is_found_however_far_back(behind: int) -> None:
    text = b'"a":1 ' * 50_000 + b'"a":2' + b" " * behind
    found = newest(memoryview(text), b'"a"', re.compile(rb'"a":(\d)'))
    assert found is not None
    assert found[1] == b"2"
    assert newest(memoryview(text), b'"b"', re.compile(rb'"b"')) is None


def test_every_kind_has_a_place_of_its_own() -> None:
    assert sum(marks._TOKENS) == ALL
    assert all(isinstance(mark, Mark) for mark in MARKS.values())
