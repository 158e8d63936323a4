"""The queue of those who wait: in order, each looks once a change, places are kept."""

import asyncio

from lb.core.account import Ask
from lb.proxy.waiting import Queue, Waiter
from tests.clients import until

ASK = Ask("gpt-5.5")


async def _look(waiter: Waiter, looks: list[int], served: set[int]) -> None:
    """Wait until served; who is in ``served`` takes what is free."""
    while True:
        with Waiter(waiter.queue, waiter.ask, (), waiter.ticket) as again:
            await again.wait(5)
        looks.append(waiter.ticket)
        if waiter.ticket in served:
            return


async def test_each_change_lets_each_waiter_look_once_in_order() -> None:
    queue, looks, served = Queue(), list[int](), set[int]()
    tasks = []
    for _ in range(5):
        waiter = Waiter(queue, ASK, (), queue.ticket())
        tasks.append(asyncio.create_task(_look(waiter, looks, served)))
    await until(lambda: len(queue) == 5)
    queue.wake()
    await until(lambda: len(looks) == 5 and len(queue) == 5)
    assert looks == [1, 2, 3, 4, 5]
    served.update({1, 3})
    queue.wake()
    await until(lambda: len(looks) == 10)
    assert looks[5:] == [1, 2, 3, 4, 5]
    await until(lambda: len(queue) == 3)
    assert [waiter.ticket for waiter in queue.waiters] == [2, 4, 5], "places are kept"
    served.update({2, 4, 5})
    queue.wake()
    await asyncio.gather(*tasks)
    assert len(queue) == 0


async def test_changes_in_a_row_wake_no_more_than_there_are_waiters() -> None:
    queue, looks = Queue(), list[int]()
    tasks = [
        asyncio.create_task(_look(Waiter(queue, ASK, (), queue.ticket()), looks, {1, 2, 3}))
        for _ in range(3)
    ]
    await until(lambda: len(queue) == 3)
    for _ in range(100):
        queue.wake()
    await asyncio.gather(*tasks)
    assert looks == [1, 2, 3]


async def test_a_newcomer_that_lets_others_look_is_woken_after_them() -> None:
    queue, looks = Queue(), list[int]()
    first = asyncio.create_task(_look(Waiter(queue, ASK, (), queue.ticket()), looks, {1}))
    await until(lambda: len(queue) == 1)
    queue.wake()  # a place is free, the first has not looked yet
    with Waiter(queue, ASK, (), queue.ticket(), looked=False) as newcomer:
        await newcomer.wait(5)
        assert looks == [1]
    await first


def test_a_waiter_wants_what_is_free_for_its_model_and_not_tried_by_it() -> None:
    queue = Queue()
    assert Waiter(queue, ASK, (), 1).wants("gpt-5.5", "a")
    assert not Waiter(queue, ASK, (), 1).wants("gpt-4.1", "a")
    assert not Waiter(queue, ASK, {"a"}, 1).wants("gpt-5.5", "a")
    assert not Waiter(queue, Ask("gpt-5.5", bound=True), (), 1).wants("gpt-5.5", "a")
