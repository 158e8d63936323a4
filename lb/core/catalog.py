"""The catalog: what is known of models, by name, by alias and by glob."""

from collections.abc import Mapping
from typing import Final

from attrs import field, frozen

from lb.core.account import admits
from lb.core.prices import Price

ENDPOINTS: Final = {"responses": "/v1/responses", "chat": "/v1/chat/completions"}
"""What a model may speak -> where a client asks for it."""

EFFORTS: Final = ("none", "minimal", "low", "medium", "high", "xhigh")
MODALITIES: Final = ("text", "image", "file", "audio")

MOST_NAMES: Final = 4096  # names whose model is remembered
_WILD: Final = frozenset("*?[")


@frozen
class Model:
    """What the catalog says of a model, or of all that a glob admits.

    ``served`` the name upstream knows it by ("": its own); ``efforts`` and ``modalities`` None
    where nobody said, so that upstream decides (no efforts: it does not reason); ``plans`` who may
    use it (none: all); ``retired`` what replaces it ("": nothing does; None: it is in service);
    ``shipped`` whether the package says so, not the operator; ``known`` whether anybody does: of
    one that is not, everything is possible.
    """

    name: str
    aliases: tuple[str, ...] = ()
    served: str = ""
    endpoints: tuple[str, ...] = tuple(ENDPOINTS)
    efforts: tuple[str, ...] | None = None
    modalities: tuple[str, ...] | None = None
    plans: tuple[str, ...] = ()
    prices: Price | None = None
    retired: str | None = None
    shipped: bool = False
    known: bool = True
    is_family: bool = field(init=False)  # whether it speaks of all models a glob admits

    @is_family.default
    def _of_many(self) -> bool:
        return not _WILD.isdisjoint(self.name)


@frozen
class Catalog:
    """The models by name, by alias and by glob."""

    models: Mapping[str, Model] = field(factory=dict)
    _exact: dict[str, Model] = field(init=False, repr=False)
    _families: tuple[Model, ...] = field(init=False, repr=False)
    _found: dict[str, Model] = field(factory=dict, init=False, repr=False, eq=False)

    @_exact.default
    def _by_name(self) -> dict[str, Model]:
        single = [model for model in self.models.values() if not model.is_family]
        named = {alias: model for model in single for alias in model.aliases}
        return named | {model.name: model for model in single}

    @_families.default
    def _by_glob(self) -> tuple[Model, ...]:
        families = (model for model in self.models.values() if model.is_family)
        return tuple(sorted(families, key=lambda model: -len(model.name)))

    @property
    def prices(self) -> dict[str, Price]:
        """What models cost by the catalog, by every name they go by."""
        told = {model.name: model.prices for model in self.models.values() if model.prices}
        for model in self.models.values():
            for other in (*model.aliases, model.served) if model.prices else ():
                if other and model.prices:
                    told.setdefault(other, model.prices)
        return told

    def exact(self, name: str) -> Model | None:
        """The model of this name or alias."""
        return self._exact.get(name)

    def find(self, name: str) -> Model:
        """The model of this name or alias, else the narrowest family, else one not ``known``."""
        found = self._found.get(name)
        if found is None:
            if len(self._found) >= MOST_NAMES:  # clients choose them
                self._found.clear()
            of = (family for family in self._families if spelt_out(family.name, name))
            found = self._exact.get(name) or next(of, None) or Model(name, known=False)
            self._found[name] = found
        return found


def spelt_out(glob: str, name: str) -> bool:
    """Whether ``glob`` admits ``name`` knowingly: ``gpt-*`` says nothing of ``gpt-5:high``."""
    return admits((glob,), name) and all(mark in glob for mark in ":/" if mark in name)
