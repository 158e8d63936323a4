"""What errors are called: one table, since gateways name the same faults differently.

A problem keeps OpenAI's names inside the house; ``spoken`` gives it those of the dialect set by
``[server] error_dialect`` when it is told to a client.
"""

from typing import Final

from attrs import frozen

from lb.core.errors import Blame, Problem

UPSTREAM: Final = "upstream_error"
_UPSTREAMS: Final = frozenset({Blame.SOFT, Blame.ORIGIN})
_BAD_GATEWAY: Final = 502


@frozen
class Dialect:
    """``names`` house's name -> this dialect's; ``by_type`` whether clients look at ``type``.

    ``statuses`` of an upstream's own failure that are told as 502.
    """

    names: dict[str, str]
    by_type: bool = False
    statuses: frozenset[int] = frozenset()


DIALECTS: Final[dict[str, Dialect]] = {
    "openai": Dialect(names={}),
    "llmtr": Dialect(
        names={UPSTREAM: "provider_error"},
        by_type=True,
        statuses=frozenset({500, 503, 504}),
    ),
}
"""Name in ``[server] error_dialect`` -> how errors are told."""

_NAMED_BY_TYPE: Final = frozenset(
    {"endpoint_mismatch", "unsupported_capability", "insufficient_balance", "rate_limit_exceeded"}
)


def spoken(problem: Problem, dialect: str) -> Problem:
    """``problem`` with the names of ``dialect``, in place."""
    told = DIALECTS[dialect]
    if problem.blame in _UPSTREAMS and problem.verbatim is None:
        if problem.status in told.statuses:
            problem.status = _BAD_GATEWAY
        if problem.status == _BAD_GATEWAY:
            problem.type = UPSTREAM
            problem.code = problem.code or UPSTREAM
    if told.by_type and problem.code in _NAMED_BY_TYPE:
        problem.type = problem.code
    problem.type = told.names.get(problem.type, problem.type)
    if problem.code is not None:
        problem.code = told.names.get(problem.code, problem.code)
    return problem
