"""``[models]``: what accounts.toml says of models, over the catalog that ships with the package."""

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

import attrs
from attrs import evolve

from lb.config import build
from lb.config.checks import TOKEN, Checks
from lb.config.sections import ModelText
from lb.config.text import given, shown, suggestion, visible
from lb.core.catalog import EFFORTS, ENDPOINTS, MODALITIES, Catalog, Model
from lb.core.plans import Plan

SHIPPED = "models.toml"
_CHOICES = {"endpoints": tuple(ENDPOINTS), "efforts": EFFORTS, "modalities": MODALITIES}
_NOUNS = {"endpoints": "endpoint", "efforts": "effort", "modalities": "modality"}


@cache
def shipped() -> dict[str, Model]:
    """The catalog of the package, by name."""
    raw = tomllib.loads(files("lb.config").joinpath(SHIPPED).read_text(encoding="utf-8"))
    return {name: _shipped_model(name, told) for name, told in raw.items()}


def _shipped_model(name: str, told: Mapping[str, Any]) -> Model:
    lists = {key: tuple(value) for key, value in told.items() if isinstance(value, list)}
    return Model(name=name, shipped=True, **{**told, **lists})


def catalog(texts: Mapping[str, ModelText], plans: Mapping[str, Plan], checks: Checks) -> Catalog:
    """Both catalogs as one: what is written counts, key by key; ``plans`` are those there are."""
    told = {name: _model(name, text, checks) for name, text in texts.items()}
    models = {**shipped(), **told}
    names = [(_path(name), name) for name in told]
    aliases = [
        (f"{_path(name)}.aliases[{number}]", alias)
        for name, model in told.items()
        for number, alias in enumerate(model.aliases)
    ]
    checks.unique((*names, *aliases), "name")
    for name, model in told.items():
        for number, plan in enumerate(model.plans):
            if plan not in plans:
                hint = suggestion(plan, plans) if plans else f"write [plans.{visible(plan)}]"
                path = f"{_path(name)}.plans[{number}]"
                checks.mistakes.note(path, f"{shown(plan)} is no plan of this file", hint)
    return Catalog(models)


def _model(name: str, text: ModelText, checks: Checks) -> Model:
    path = _path(name)
    if not TOKEN.fullmatch(name):
        checks.mistakes.note(path, "is no name of a model", 'such as [models."gpt-5.5"]')
    for key, choices in _CHOICES.items():
        for number, value in enumerate(getattr(text, key) or ()):
            checks.one_of(value, choices, f"{path}.{key}[{number}]", _NOUNS[key])
    plain = given(text, *(each.name for each in attrs.fields(ModelText)))
    if text.prices is not None:
        plain["prices"] = build.price(text.prices, f"{path}.prices", checks)
    base = shipped().get(name) or Catalog(shipped()).find(name)
    model = evolve(base, name=name, shipped=False, known=True, **plain)
    if model.is_family and (model.aliases or model.served):
        checks.mistakes.note(path, "a pattern has neither aliases nor a served name")
    return model


def _path(name: str) -> str:
    return f"models.{visible(name)}"
