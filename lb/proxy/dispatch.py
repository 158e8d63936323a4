"""The one failover loop: every door opens an account through ``Dispatch.opened``.

Pick an account, try it, learn from what happened; on to the next while the attempt budget and the
client's patience allow; when all are only cooling, wait for the soonest. Nothing here writes to the
client, so whatever happens before the first content happens unseen.
"""

import asyncio
from collections.abc import Callable
from random import Random

from attrs import define, field

from lb.adapters.answers import Answer
from lb.adapters.clock import Clock
from lb.adapters.credentials import needs_login
from lb.core import events
from lb.core.account import Ask
from lb.core.budget import RetryBudget
from lb.core.call import Call
from lb.core.errors import Blame, Problem
from lb.core.events import Event
from lb.core.nobody import nobody
from lb.core.notes import note_of
from lb.core.pool import Pool
from lb.core.rules import refusal
from lb.core.rules.anchors import stale_anchor
from lb.core.slot import Slot
from lb.proxy.attempt import Attempt, Opened, Tries, new_attempt
from lb.proxy.booking import Books
from lb.proxy.hunt import Hunt
from lb.proxy.mending import ambiguous, drop_or_raise, strip_or_raise
from lb.proxy.waiting import Queue, Waiter

SPARE_ATTEMPTS = 8  # beyond one for each account: refusals are unbilled and cheap
MEASURE_S = 1.0  # an account in full flow tells of its windows with every answer
MEASURES_PER_S = 100  # of all accounts: what is read is kept, and a large pool has much to tell
MORE_LAPS = 2  # when everybody was tried once and only soft faults were seen
BACKOFF_S = 0.1  # before another lap: doubles, full jitter
SIDE_EFFECTS = frozenset({"background", "conversation"})  # of a request, beyond tokens
LONGEST_SAID = 300  # characters of an upstream's words that are kept for the operator
WAKE_JITTER_S = 0.05  # those who wait for one account do not wake as one


