"""A stream becomes the response that was not streamed."""

import msgspec
import pytest

from lb.core.errors import Blame, Problem
from lb.core.formats import FORMATS

ITEM = b'{"type":"message", "id":"msg_1","x":1.0}'
OTHER = rb'{"type":"reasoning","id":"rs_1","t":"\u0041"}'


def done(item: bytes, index: int | None) -> bytes:
    at = b"" if index is None else b'"output_index":%d,' % index
    return b'{"type":"response.output_item.done",' + at + b'"item":' + item + b"}"


def ended(response: bytes, kind: bytes = b"completed") -> bytes:
    return b'{"type":"response.' + kind + b'","response":' + response + b',"sequence_number":9}'


def collected(*events: bytes) -> bytes:
    collector = FORMATS["responses"].collector()
    for event in events:
        collector.feed(event)
    return collector.result()


@pytest.mark.parametrize("kind", [b"completed", b"incomplete", b"failed"])
def test_a_complete_response_passes_byte_for_byte(kind: bytes) -> None:
    response = b'{"id": "resp_1", "output":[ ' + ITEM + b' ],"usage":null}'
    assert collected(done(OTHER, 0), ended(response, kind)) == response


@pytest.mark.parametrize("output", [b',"output":[]', b',"output":null', b',"output":[ ]', b""])
@pytest.mark.parametrize("indices", [(1, 0), (None, None)])
def test_an_empty_output_is_filled_with_the_items_byte_for_byte(
    output: bytes, indices: tuple[int | None, int | None]
) -> None:
    first, second = (OTHER, ITEM) if indices == (1, 0) else (ITEM, OTHER)
    response = b'{"id":"resp_1"' + output + b',"usage":{"input_tokens": 1}}'
    result = collected(done(ITEM, indices[0]), done(OTHER, indices[1]), ended(response))
    assert b'"output":[' + first + b"," + second + b"]" in result
    assert b'"usage":{"input_tokens": 1}' in result
    assert msgspec.json.decode(result)["id"] == "resp_1"


def test_an_empty_response_without_items_stays_empty() -> None:
    assert collected(ended(b'{"id":"r","output":[]}')) == b'{"id":"r","output":[]}'


def test_other_events_are_not_even_read() -> None:
    collector = FORMATS["responses"].collector()
    collector.feed(b'{"type":"response.output_text.delta","delta":')
    collector.feed(rb'{"delta":"\"response.completed\"",')
    collector.feed(b'{"type":"x","said":["response.completed","response.output_item.done"]}')
    collector.feed(ended(b"{}"))
    assert collector.result() == b"{}"


@pytest.mark.parametrize(
    "events",
    [
        (),
        (done(ITEM, 0),),
        (ended(b"null"),),
        (b'{"type":"response.completed"}',),
        (b'{"type":"response.completed",',),
        (done(ITEM, 0), ended(b"[]")),
        (done(ITEM, 0), ended(b'{"output":5}')),
    ],
)
def test_an_answer_without_a_readable_end_is_the_upstreams_fault(events: tuple[bytes, ...]) -> None:
    with pytest.raises(Problem) as caught:
        collected(*events)
    assert (caught.value.status, caught.value.blame) == (502, Blame.SOFT)


def test_each_format_knows_its_name() -> None:
    assert all(name == one.name for name, one in FORMATS.items())
