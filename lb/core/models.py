"""Models: what a request's ``model`` means, and whether the model can do what is asked.

A name may carry a provider prefix (``openai/``, ``provider-5/``), which picks accounts, and an
effort suffix (``:high``). Names of models that really are called so (``llama3:8b``,
``meta-llama/Llama-3``) come first: only what is left of a name nobody has is taken apart.
"""

import re
from collections.abc import Callable
from functools import cache
from typing import Any, Final

from attrs import field, frozen
from msgspec import Struct

from lb.core.account import Only
from lb.core.body import Body
from lb.core.catalog import ENDPOINTS, MODALITIES, MOST_NAMES, Catalog, Model
from lb.core.errors import Blame, Problem, bad_request
from lb.core.marks import MEDIA, Mark

SUFFIXES: Final = {
    "min": "minimal",
    "low": "low",
    "medium": "medium",
    "med": "medium",
    "high": "high",
    "max": "xhigh",
    "xhigh": "xhigh",
}
"""Suffix of a model's name -> the reasoning effort it stands for."""

_PART: Final = re.compile(rb'"type"\s*:\s*"input_(image|file|audio)"')


class Asked(Struct, frozen=True, gc=False):
    """A model's name taken apart: whose accounts, which model, how much reasoning."""

    name: str
    prefix: str = ""
    effort: str = ""


class Settled(Struct, frozen=True, gc=False):
    """What a request's ``model`` came to mean.

    ``names`` are all it goes by, for those who allow or forbid models; ``served`` is the one that
    goes upstream; ``only`` which accounts its prefix picked, ``effort`` what its suffix asks for.
    """

    model: Model
    served: str
    names: tuple[str, ...]
    only: tuple[Only, ...] = ()
    effort: str = ""

    def check_plan(self, plan: str) -> None:
        """Raises: Problem (403) when the model is not in the caller's plan."""
        if self.model.plans and plan not in self.model.plans:
            raise Problem(
                f"The model '{self.names[0]}' is not available on your plan; "
                f"it is part of: {', '.join(self.model.plans)}.",
                status=403,
                type="invalid_request_error",
                code="model_not_allowed",
                param="model",
                blame=Blame.CLIENT,
                should_retry=False,
            )


@frozen
class Reader:
    """Reads names.

    ``catalog`` what is known of models; ``real`` tells whether some account has a model of just
    this name; ``called`` whether some account goes by a name (id, label, kind or provider).
    """

    catalog: Catalog
    real: Callable[[str], bool]
    called: Callable[[str], bool] = lambda _: False
    _plain: dict[str, Settled] = field(factory=dict, init=False, repr=False, eq=False)

    def known(self, name: str) -> bool:
        """Whether some model is called just so."""
        return self.catalog.exact(name) is not None or self.real(name)

    def read(self, name: str) -> Asked:
        """Take a name apart. Raises: Problem (400) for a suffix that is no effort."""
        if "/" not in name and ":" not in name:
            return Asked(name)
        prefix, rest = "", name
        head, slash, tail = name.partition("/")
        if slash and tail and self.called(head) and not self._stands_alone(name):
            prefix, rest = head, tail
        base, colon, suffix = rest.rpartition(":")
        if not colon or self.known(rest):
            return Asked(rest, prefix)
        if not self.known(base) and not self.catalog.find(base).known:
            return Asked(rest, prefix)  # a tag, as in llama3:8b: a name we have no say in
        effort = SUFFIXES.get(suffix)
        if effort is None:
            suffixes = ", ".join(f":{known}" for known in SUFFIXES)
            message = f"Unknown suffix ':{suffix}' of the model '{base}'. Known are: {suffixes}."
            raise bad_request(message, "model")
        return Asked(base, prefix, effort)

    def _stands_alone(self, name: str) -> bool:
        return self.known(name) or self.known(name.rpartition(":")[0])

    def settle(self, body: Body, endpoint: str) -> Settled:
        """Make ``body`` name the model as upstream knows it, and check that it can do this.

        ``endpoint`` is one of ENDPOINTS, the one the client came in by. Idempotent.

        Raises: Problem (400, 410) for what the model is not, or no longer.
        """
        told_name = body.get("model")
        meant = self._plain.get(told_name) or self._meant(told_name)
        model, name = meant.model, meant.names[0]
        _check_retired(model, name, self.real)
        _check_endpoint(model, name, endpoint)
        told = _effort_of(body)
        if meant.effort and not told:
            body.set("reasoning", {**(body.get("reasoning") or {}), "effort": meant.effort})
        _check_effort(model, name, told or meant.effort, "reasoning.effort" if told else "model")
        _check_modalities(model, name, body)
        if meant.served != told_name:
            body.set("model", meant.served)
        return meant

    def _meant(self, told_name: str) -> Settled:
        """What a name means; that of a plain one follows from the catalog alone, and is kept."""
        asked = self.read(told_name)
        model = self.catalog.find(asked.name)
        name = asked.name if model.is_family else model.name
        served = name if model.is_family or not model.served else model.served
        names = (name,) if name == asked.name else (name, asked.name)
        only = (Only(frozenset({asked.prefix}), "the model's prefix"),) if asked.prefix else ()
        meant = Settled(model, served, names, only, asked.effort)
        if "/" not in told_name and ":" not in told_name:
            if len(self._plain) >= MOST_NAMES:  # clients choose them
                self._plain.clear()
            self._plain[told_name] = meant
        return meant


