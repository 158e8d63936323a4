"""The watch over a file."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from lb.adapters.watch import Watch

EVERY_S = 0.01


class Reader:
    """Reads the file each time it is told of a change."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.read: list[str] = []

    async def changed(self) -> None:
        self.read.append(self.path.read_text())

    async def until(self, *read: str) -> None:
        await until(lambda: self.read == list(read), self.read)


def write(path: Path, text: str) -> None:
    path.write_text(text)


async def until(true: Callable[[], bool], seen: object) -> None:
    deadline = time.monotonic() + 5
    while not true():
        assert time.monotonic() < deadline, seen
        await asyncio.sleep(EVERY_S / 2)


async def several_looks() -> None:
    await asyncio.sleep(8 * EVERY_S)


@asynccontextmanager
async def watching(path: Path, changed: Callable[[], Awaitable[None]]) -> AsyncIterator[Watch]:
    watch = Watch(path, changed, every_s=EVERY_S)
    task = asyncio.create_task(watch.run())
    try:
        yield watch
        assert not task.done()
    finally:
        task.cancel()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "accounts.toml"
    path.write_text("first")
    return path


async def test_a_file_that_stays_is_not_told(path: Path) -> None:
    reader = Reader(path)
    async with watching(path, reader.changed):
        await several_looks()
    assert reader.read == []


async def test_each_change_is_told_once(path: Path) -> None:
    reader = Reader(path)
    async with watching(path, reader.changed):
        write(path, "second")
        await reader.until("second")
        write(path, "the third")
        await reader.until("second", "the third")
        await several_looks()
    assert reader.read == ["second", "the third"]


async def test_an_editor_that_replaces_the_file_is_seen(path: Path) -> None:
    reader = Reader(path)
    new = path.with_suffix(".new")
    async with watching(path, reader.changed):
        new.write_text("other")
        new.replace(path)
        await reader.until("other")


async def test_a_file_that_is_gone_is_no_change_until_it_is_back(path: Path) -> None:
    reader = Reader(path)
    async with watching(path, reader.changed):
        path.unlink()  # noqa: ASYNC240  # nothing else runs here
        await several_looks()
        assert reader.read == []
        write(path, "back")
        await reader.until("back")


async def test_a_file_that_was_never_there_is_told_when_it_comes(tmp_path: Path) -> None:
    reader = Reader(tmp_path / "late.toml")
    async with watching(reader.path, reader.changed):
        await several_looks()
        reader.path.write_text("here")
        await reader.until("here")


async def test_a_file_still_being_written_is_not_read(path: Path) -> None:
    reader = Reader(path)
    async with watching(path, reader.changed) as watch:
        watch.every_s = 0.2
        await asyncio.sleep(2 * EVERY_S)  # the sleep under way is still a short one
        with path.open("w") as file:
            for _ in range(30):
                file.write("half ")
                file.flush()
                await asyncio.sleep(0.01)
            file.write("whole")
        await until(lambda: bool(reader.read), reader.read)
    assert reader.read[0].endswith("whole")


async def test_a_change_before_the_first_look_is_not_missed(path: Path) -> None:
    reader = Reader(path)
    watch = Watch(path, reader.changed, every_s=EVERY_S)
    write(path, "meanwhile")
    task = asyncio.create_task(watch.run())
    await reader.until("meanwhile")
    task.cancel()


async def test_a_reader_that_fails_does_not_end_the_watch(path: Path) -> None:
    reader = Reader(path)
    told = reader.read

    async def changed() -> None:
        await reader.changed()
        message = "it went wrong"
        raise RuntimeError(message)

    async with watching(path, changed):
        write(path, "second")
        await until(lambda: told == ["second"], told)
        write(path, "third!")
        await until(lambda: told == ["second", "third!"], told)
