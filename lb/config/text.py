"""What may be written in accounts.toml, and every mistake in it at once.

``read`` cuts the text into sections (frozen attrs, structured by cattrs). A value of the wrong
type or an unknown key becomes a ``Mistake`` and counts as absent, so that the checks that follow
still see all the rest. No value is ever quoted in a message unless it is harmless, see ``shown``.
"""

import re
import tomllib
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, timedelta
from difflib import get_close_matches
from math import isfinite
from typing import Any, get_origin

import attrs
from attrs import define, field, frozen
from cattrs import Converter
from cattrs.cols import homogenous_tuple_structure_factory, mapping_structure_factory
from cattrs.errors import (
    AttributeValidationNote,
    BaseValidationError,
    ForbiddenExtraKeysError,
    IterableValidationNote,
)
from cattrs.gen import make_dict_structure_fn

from lb.config.cores import usable_cores
from lb.config.sections import Expires, Text, Workers

HARMLESS = re.compile(r"(?!sk[-_]|rt_|eyJ)[\w .,:/@*?~\[\]+-]{1,40}")
DATE = len("2030-12-31")
LONG_MIXED = re.compile(r"[A-Za-z0-9_-]{24,}")
TYPES = {
    str: "a text",
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    list: "a list",
    dict: "a table",
}


@frozen
class Mistake:
    """One mistake: where (``accounts[2].api_key_env``), what is wrong, and what to do about it."""

    path: str
    message: str
    hint: str = ""

    def __str__(self) -> str:
        return f"{self.path}: {self.message}" + (f" ({self.hint})" if self.hint else "")


class ConfigError(Exception):
    """The configuration cannot be used; ``mistakes`` holds everything found wrong with it."""

    def __init__(self, mistakes: Iterable[Mistake]) -> None:
        self.mistakes = tuple(mistakes)
        super().__init__("\n".join(map(str, self.mistakes)))


@define
class Mistakes:
    """Mistakes as they are found; what only follows from a mistake already noted is left out."""

    found: list[Mistake] = field(factory=list)

    def note(self, path: str, message: str, hint: str = "") -> None:
        """Note a mistake, unless one at this path or in a section around it is known."""
        if not any(_within(path, known.path) for known in self.found):
            self.found.append(Mistake(path, message, hint))


def read(text: str, mistakes: Mistakes) -> Text:
    """The sections of a TOML text; what is wrong goes into ``mistakes`` and counts as absent."""
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        hint = "everything else is checked once the file can be read"
        mistakes.note("accounts.toml", f"this is not valid TOML: {error}", hint)
        return Text()
    try:
        return CONVERTER.structure(raw, Text)
    except BaseValidationError as error:
        for path, mistake in tuple(flat(error)):
            mistakes.note(*mistake)
            _forget(raw, path)
        return CONVERTER.structure(raw, Text)


def given(section: Any, *names: str) -> dict[str, Any]:
    """Those of a section's values that were written, by name."""
    return {name: told for name in names if (told := getattr(section, name)) is not None}


def shown(value: str) -> str:
    """A value for a message: quoted when it is short and cannot be a credential."""
    return f'"{value}"' if harmless(value) else "this value"


def harmless(value: str) -> bool:
    """Whether a text is short and cannot be a credential, so that it may be shown."""
    return bool(HARMLESS.fullmatch(value)) and not LONG_MIXED.search(value)


def suggestion(value: str, options: Iterable[str]) -> str:
    """Which option was meant, or all there are."""
    options = tuple(options)
    close = get_close_matches(value, options, n=1, cutoff=0.5)
    return f'did you mean "{close[0]}"?' if close else "one of: " + ", ".join(options)


class WrongTypeError(Exception):
    """A value is of the wrong type."""


def _kind_of(value: object) -> str:
    return TYPES.get(type(value), "a date or a time")


def _scalar(*types: type) -> Callable[[Any, Any], Any]:
    """A hook that takes exactly these types: never "5" for 5, never true for 1."""

    def structure(value: Any, _: Any) -> Any:
        if type(value) not in types:
            message = f"must be {TYPES[types[0]]}, not {_kind_of(value)}"
            raise WrongTypeError(message)
        if isinstance(value, float) and not isfinite(value):
            message = "must be a finite number"
            raise WrongTypeError(message)
        return types[0](value)

    return structure