def _effort_of(body: Body) -> str:
    reasoning = body.get("reasoning")
    effort = reasoning.get("effort") if isinstance(reasoning, dict) else None
    return effort if isinstance(effort, str) else ""


def _check_retired(model: Model, name: str, real: Callable[[str], bool]) -> None:
    if model.retired is None or (model.shipped and real(name)):
        return
    advice = f" Use '{model.retired}' instead." if model.retired else ""
    raise Problem(
        f"The model '{name}' has been retired.{advice}",
        status=410,
        type="invalid_request_error",
        code="model_retired",
        param="model",
        blame=Blame.CLIENT,
        should_retry=False,
        extra={"details": {"model": name, "replacement": model.retired or None}},
    )


def _check_endpoint(model: Model, name: str, endpoint: str) -> None:
    if endpoint in model.endpoints:
        return
    supported = [ENDPOINTS[each] for each in model.endpoints]
    details: dict[str, Any] = {
        "attempted": ENDPOINTS[endpoint],
        "supported": supported,
        "suggested": next(iter(supported), None),
    }
    advice = f"Send it to {supported[0]} instead." if supported else "No endpoint here serves it."
    problem = bad_request(
        f"The model '{name}' does not support {ENDPOINTS[endpoint]}. {advice}",
        "model",
        "endpoint_mismatch",
    )
    problem.type = "endpoint_mismatch"
    problem.extra = {"details": details}
    raise problem


def _check_effort(model: Model, name: str, effort: str, param: str) -> None:
    if not effort or model.efforts is None or effort in model.efforts:
        return
    if model.efforts:
        what = f"supports the reasoning efforts {', '.join(model.efforts)}, not '{effort}'"
    else:
        what = "does not reason, so that no effort can be set"
    raise _unsupported(f"The model '{name}' {what}.", param)


def _check_modalities(model: Model, name: str, body: Body) -> None:
    lacking = _lacking(model.modalities)
    if lacking is None or not body.has(lacking):
        return
    assert model.modalities is not None
    for found in _PART.finditer(body.view("input")):
        modality = found[1].decode()
        if modality not in model.modalities:
            takes = ", ".join(model.modalities)
            message = f"The model '{name}' does not take {modality} input; it takes: {takes}."
            raise _unsupported(message, "input")


@cache
def _lacking(modalities: tuple[str, ...] | None) -> Mark | None:
    """What a body of parts that are not among ``modalities`` holds; None: there are no such."""
    lacking = set(MODALITIES[1:]) - set(modalities or MODALITIES)
    names = "|".join(f'"input_{name}"' for name in sorted(lacking))
    return Mark(MEDIA, re.compile(names.encode())) if lacking else None


def _unsupported(message: str, param: str) -> Problem:
    problem = bad_request(message, param, "unsupported_capability")
    problem.type = "unsupported_capability"
    return problem
