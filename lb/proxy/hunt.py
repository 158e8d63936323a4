"""The search for an account for one request: what the failover loop remembers of it."""

from typing import Protocol

from msgspec import Struct
from msgspec.structs import replace

from lb.core.call import Call
from lb.core.errors import Blame, Problem
from lb.core.notes import Note
from lb.core.slot import Verdict
from lb.proxy.attempt import Attempt
from lb.proxy.booking import Booking

LEAST_LEFT_S = 0.2  # no attempt starts with less of the client's deadline left


class Trace(Protocol):
    """Hears of each attempt before it is made, where traces are on."""

    def attempt(self, attempt: Attempt) -> None:
        """An attempt begins."""


class Hunt(Struct, eq=False):
    """The search for an account for one request: what was tried, what is left to spend."""

    call: Call
    patience_until: float
    booking: Booking
    tried: frozenset[str] = frozenset()
    attempts: list[Attempt] = []
    problem: Problem | None = None
    laps: int = 0
    spent: int = 0  # attempts made for models before this one
    refreshed: frozenset[str] = frozenset()
    stripped: bool = False
    ticket: int = 0
    waited_s: float = 0.0
    upstream_s: float = 0.0
    trace: Trace | None = None
    notes: list[Note] = []  # why each account was picked

    def next_model(self, problem: Problem) -> bool:
        """Whether the request may go to another model, now that ``problem`` ended this one."""
        theirs = problem.blame is Blame.CLIENT and problem.code != "model_not_found"
        if not self.call.others or theirs or problem.blame is Blame.ANCHOR:
            return False
        (body, ask), *rest = self.call.others
        self.call = replace(self.call, body=body, ask=ask, others=tuple(rest), increment=None)
        self.booking.model = ask.model
        self.tried = frozenset()
        self.spent = len(self.attempts)
        self.laps, self.problem, self.stripped = 0, None, False
        return True

    def retries_on_suspicion(self, verdict: Verdict) -> bool:
        """Whether the next try repeats a billed failure at an account that is suspect itself."""
        if self.problem is None or self.problem.blame is not Blame.SOFT:
            return False
        return self.laps > 0 or verdict is Verdict.SECOND

    def is_late(self, now: float) -> bool:
        """Whether the client will have hung up before another attempt could answer."""
        deadline = self.call.deadline
        return deadline is not None and deadline - now < LEAST_LEFT_S
