"""The rules: each row of the golden table, and the laws that hold for any body."""

from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lb.core.body import Body, Source
from lb.core.errors import Blame, Problem
from lb.core.fields import REJECTABLE
from lb.core.rules import RULES, Rule, _due, prepare, refusal
from tests.core.rules_table import CHANGING, NEEDING, PASSING, ROWS, Row, chat, text, with_input

DATA = Path(__file__).parent.parent / "data"


def body_of(sent: Any) -> Body:
    return Body.parse(msgspec.json.encode(sent))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_golden(row: Row) -> None:
    body = body_of(row.sent)
    source = body.render()
    if row.problem:
        with pytest.raises(Problem) as caught:
            prepare(body)
        assert (caught.value.status, caught.value.blame) == (400, Blame.CLIENT)
        assert (caught.value.param, caught.value.code) == row.problem
        return
    assert prepare(body) == row.needs & REJECTABLE
    assert msgspec.json.decode(body.render()) == (row.becomes or row.sent)
    assert tuple(body.changed) == row.changed
    assert row.becomes or body.render() is source
    assert prepared_again(body.render()) == (body.render(), row.needs & REJECTABLE)


def prepared_again(source: Source) -> tuple[Source, frozenset[str]]:
    body = Body.parse(source)
    needs = prepare(body)
    assert not body.changed
    return body.render(), needs


@pytest.mark.parametrize("name", ["codex_lite", "codex_classic"])
def test_a_codex_body_passes_byte_for_byte_and_needs_nothing(name: str) -> None:
    source = (DATA / f"{name}.json").read_bytes()
    body = Body.parse(source)
    assert prepare(body) == frozenset()
    assert body.render() is source
    assert not body.changed
    assert "input" not in body._seen


def test_a_large_input_without_marks_is_not_decoded() -> None:
    said = 'he said "reasoning_content": {"file_id": 1} and "role":"tool"\n' * 130_000
    body = body_of(with_input([text(said)]))
    assert len(body.view("input")) > 8_000_000
    source = body.render()
    assert prepare(body) == frozenset()
    assert body.render() is source
    assert "input" not in body._seen


def test_a_file_id_is_found_behind_escapes() -> None:
    source = (
        rb'{"model":"m","input":[{"role":"user","content":'
        rb'[{"type":"input_file","file\u005fid":"f"}]}]}'
    )
    assert prepare(Body.parse(source)) == {"file_id"}


def test_a_tool_of_two_types_is_a_400() -> None:
    body = Body.parse(b'{"model":"m","input":"hi","tools":[{"type":1,"type":"mcp"}]}')
    with pytest.raises(Problem, match="names its type twice") as caught:
        prepare(body)
    assert caught.value.param == "tools"


def test_a_pretty_body_keeps_its_fields_as_they_are() -> None:
    body = Body.parse(b'{ "model" : "m",\n "input" : [ 1.0, "\\u0041" ] }')
    prepare(body)
    assert body.render() == b'{"model":"m","input":[ 1.0, "\\u0041" ]}'


def test_needs_follow_the_fields_a_config_rejects() -> None:
    body = body_of(with_input("hi", temperature=0, tools=[{"type": "mcp"}]))
    assert prepare(body, frozenset({"temperature", "tools.mcp", "top_p"})) == {
        "temperature",
        "tools.mcp",
    }


@pytest.mark.parametrize("need", sorted(REJECTABLE))
def test_a_refusal_names_the_field(need: str) -> None:
    problem = refusal(need)
    assert (problem.status, problem.blame) == (400, Blame.CLIENT)
    assert problem.param == ("tools" if need.startswith("tools.") else need)
    assert need.removeprefix("tools.") in problem.message


def test_a_refusal_says_which_account_would_keep_the_field() -> None:
    assert refusal("store").message.startswith(
        "'store' is not kept by any account here; "
        'an account with `supports = ["store"]` would.'
    )  # fmt: skip


