"""Workers find each other, tell, ask, and notice who is gone."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from attrs import define, field

from lb.adapters.shared import ALONE, Place, lines, open_shared
from lb.adapters.shared.alone import Alone
from lb.adapters.shared.siblings import Siblings
from lb.core.tidings import Ended, Tiding
from tests.clients import until


@define(eq=False)
class Mind:
    """One that remembers what it hears."""

    number: int
    to_tell: list[Tiding] = field(factory=list)
    to_lay: list[Tiding] = field(factory=list)
    heard: list[tuple[int, Tiding]] = field(factory=list)
    gone: list[int] = field(factory=list)
    caught_up: list[list[int]] = field(factory=list)
    knows: asyncio.Event = field(factory=asyncio.Event)

    def news(self) -> list[Tiding]:
        told, self.to_tell = self.to_tell, []
        return told

    def pressing(self) -> list[Tiding]:
        laid, self.to_lay = self.to_lay, []
        return laid

    def all_of_it(self) -> list[Tiding]:
        return [Ended(self.number, 0)]

    def hear(self, worker: int, tiding: Tiding) -> None:
        self.heard.append((worker, tiding))

    def lost(self, worker: int) -> None:
        self.gone.append(worker)

    async def answer(self, name: str, what: Any) -> Any:
        if name == "wait":
            await self.knows.wait()
        if name == "fail":
            raise RuntimeError(name)
        return None if name == "nothing" else [self.number, name, what]

    async def catch_up(self, workers: list[int]) -> None:
        self.caught_up.append(workers)


Begin = Callable[[int], Awaitable[tuple[Siblings, Mind]]]


@pytest.fixture
async def begin(tmp_path: Path) -> AsyncIterator[Begin]:
    begun: list[Siblings] = []

    async def start(number: int) -> tuple[Siblings, Mind]:
        way, mind = Siblings(Place(number, 3, tmp_path)), Mind(number)
        begun.append(way)
        await way.start(mind)
        way.ready()
        return way, mind

    yield start
    for way in begun:
        await way.close()


async def test_all_find_each_other_and_hear_what_is_under_way(begin: Begin) -> None:
    minds = [(await begin(number))[1] for number in range(3)]
    for mind in minds:
        others = {(other.number, Ended(other.number, 0)) for other in minds if other is not mind}
        await until(lambda mind=mind, others=others: set(mind.heard) == others)  # type: ignore[misc]
    assert [mind.caught_up for mind in minds] == [[[]], [[0]], [[0, 1]]]


async def test_what_is_told_is_written_when_flush_returns_and_heard_in_order(begin: Begin) -> None:
    one, mind = await begin(0)
    _, other = await begin(1)
    await until(lambda: other.heard)
    other.heard.clear()
    told: list[Tiding] = [Ended(number, 1) for number in range(5)]
    for each in told:
        mind.to_tell.append(each)
        one.flush()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert other.heard == [(0, each) for each in told]
    mind.to_tell.append(Ended(9, 9))
    one.nudge()
    await until(lambda: other.heard[-1] == (0, Ended(9, 9)))


async def test_what_is_laid_down_is_found_at_once_and_wakes_nobody(begin: Begin) -> None:
    one, mind = await begin(0)
    other, ears = await begin(1)
    await until(lambda: ears.heard and mind.heard and 0 in other._laid)
    await until(lambda: one._later is other._later is None)  # what both told as they began
    ears.heard.clear()
    mind.to_lay.append(Ended(5, 0))
    one.lay()
    other.look()  # in the same turn: nobody waits
    assert ears.heard == [(0, Ended(5, 0))]
    mind.to_lay += [Ended(number, 1) for number in range(1000)]
    one.lay()
    await asyncio.sleep(0.02)
    assert len(ears.heard) == 1, "nobody looked"
    mind.to_tell.append(Ended(6, 6))
    one.flush()
    await until(lambda: len(ears.heard) == 1002)


async def test_the_last_words_of_one_that_dies_are_taken_up(begin: Begin) -> None:
    one, mind = await begin(0)
    other, ears = await begin(1)
    await until(lambda: ears.heard and mind.heard and 0 in other._laid)
    mind.to_lay.append(Ended(5, 0))
    one.lay()
    await one.close()
    await until(lambda: ears.gone)
    assert ears.heard[-1] == (0, Ended(5, 0))


async def test_questions_are_answered_by_those_that_can_in_time(begin: Begin) -> None:
    one, _ = await begin(0)
    _, second = await begin(1)
    await begin(2)
    await until(lambda: len(second.heard) == 2)
    assert await one.ask("who", {"n": 1}) == [[1, "who", {"n": 1}], [2, "who", {"n": 1}]]
    assert await one.ask_one(2, "who") == [2, "who", None]
    assert await one.ask("nothing") == []
    assert await one.ask("fail") == []
    assert await one.ask("wait", timeout_s=0.01) == []
    second.knows.set()
    assert await one.ask("wait", timeout_s=0.05) == [[1, "wait", None]]


async def test_an_answer_comes_after_all_that_was_told_before(begin: Begin) -> None:
    one, mind = await begin(0)
    _, other = await begin(1)
    await until(lambda: other.heard and mind.heard)
    other.to_tell.append(Ended(7, 7))
    await one.ask("here")
    assert mind.heard[-1] == (1, Ended(7, 7))


async def test_one_that_goes_is_missed_and_one_that_comes_back_is_greeted(begin: Begin) -> None:
    one, mind = await begin(0)
    other, _ = await begin(1)
    await until(lambda: mind.heard)
    question = asyncio.create_task(one.ask("wait", timeout_s=10))
    await asyncio.sleep(0)
    await other.close()
    assert await question == []
    assert mind.gone == [1]
    assert await one.ask("who") == []
    mind.heard.clear()
    _, again = await begin(1)
    await until(lambda: mind.heard == [(1, Ended(1, 0))])
    assert (0, Ended(0, 0)) in again.heard
    assert await one.ask("who") == [[1, "who", None]]


async def test_one_that_does_not_listen_is_cut_off_and_catches_up_when_it_does(
    begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lines, "MOST_WAITING_BYTES", 1 << 16)
    one, mind = await begin(0)
    other, deaf = await begin(1)
    await until(lambda: deaf.heard and mind.heard)
    deaf.caught_up.clear()
    number = 0
    while 1 in one._lines:  # never awaits: the other one cannot read meanwhile
        number += 1
        mind.to_tell += [Ended(number, each) for each in range(1000)]
        one.flush()
        assert number < 10_000
    await until(lambda: 1 in one._lines)
    await until(lambda: deaf.caught_up)
    assert deaf.caught_up[0] == [0]
    assert await other.ask("who") == [[0, "who", None]]
    assert await one.ask("who") == [[1, "who", None]]


async def test_a_server_that_is_alone_tells_and_asks_nobody() -> None:
    way = open_shared(ALONE)
    assert isinstance(way, Alone)
    await way.start(Mind(0))
    way.nudge()
    way.flush()
    way.ready()
    assert await way.ask("who") == []
    assert await way.ask_one(1, "who") is None
    await way.close()