@define(eq=False)
class Dispatch:
    """Carries calls to accounts.

    ``on_event`` hears every event of the pool after it was taken up, and whether it changed
    anything; ``books`` get what becomes of each request; ``patience_s`` how long a request may
    wait in all for an account that is only out for a moment; ``before_end`` hears, where there are
    other workers, that a client is about to see the end of an answer.
    """

    pool: Pool
    tries: Tries
    clock: Clock
    rng: Random
    on_event: Callable[[Event, bool], None]
    books: Books
    patience_s: float = 20.0
    before_end: Callable[[Slot], None] | None = None
    budget: RetryBudget = field(factory=RetryBudget)
    queue: Queue = field(factory=Queue)

    def hunt(self, call: Call, received_at: float) -> Hunt:
        """Let ``call`` in, which came at ``received_at``, and begin the search for its account."""
        now = self.clock.now()
        self.budget.request(now)
        until = now + self.patience_s
        patience_until = until if call.deadline is None else min(until, call.deadline)
        return Hunt(call, patience_until, self.books.admit(call, received_at))

    async def opened(self, hunt: Hunt) -> Opened:
        """An account that has begun to answer. The caller must ``close`` it and ``release`` it.

        Raises: Problem, the one the client is told, once nobody is left or it is the client's own.
        """
        while True:
            try:
                return await self._opened(hunt)
            except Problem as problem:
                if hunt.is_late(self.clock.now()) or not hunt.next_model(problem):
                    raise

    async def _opened(self, hunt: Hunt) -> Opened:
        self._refuse_the_impossible(hunt.call.ask)
        while True:
            slot = await self._slot(hunt)
            attempt = new_attempt(slot, hunt.notes[-1].at)
            hunt.attempts.append(attempt)
            hunt.booking.attempted(attempt)
            if hunt.trace is not None:
                hunt.trace.attempt(attempt)
            try:
                return await self._asked(hunt, attempt)
            except Problem as problem:
                self.release(slot)
                attempt.outcome = problem.code or problem.type
                hunt.booking.lost(attempt)
                await self._answer_to(hunt, attempt, problem)
            except BaseException:
                attempt.outcome = "client_gone"
                hunt.booking.lost(attempt)
                self.release(slot)
                raise

    async def _asked(self, hunt: Hunt, attempt: Attempt) -> Opened:
        try:
            answer = await self.tries.begin(hunt.call, attempt)
            self.pool.reached(attempt.slot)
            self._measure(attempt, answer)
            opened = await self.tries.open(hunt.call, attempt, answer)
            self._succeeded(hunt, opened)
            return opened
        finally:
            attempt.ended_at = self.clock.now()
            hunt.upstream_s += attempt.ended_at - attempt.at

    def _measure(self, attempt: Attempt, answer: Answer) -> None:
        """What the head says of usage windows; of an account in full flow only now and then."""
        slot = attempt.slot
        rest_s = max(MEASURE_S, len(self.pool.slots) / MEASURES_PER_S)
        if answer.status == 200 and attempt.at < slot.measured_at + rest_s:
            return
        now = self.clock.now()
        if windows := attempt.kind.windows(answer.headers, now):
            slot.measured_at = now
            self.learn(events.Measured(slot.id, now, windows))

    def _succeeded(self, hunt: Hunt, opened: Opened) -> None:
        attempt, now = opened.attempt, opened.attempt.began_at
        attempt.outcome = "ok"
        attempt.slot.load.saw(max(0.0, attempt.began_at - attempt.at), now)
        self.learn(events.Succeeded(attempt.slot.id, attempt.at))
        ask = hunt.call.ask
        if ask.session:
            self.pool.affinity.pin(ask.client, (ask.session,), attempt.slot.id, now)

    def release(self, slot: Slot) -> None:
        """Give an account's place back and let the next waiter look."""
        self.pool.release(slot)
        self.queue.wake()

    def learn(self, event: Event) -> None:
        """Take up what happened to an account; tell those who keep or show it."""
        changed = self.pool.learn(event)
        self.on_event(event, changed)
        if changed:
            self.queue.wake()

    def _refuse_the_impossible(self, ask: Ask) -> None:
        """A field no account of the pool takes, in whatever state: the client's own mistake."""
        if not ask.needs:
            return
        enabled = [slot.account for slot in self.pool.enabled() if ask.may_use(slot.account)]
        serving = [account for account in enabled if account.serves(ask.model)]
        if serving and not any(account.takes(ask.needs) for account in serving):
            needs = sorted(ask.needs)
            hopeless = (n for n in needs if not any(a.takes(frozenset({n})) for a in serving))
            raise refusal(next(hopeless, needs[0]))

    async def _slot(self, hunt: Hunt) -> Slot:
        """The next account to try, its place reserved. Raises: Problem when nobody is left."""
        ask = hunt.call.ask
        if len(hunt.attempts) - hunt.spent >= len(self.pool.slots) + SPARE_ATTEMPTS:
            raise self._last_word(hunt)
        if not hunt.attempts and self.queue.waiters:
            await self._let_others_look(hunt)
        while True:
            now = self.clock.now()
            if hunt.is_late(now):
                raise self._last_word(hunt)
            found = self.pool.pick(ask, now, self.rng, hunt.tried)
            if found is None:
                await self._wait(hunt)
                continue
            slot, verdict, _ = found
            if hunt.retries_on_suspicion(verdict) and not self.budget.retry(now):
                self.release(slot)
                raise self._last_word(hunt)
            hunt.notes.append(note_of(self.pool, now, found, hunt.tried))
            return slot

    async def _let_others_look(self, hunt: Hunt) -> None:
        """What is free just now is for those who wait already, if it is what they wait for."""
        ask, now = hunt.call.ask, self.clock.now()
        found = self.pool.find(ask, now, self.rng)
        if found is not None and self.queue.wanted(ask.model, found[0].id):
            hunt.booking.begun()
            with self._waiter(hunt, looked=False) as waiter:
                await waiter.wait(2 * WAKE_JITTER_S)
            hunt.waited_s += self.clock.now() - now

    def _waiter(self, hunt: Hunt, *, looked: bool = True) -> Waiter:
        hunt.ticket = hunt.ticket or self.queue.ticket()
        return Waiter(self.queue, hunt.call.ask, hunt.tried, hunt.ticket, looked)

    async def _wait(self, hunt: Hunt) -> None:
        """Until it is worth looking again. Raises: Problem when waiting would not help in time."""
        now = self.clock.now()
        hunt.booking.begun()
        wait = self.pool.wait(hunt.call.ask, now, hunt.tried)
        until = hunt.patience_until if wait.busy else wait.until
        if until is None or (until > hunt.patience_until and not wait.busy):
            if not hunt.tried or hunt.laps >= MORE_LAPS:
                raise self._last_word(hunt)
            hunt.laps += 1
            hunt.tried = frozenset()
            await asyncio.sleep(BACKOFF_S * 2.0**hunt.laps * self.rng.random())
            return
        if now >= hunt.patience_until:
            raise self._last_word(hunt)
        soonest = until if wait.until is None else min(until, wait.until)
        with self._waiter(hunt) as waiter:
            await waiter.wait(soonest - now + WAKE_JITTER_S * self.rng.random())
        hunt.waited_s += self.clock.now() - now

    def _last_word(self, hunt: Hunt) -> Problem:
        """What the client is told when nobody is left."""
        now, ask, problem = self.clock.now(), hunt.call.ask, hunt.problem
        if problem is not None and problem.blame in (Blame.SOFT, Blame.ORIGIN, Blame.MODEL):
            if problem.retry_after_s is None and problem.blame is not Blame.MODEL:
                problem.retry_after_s = 1.0
            return problem
        if ask.bound and self.pool.home(ask, now) is not None:
            return stale_anchor()
        return nobody(self.pool, ask, now)

    async def _answer_to(self, hunt: Hunt, attempt: Attempt, problem: Problem) -> None:
        """What follows from a failed attempt. Raises: the problem, when it is the client's own."""
        slot, now = attempt.slot, self.clock.now()
        attempt.said = problem.message[:LONGEST_SAID]
        problem.model = problem.model or hunt.call.ask.model
        if problem.blame is Blame.CLIENT:
            drop_or_raise(hunt, slot, problem)
            return
        if problem.blame is Blame.ANCHOR:
            strip_or_raise(hunt, problem)
            return
        hunt.problem = problem
        if problem.blame is Blame.TOKEN and await self._refreshed(hunt, attempt, problem):
            return
        event = problem.event(slot.id, now, self.rng.random())
        if event is not None:
            self.learn(event)
        if problem.blame is Blame.ORIGIN:
            self.pool.unreached(slot, now, self.rng.random())
        if problem.blame in (Blame.SOFT, Blame.ORIGIN):
            hunt.tried |= {slot.id}
        if problem.billed and hunt.call.ask.needs & SIDE_EFFECTS:
            raise ambiguous(problem)

    async def _refreshed(self, hunt: Hunt, attempt: Attempt, problem: Problem) -> bool:
        """Whether an account that said 401 has a new token, so that it is worth asking again."""
        slot = attempt.slot
        if slot.account.auth_file is None or attempt.secret is None:
            return False
        if slot.id in hunt.refreshed:
            problem.message = needs_login(slot.account, "its renewed token is refused, too")
            return False
        hunt.refreshed |= {slot.id}
        begun_at = self.clock.now()
        self.learn(events.Refreshing(slot.id, begun_at))
        try:
            await self.tries.credentials.refresh(slot.account, attempt.secret)
        except asyncio.CancelledError:  # a client that leaves blames nobody
            self.learn(events.Restored(slot.id, self.clock.now(), "refresh under way"))
            raise
        except Problem as refused:
            problem.message, problem.code = refused.message, refused.code
            problem.blame = refused.blame
            if refused.blame is not Blame.TOKEN:
                self.learn(events.Restored(slot.id, self.clock.now(), "refresh not possible now"))
            return False
        finally:
            hunt.upstream_s += self.clock.now() - begun_at  # the issuer's, not the proxy's own
        self.learn(events.Restored(slot.id, self.clock.now(), "new token"))
        return True