def test_field_names_nobody_knows_are_not_remembered() -> None:
    before = len(_due)
    for number in range(50):
        prepare(body_of({"model": "m", "input": "hi", f"field-{number}" + "x" * 1100: 1}))
        prepare(body_of({"model": "m", "input": "hi", **{f"{number}-{n}": 1 for n in range(300)}}))
    assert len(_due) == before


@pytest.mark.parametrize("field", ["tools", "messages", "text", "tool_choice", "metadata"])
def test_what_is_nested_almost_too_deeply_is_refused_or_taken(field: str) -> None:
    """Parsing passes it over; a rule that looks into it stands a few calls further down."""
    for depth in range(900, 1010):
        nested = b"[" * depth + b"]" * depth
        value = b'{"type":"function","role":"user","parameters":%b}' % nested
        value = value if field in {"text", "tool_choice", "metadata"} else b"[%b]" % value
        other = b'"input":"hi",' if field != "messages" else b""
        sent = b'{"model":"m",%b"%b":%b}' % (other, field.encode(), value)
        found = prepared(sent)  # either is fine, a crash is not
        assert not isinstance(found, Problem) or found.status == 400


def test_each_rule_says_what_it_does() -> None:
    assert len(set(RULES)) == len(RULES)
    assert all(rule.__doc__ for rule in RULES)


def mixed(pool: list[Any]) -> st.SearchStrategy[Any]:
    leaves = st.sampled_from(pool)
    return st.recursive(
        leaves,
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4)
        ),
        max_leaves=12,
    )


KEYS = ["type", "role", "content", "text", "tool_calls", "tool_call_id", "call_id", "function",
        "custom", "name", "arguments", "image_url", "url", "file", "file_id", "output", "id",
        "reasoning_content", "format", "tools", "allowed_tools"]  # fmt: skip
WORDS = [None, True, 1, 0.5, "", "message", "text", "tool", "user", "assistant", "system", "file",
         "function", "custom", "allowed_tools", "image_url", "input_text", "web_search_preview",
         "function_call", "c1"]  # fmt: skip
FIELDS = ["messages", "tools", "tool_choice", "include", "instructions", "reasoning", "text",
          "previous_response_id", "conversation", "store", "stream"]  # fmt: skip
BODIES = st.fixed_dictionaries(
    {"model": st.just("m"), "input": mixed(WORDS)},
    optional={name: mixed(WORDS) for name in FIELDS},
)
GOOD = st.lists(
    st.sampled_from([item for row in (*PASSING, *NEEDING, *CHANGING)
                     if isinstance(row.sent.get("input"), list) for item in row.sent["input"]]),
    max_size=6,
)  # fmt: skip
TALK = st.lists(
    st.sampled_from([one for row in CHANGING for one in row.sent.get("messages") or ()]),
    min_size=1,
    max_size=6,
)


@given(
    BODIES
    | GOOD.map(with_input)
    | st.lists(mixed(WORDS), max_size=4).map(with_input)
    | TALK.map(lambda messages: chat(*messages))
)
def test_preparing_twice_changes_nothing(sent: dict[str, Any]) -> None:
    """And whatever comes in, it is prepared or refused with a 400 that names a field."""
    body = body_of(sent)
    needs = prepared(body)
    if isinstance(needs, Problem):
        assert needs.status == 400
        assert needs.param
    else:
        assert prepared_again(body.render()) == (body.render(), needs)


@given(
    st.dictionaries(st.sampled_from(["model", "input", *FIELDS, "max_tokens", "verbosity"]),
                    mixed(WORDS), max_size=5),
    st.sampled_from([*RULES]),
)  # fmt: skip
def test_a_rule_does_nothing_where_it_is_not_run(sent: dict[str, Any], rule: Rule) -> None:
    body = body_of(sent)
    if not RULES[rule](body.heads()):
        rule(body)
        assert not body.altered


def prepared(body: Body | bytes) -> frozenset[str] | Problem:
    try:
        return prepare(Body.parse(body) if isinstance(body, bytes) else body)
    except Problem as problem:
        return problem
