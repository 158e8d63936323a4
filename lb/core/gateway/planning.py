"""``executor:planning:planner``: hard questions are planned by one model, answered by another.

How hard a question is, is told by its words alone: the same question is always treated alike.
"""

import re
from math import exp
from typing import Any, Final

import msgspec
from attrs import define, frozen

from lb.core import sse
from lb.core.body import Body
from lb.core.decoded import Whole
from lb.core.errors import Problem, bad_request
from lb.core.formats.voice import Encoder, Voice
from lb.core.gateway.turns import questions_of
from lb.core.gateway.wish import Wish

MARK: Final = ":planning:"
DEFAULT_SCORE: Final = 0.6  # LLM Router's own example
ASKED_OF_PLANNER: Final = (
    "Write a short plan, as numbered steps, for another model that will answer the conversation"
    " below. Do not answer it yourself; name what to watch out for."
)
HEADING: Final = "Follow this plan:"

_STEPS: Final = re.compile(
    r"\b(?:then|after that|next|finally|first|second|third|step|steps|also|both|each|every|compare"
    r"|analy[sz]e|design|implement|refactor|migrate|prove|derive|optimi[sz]e|debug|evaluate|trade-?offs?"
    r"|architecture|algorithm|strategy|plan)\b|^\s*(?:\d+[.)]|[-*])\s",
    re.IGNORECASE | re.MULTILINE,
)
_TERMINAL: Final = ("response.completed", "response.incomplete")


@frozen
class Roles:
    """Who answers and who plans."""

    executor: str
    planner: str


def roles_of(body: Body) -> Roles | None:
    """The two models in the name of one. Raises: Problem (400) when either is missing."""
    executor, mark, planner = str(body.get("model")).partition(MARK)
    if not mark:
        return None
    if not executor.strip() or not planner.strip():
        raise bad_request(
            "Invalid 'model': with ':planning:' it is 'executor:planning:planner'.",
            "model",
            "invalid_value",
        )
    return Roles(executor, planner)


def complexity(body: Body) -> float:
    """How hard the last question looks, 0 to 1: its length, and its words for several steps."""
    question = " ".join(questions_of(body)[-1:])
    length, steps = len(question.split()), len(_STEPS.findall(question))
    return 1.0 - exp(-(length / 120 + steps / 4))


def is_hard(body: Body, wish: Wish) -> bool:
    """Whether the question is worth a plan."""
    score = wish.planning_trigger_score
    return complexity(body) >= (DEFAULT_SCORE if score is None else score)


def question_for_planner(body: Body, planner: str) -> Body:
    """The request the planner gets: the same conversation, another task, no tools."""
    told: dict[str, Any] = {"model": planner, "input": body.get("input"), "store": False}
    theirs = body.get("instructions")
    told["instructions"] = f"{ASKED_OF_PLANNER}\n\n{theirs}" if theirs else ASKED_OF_PLANNER
    return Body.parse(msgspec.json.encode(told))


def with_plan(body: Body, plan: str) -> None:
    """Put the plan behind the executor's instructions; in place."""
    own = body.get("instructions")
    body.set("instructions", "\n\n".join(filter(None, (own, f"{HEADING}\n{plan}"))), told=False)
    body.tell("gateway.planning")


@define
class Planned:
    """A voice that tells what the plan cost, in ``usage.planning_usage_details``."""

    details: dict[str, Any]
    inner: Voice

    def encoder(self) -> Encoder:
        """For an answer that is streamed."""
        return PlannedStream(self.details, self.inner.encoder())

    def whole(self, response: bytes, seen: Whole | None = None) -> bytes:
        """The answer in one piece."""
        del seen  # it is another answer now
        told = msgspec.json.decode(response)
        return self.inner.whole(msgspec.json.encode(_with_details(told, self.details)))


@define
class PlannedStream:
    """An encoder in front of another: the last event tells what the plan cost."""

    details: dict[str, Any]
    inner: Encoder

    def feed(self, run: bytes) -> bytes:
        """The run; its terminal event, if it is there, with the details."""
        if not any(kind.encode() in run for kind in _TERMINAL):
            return self.inner.feed(run)
        return self.inner.feed(b"".join(map(self._frame, sse.frames(run))))

    def failed(self, problem: Problem, response_id: str, sequence_number: int) -> bytes:
        """The inner encoder's last word."""
        return self.inner.failed(problem, response_id, sequence_number)

    def _frame(self, frame: bytes) -> bytes:
        name, data = sse.read(frame)
        if not any(kind.encode() in data for kind in _TERMINAL):
            return frame
        event = msgspec.json.decode(data)
        if not isinstance(event, dict) or event.get("type") not in _TERMINAL:
            return frame
        event["response"] = _with_details(event.get("response"), self.details)
        return sse.write(name or event["type"], msgspec.json.encode(event))


def _with_details(response: Any, details: dict[str, Any]) -> Any:
    if not isinstance(response, dict) or not isinstance(response.get("usage"), dict):
        return response
    return {**response, "usage": {**response["usage"], "planning_usage_details": details}}
