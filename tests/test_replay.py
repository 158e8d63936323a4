"""What a life of the server leaves in the journal, the next one reads: all of it, once."""

import random
from pathlib import Path

import pytest

from lb.adapters.clock import Clock
from lb.adapters.journal import Journal
from lb.core.ledger import Admitted, Attempted, Settled, Tokens
from lb.core.pool import Pool
from lb.core.strategies import STRATEGIES
from lb.proxy import replay
from lb.proxy.memory import Memory
from tests.databases import opened, rows_in

TOLD = Tokens(1, 0, 1, 0, "upstream")


def memory_in(folder: Path) -> Memory:
    pool = Pool(STRATEGIES["balanced"])
    return Memory(pool, Clock(), Journal(folder / "journal"), opened("", folder))


async def killed(memory: Memory) -> None:
    """Let go as a kill does: nothing more is written."""
    memory.journal.close()
    await memory.store.close()


def admit(memory: Memory, name: str) -> None:
    memory.note(Admitted(name, 1000.0, "k", "gpt-5.5"))
    memory.note(Attempted(name, 1, "a", 1000.0))


def settle(memory: Memory, name: str) -> None:
    memory.note(Settled(name, "a", "gpt-5.5", TOLD, 1, 1, 0, None, 5, "completed"))


async def test_rows_are_the_same_from_memory_and_from_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of several segments that are stored at once, the last is still in memory."""
    monkeypatch.setattr("lb.adapters.journal.SEGMENT_BYTES", 400)
    memory = memory_in(tmp_path)
    await memory.start()
    names = [f"r{number:02}" for number in range(20)]
    for name in names:
        admit(memory, name)
    for name in names[:15]:
        settle(memory, name)
    assert len(memory.journal.ended()) > 2
    await memory.flush()
    for name in names[15:]:
        settle(memory, name)
    await memory.flush()
    assert memory.journal.size == 0
    await memory.close()
    rows = await rows_in("", tmp_path)
    assert [row["request_id"] for row in rows] == names
    assert {(row["attempts"], row["account"], row["outcome"]) for row in rows} == {
        (1, "a", "completed")
    }


async def test_a_life_after_one_that_was_fed_to_its_end_loses_nothing(tmp_path: Path) -> None:
    """Its segments are new ones, not those that the checkpoint says were stored."""
    first = memory_in(tmp_path)
    await first.start()
    admit(first, "one")
    await first.flush()
    settle(first, "one")
    await first.flush()
    assert first.journal.size == 0
    await killed(first)
    second = memory_in(tmp_path)
    await second.start()
    admit(second, "two")
    settle(second, "two")
    await killed(second)
    third = memory_in(tmp_path)
    await third.start()
    await third.close()
    assert [row["request_id"] for row in await rows_in("", tmp_path)] == ["one", "two"]


@pytest.mark.parametrize("seed", range(12))
async def test_lives_that_end_anywhere_lose_no_row_and_double_none(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A kill may come at any step: between storing, the checkpoint, and letting go of a segment."""
    rng = random.Random(seed)
    outcomes: dict[str, str] = {}
    for life in range(6):
        memory = memory_in(tmp_path)
        await memory.start()
        under_way = [name for name, outcome in outcomes.items() if outcome == "open"]
        outcomes |= dict.fromkeys(under_way, "interrupted")
        for number in range(rng.randint(1, 8)):
            name = f"{life}-{number}"
            admit(memory, name)
            outcomes[name] = "open"
            if rng.random() < 0.6:
                done = rng.choice([n for n, outcome in outcomes.items() if outcome == "open"])
                settle(memory, done)
                outcomes[done] = "completed"
            if rng.random() < 0.4:
                await memory.flush()
        with monkeypatch.context() as dying:
            _die_within(dying, memory, rng)
            await memory.flush()
        await killed(memory)
    memory = memory_in(tmp_path)
    await memory.start()
    await memory.close()
    rows = await rows_in("", tmp_path)
    expected = {n: "interrupted" if o == "open" else o for n, o in outcomes.items()}
    assert {row["request_id"]: row["outcome"] for row in rows} == expected


def _die_within(dying: pytest.MonkeyPatch, memory: Memory, rng: random.Random) -> None:
    """Let the last flush of a life break at one of its steps."""

    def dies(*_: object) -> None:
        raise OSError("killed")

    step = rng.choice(["store", "checkpoint", "delete", "none"])
    if step == "store":
        dying.setattr(memory.store, "run", dies)
    elif step == "checkpoint":
        dying.setattr(replay, "keep", dies)
    elif step == "delete":
        dying.setattr(memory.journal, "delete", dies)


def test_a_checkpoint_that_cannot_be_read_is_none(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal")
    journal.keep(replay.CHECKPOINT, b"garbage")
    assert replay.past(journal).open == ()
    journal.keep(replay.CHECKPOINT, b"7\nnot json")
    assert replay.past(journal).open == ()
    journal.close()
