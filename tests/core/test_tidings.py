"""What workers tell each other survives the way, however it is torn."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lb.core.tidings import (
    LONGEST_BYTES,
    Answered,
    Asked,
    Ended,
    Flights,
    Greeting,
    Happened,
    Holds,
    Listed,
    Logging,
    Messages,
    NoTidingsError,
    Pinned,
    Tiding,
    Used,
    Watched,
    message_of,
)

numbers = st.integers(0, 2**40)
names = st.text(max_size=20)
instants = st.floats(0, 2e9)
facts: st.SearchStrategy[dict[str, Any]] = st.dictionaries(
    names, st.none() | st.booleans() | numbers | instants | names, max_size=5
)
tidings: st.SearchStrategy[Tiding] = st.one_of(
    st.builds(Greeting, numbers, numbers, st.booleans(), st.booleans()),
    st.builds(Happened, facts),
    st.builds(Flights, st.dictionaries(names, numbers, max_size=5)),
    st.builds(
        Holds, numbers, st.dictionaries(names, st.tuples(numbers, numbers, numbers), max_size=5)
    ),
    st.builds(Used, names, instants, numbers, numbers, numbers),
    st.builds(Pinned, st.lists(st.tuples(st.binary(max_size=16), names, instants), max_size=5)),
    st.builds(Ended, numbers, numbers),
    st.builds(Listed, facts),
    st.builds(Watched, st.booleans()),
    st.builds(Logging, names),
    st.builds(Asked, numbers, names, facts),
    st.builds(Answered, numbers, facts),
)


@given(st.lists(st.lists(tidings, max_size=4), max_size=4), st.data())
def test_messages_come_through_however_they_are_cut(
    told: list[list[Tiding]], data: st.DataObject
) -> None:
    stream = b"".join(map(message_of, told))
    heard: list[list[Tiding]] = []
    messages, at = Messages(), 0
    while at < len(stream):
        end = at + data.draw(st.integers(1, max(1, len(stream) - at)))
        heard += messages.feed(stream[at:end])
        at = end
    assert heard == told


@pytest.mark.parametrize(
    "bytes_",
    [
        (LONGEST_BYTES + 1).to_bytes(4, "big"),
        b"\0\0\0\1\xc1",
        b"\0\0\0\2\x91\x01",
        b"GET / HTTP/1.1\r\n\r\n",
    ],
)
def test_what_is_no_message_is_told_from_one(bytes_: bytes) -> None:
    with pytest.raises(NoTidingsError):
        list(Messages().feed(bytes_))
