"""Many requests, twenty accounts, three in ten answers broken: no client may notice.

Accounts fail by a seeded chance in every way a request can survive; one resets every connection,
one refuses them all. Either one account is healthy throughout, and three may die for good; or not
a single one is: all eighteen others fail three times in ten. In full size: ``make chaos``.
"""

import asyncio
import random
import sys
import time
from collections.abc import Callable, Iterable

import pytest
from attrs import define, field

from tests import faulty_plays
from tests.clients import TERMINAL, Answer, ask, asking, client, pool
from tests.conftest import Proxy, Scripted
from tests.faults import DOUBTFUL, EXHAUSTED, FAULTS, REFUSED
from tests.plays import Asked, Play, healthy, text_for
from tests.scripted import Upstream

SHARE = 0.3
AT_ONCE = 40
STEADY, SLAMS, REFUSES = "steady", "slams", "refuses"
CHAOTIC = [f"chaotic-{number:02}" for number in range(17)]
MORTAL = frozenset(CHAOTIC[:3])
BUSY = "{ connect_s = 3, head_s = 3, idle_s = 3, answer_s = 3 }"  # a busy machine is no fault
DRAWN_OUT_S = 240.0  # a chaos run that takes longer is a failure in itself

SOFT: list[Play] = [
    fault.play
    for fault in FAULTS.values()
    if fault.play is not None and fault.states == DOUBTFUL and not fault.after_content
]
BURSTS: list[Play] = [
    faulty_plays.limited(**{"retry-after-ms": "60"}),
    faulty_plays.limited("Please try again in 80ms."),
    faulty_plays.limited(**{"Retry-After": "1"}),
]
DEATHS: list[Play] = [
    fault.play
    for fault in FAULTS.values()
    if fault.play is not None and (fault.states in (EXHAUSTED, REFUSED) or fault.blocks)
]


@define
class Chaos:
    """Breaks answers by a seeded chance, and counts the ones it let be."""

    rng: random.Random
    steady: bool
    broken: int = 0
    healthy: list[Asked] = field(factory=list)

    def choose(self, asked: Asked) -> Play:
        """The play for one request."""
        spared = self.steady and asked.account == STEADY
        if not spared and self.rng.random() < SHARE:
            self.broken += 1
            mortal = self.steady and asked.account in MORTAL
            kinds = [SOFT, SOFT, BURSTS, DEATHS] if mortal else [SOFT, SOFT, BURSTS]
            return self.rng.choice(self.rng.choice(kinds))
        self.healthy.append(asked)
        return healthy


@define
class Tally:
    """What the clients saw."""

    failures: list[str] = field(factory=list)
    answered: int = 0

    def note(self, number: int, answer: Answer, accounts: Iterable[str]) -> None:
        """Hold one answer against what it must be."""
        self.answered += 1
        if answer.status != 200 or answer.broken:
            self.failures.append(f"{number}: {answer.status} {answer.broken} {answer.raw[:300]!r}")
            return
        types = [event["type"] for event in answer.events]
        if types and (types[-1] != "response.completed" or len(TERMINAL & set(types)) != 1):
            self.failures.append(f"{number}: ends with {types[-3:]}")
        numbers = [event["sequence_number"] for event in answer.events]
        if numbers != list(range(len(numbers))):
            self.failures.append(f"{number}: events out of order, lost or twice: {numbers}")
        if answer.text not in accounts:
            self.failures.append(f"{number}: says {answer.text!r}")


POOLS = pytest.mark.parametrize("steady", [True, False], ids=["one-healthy", "none-healthy"])
Say = Callable[[str], None]


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str]) -> Say:
    """Tells the one who waits how far it is."""

    def aloud(words: str) -> None:
        with capsys.disabled():
            sys.stdout.write(f"\nchaos: {words}")
            sys.stdout.flush()

    return aloud


@POOLS
async def test_no_client_sees_a_failure(
    *, steady: bool, scripted: Scripted, proxy: Proxy, say: Say
) -> None:
    chaos = Chaos(random.Random(7), steady)
    url = await _house(await scripted(3), chaos, proxy)
    await _storm(url, 400, chaos, say)


@pytest.mark.chaos
@POOLS
async def test_no_client_of_ten_thousand_sees_a_failure(
    *, steady: bool, scripted: Scripted, proxy: Proxy, say: Say
) -> None:
    chaos = Chaos(random.Random(7), steady)
    url = await _house(await scripted(3), chaos, proxy)
    await _storm(url, 10_000, chaos, say)


async def _storm(url: str, total: int, chaos: Chaos, say: Say) -> None:
    """Ask ``total`` times and hold every answer against what it must be."""
    began, tally = time.monotonic(), Tally()
    async with asyncio.timeout(DRAWN_OUT_S):
        await _ask_all(url, total, tally, say)
    say(
        f"{total} requests, {chaos.broken} broken answers, {len(tally.failures)} failures, "
        f"amplification {1 + chaos.broken / total:.2f}, {time.monotonic() - began:.1f} s\n"
    )
    assert not tally.failures, tally.failures[:10]
    assert tally.answered == total
    assert chaos.broken > total * SHARE / 10, "there was no chaos"
    assert len(chaos.healthy) == total, "a good answer was asked for twice"


async def _house(upstreams: list[Upstream], chaos: Chaos, proxy: Proxy) -> str:
    main, slamming, refusing = upstreams
    main.choose = chaos.choose
    slamming.slams = True
    urls = dict.fromkeys((*CHAOTIC, STEADY), main.url)
    urls |= {SLAMS: slamming.url, REFUSES: refusing.url}
    await refusing.refuse()
    server = await proxy(pool(urls, timeouts=BUSY, patience_s=10, extra='log_level = "error"'))
    return server.url


async def _ask_all(url: str, total: int, tally: Tally, say: Say) -> None:
    """``AT_ONCE`` clients, each taking the next number until there is none."""
    numbers = iter(range(total))
    good = {text_for(Asked(name, "", "", {}, {}, 0, 0.0)) for name in (*CHAOTIC, STEADY)}

    async def work() -> None:
        async with client() as session:
            for number in numbers:
                body = asking(f"question {number}", stream=number % 2 == 0)
                tally.note(number, await ask(url, body, session), good)
                if tally.answered % 1000 == 0:
                    say(f"{tally.answered}/{total}")

    await asyncio.gather(*(work() for _ in range(AT_ONCE)))
