"""Watches the pool for what a person must know, and sends it: never on the path of a request."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Callable

import structlog
from attrs import define, field

from lb.adapters.alerts import UnsentError, Webhook
from lb.core.alerts import Alerts, Facts, Limits, Message, Sliding, Standing
from lb.core.errors import Blame, Problem
from lb.proxy.deliver import Delivery
from lb.proxy.gateway import Gateway
from lb.proxy.memory import Memory

_log = structlog.get_logger()
EVERY_S = 1.0
MOST_UNSENT = 100  # messages; the oldest go first
LAST_WORDS_S = 2.0  # for what is unsent when the server stops
_NOT_OURS = frozenset({Blame.CLIENT, Blame.ANCHOR})
_GOOD = frozenset({"completed", "incomplete", "client_gone", ""})


@define(eq=False)
class Alarms:
    """Looks every ``every_s`` seconds; sends in the order of what happened.

    ``sent`` counts messages by what became of them. Of several workers one looks; the others
    ``tell`` it of each request that is over.
    """

    gateway: Gateway
    memory: Memory
    webhook: Webhook | None
    every_s: float = EVERY_S
    tell: Callable[..., None] | None = None
    sent: Counter[str] = field(factory=Counter)
    _alerts: Alerts = field(factory=Alerts)
    _sliding: Sliding = field(factory=Sliding)
    _unsent: asyncio.Queue[Message] = field(factory=lambda: asyncio.Queue(MOST_UNSENT))
    _tasks: list[asyncio.Task[None]] = field(factory=list)

    def start(self) -> None:
        """Begin to look."""
        self._tasks = [asyncio.create_task(self._look()), asyncio.create_task(self._send())]

    async def stop(self) -> None:
        """Send what is left, if it goes quickly; end."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LAST_WORDS_S):
                await self._unsent.join()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def ended(
        self, delivery: Delivery | None, status: int, problem: Problem | None, _: float
    ) -> None:
        """A request is over: one more for the share of errors."""
        if delivery is None:
            return
        if problem is not None:
            failed = problem.blame not in _NOT_OURS
        else:
            failed = status >= 500 or delivery.outcome not in _GOOD
        if self.tell is not None:
            self.tell(failed=failed)
        else:
            self.count(1, failed)

    def count(self, requests: int, failed: int) -> None:
        """So many requests are over, of which so many failed."""
        self._sliding.count(self.gateway.clock.now(), failed=failed, requests=requests)

    def look(self) -> list[Message]:
        """What is due now; queued for sending."""
        told = self.gateway.config.alerts
        limits = Limits(told.min_ready, told.error_share)
        due = self._alerts.step(self._facts(), limits, self.gateway.clock.now())
        for message in due:
            _log.info("alert", over=message.over, title=message.title, text=message.text)
            if self.webhook is not None:
                self._queue(message)
        return due

    def _queue(self, message: Message) -> None:
        if self._unsent.full():
            self._unsent.get_nowait()
            self._unsent.task_done()
            self.sent["dropped"] += 1
        self._unsent.put_nowait(message)

    def _facts(self) -> Facts:
        slots = self.gateway.pool.enabled()
        accounts = tuple(
            Standing(slot.id, slot.health.state, slot.health.reason, slot.health.until)
            for slot in slots
        )
        now = self.gateway.clock.now()
        requests, failed = self._sliding.sums(now)
        return Facts(accounts, requests, failed, self._budgets(now), self.memory.trouble)

    def _budgets(self, now: float) -> dict[str, float]:
        """The share used of each key's budget and balance."""
        keys, shares = self.gateway.keys, {}
        for name, key in keys.ring.by_name.items():
            plan, meter = key.plan, keys.limits.of(name)
            if plan.budget is not None:
                share = meter.spent(plan.budget.per, now).uusd / plan.budget.uusd
                shares[f"The budget of key {name}"] = share
            if plan.balance_uusd is not None:
                used = meter.spent("total", now).uusd
                shares[f"The balance of key {name}"] = used / max(1, plan.balance_uusd)
        return shares

    async def _look(self) -> None:
        while True:
            try:
                self.look()
            except Exception:  # noqa: BLE001  # the next look goes on
                _log.exception("alerts_not_looked_for")
            await asyncio.sleep(self.every_s)

    async def _send(self) -> None:
        while True:
            message = await self._unsent.get()
            self.sent[await self._outcome(message)] += 1
            self._unsent.task_done()

    async def _outcome(self, message: Message) -> str:
        """Send it; what became of it."""
        webhook = self.webhook
        if webhook is None:
            return "dropped"
        try:
            await webhook.send(message)
        except UnsentError as error:
            reason = str(error)
        except Exception as error:  # noqa: BLE001  # the next goes on; a trace could name the URL
            reason = type(error).__name__
        else:
            return "sent"
        _log.error("alert_not_sent", title=message.title, reason=reason)
        return "failed"