def _instant(value: Any, _: Any) -> Expires:
    """A hook for dates: a day lasts until it is over, a time without a zone is UTC."""
    if isinstance(value, str):
        try:
            value = (
                date.fromisoformat(value) if len(value) <= DATE else datetime.fromisoformat(value)
            )
        except ValueError:
            message = "must be a date such as 2030-12-31, or a date and a time"
            raise WrongTypeError(message) from None
    if isinstance(value, datetime):
        return Expires((value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp())
    if isinstance(value, date):
        last = datetime(value.year, value.month, value.day, tzinfo=UTC)
        return Expires(last.timestamp() + timedelta(days=1).total_seconds())
    message = f"must be a date such as 2030-12-31, not {_kind_of(value)}"
    raise WrongTypeError(message)


def _workers(value: Any, _: Any) -> Workers:
    """A hook for a number of processes; ``auto`` is one for each core."""
    if value == "auto":
        return Workers(usable_cores())
    if type(value) is not int:
        message = 'must be a whole number or "auto"'
        raise WrongTypeError(message)
    return Workers(value)


def _only(kind: type, hook: Callable[[Any, Any], Any], words: str) -> Callable[[Any, Any], Any]:
    """``hook`` behind the question whether the value is a list or a table at all."""

    def structure(value: Any, target: Any) -> Any:
        if not isinstance(value, kind):
            message = f"must be {words}, not {_kind_of(value)}"
            raise WrongTypeError(message)
        return hook(value, target)

    return structure


def _converter() -> Converter:
    converter = Converter(detailed_validation=True, forbid_extra_keys=True)
    for types in ((str,), (bool,), (int,), (float, int)):
        converter.register_structure_hook(types[0], _scalar(*types))
    converter.register_structure_hook(Expires, _instant)
    converter.register_structure_hook(Workers, _workers)

    def section(cls: type) -> Callable[[Any, Any], Any]:
        return _only(dict, make_dict_structure_fn(cls, converter), "a table")

    def tuple_of(cls: Any) -> Callable[[Any, Any], Any]:
        tables = attrs.has(cls.__args__[0])
        words = "a list of tables, each under [[double brackets]]" if tables else "a list of texts"
        return _only(list, homogenous_tuple_structure_factory(cls, converter), words)

    def table_of(cls: Any) -> Callable[[Any, Any], Any]:
        return _only(dict, mapping_structure_factory(cls, converter), "a table")

    def is_a(kind: type) -> Callable[[Any], bool]:
        return lambda cls: get_origin(cls) == kind

    converter.register_structure_hook_factory(attrs.has, section)
    converter.register_structure_hook_factory(is_a(tuple), tuple_of)
    converter.register_structure_hook_factory(is_a(dict), table_of)
    return converter


Path = tuple[str | int, ...]


def flat(error: BaseException, path: Path = ()) -> Iterable[tuple[Path, tuple[str, str, str]]]:
    """Every leaf of cattrs' tree of errors: where it is, and the mistake in words."""
    for note in getattr(error, "__notes__", ()):
        if isinstance(note, AttributeValidationNote):
            path = (*path, note.name)
        elif isinstance(note, IterableValidationNote):
            path = (*path, note.index)
    if isinstance(error, BaseValidationError):
        for part in error.exceptions:
            yield from flat(part, path)
    elif isinstance(error, ForbiddenExtraKeysError):
        known = [each.name for each in attrs.fields(error.cl)]
        for key in sorted(error.extra_fields):
            here = (*path, key)
            yield here, (written(here), "unknown key", suggestion(key, known))
    else:
        yield path, (written(path), str(error), "")


def written(path: Path) -> str:
    """A path in words, as in ``accounts[2].models[0]``."""
    parts = (f"[{part}]" if isinstance(part, int) else f".{visible(part)}" for part in path)
    return "".join(parts).removeprefix(".")


def visible(key: str) -> str:
    """A key for a path, unless it could be a credential put in the wrong place."""
    return key if harmless(key) else "(not shown)"


def _forget(raw: dict[str, Any], path: Path) -> None:
    """Leave out what is wrong: the innermost named value around it."""
    table, name = raw, str(path[0])
    value: Any = raw
    for part in path:
        if isinstance(value, dict):
            table, name = value, str(part)
            value = value.get(name)
        elif isinstance(value, list) and isinstance(part, int) and part < len(value):
            value = value[part]
        else:
            break
    table.pop(name, None)


def _within(path: str, section: str) -> bool:
    return path == section or path.startswith((f"{section}.", f"{section}["))


CONVERTER = _converter()
