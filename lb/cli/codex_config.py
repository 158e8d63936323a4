"""What ``~/.codex/config.toml`` says so that Codex comes to lb, in each of the ways it can.

What belongs to another way than the chosen one is taken out again, when it was lb it led to.
"""

import tomllib
from collections.abc import Callable, Iterator, Mapping
from ipaddress import ip_address
from typing import Any, Final
from urllib.parse import urlsplit

import tomlkit
from attrs import frozen
from tomlkit.exceptions import TOMLKitError

from lb.config.edit import UneditableError, content_end, literal, parsed, table

PROVIDER: Final = "lb"
KEY: Final = "LB_KEY"
TOP: Final = ("model_provider", "openai_base_url", "chatgpt_base_url")
OWN: Final = (
    *("name", "base_url", "wire_api", "env_key", "requires_openai_auth", "supports_websockets"),
)
PATHS: Final = ("/v1", "/backend-api", "/backend-api/codex")
TABLE: Final = f"[model_providers.{PROVIDER}]"

Settings = dict[str, Any]


@frozen
class Wanted:
    """What config.toml is to say: at its top, and about the provider; what is left out is absent.

    ``notes`` is what a person must do besides.
    """

    top: Settings
    provider: Settings
    notes: tuple[str, ...] = ()


@frozen
class Change:
    """One thing that is another now; None: it is not there."""

    place: str
    before: Any
    after: Any


def wanted(mode: str, url: str, *, keys: bool = False) -> Wanted:
    """The settings for a server at ``url``; ``keys``: its clients need one."""
    return MODES[mode][1](url, keys)


def text_of(told: Wanted) -> str:
    """The settings as one would write them into an empty file."""
    lines = [f"{name} = {literal(value)}" for name, value in told.top.items()]
    if told.provider:
        lines += ["", *table(TABLE, told.provider)] if lines else table(TABLE, told.provider)
    return "\n".join(lines) + "\n"


def merged(text: str, told: Wanted, url: str) -> tuple[str, list[Change]]:
    """The text of config.toml with the settings in it, and what has changed by that.

    Raises: UneditableError.
    """
    before = parsed(text)
    document = tomlkit.parse(text)
    providers = document.get("model_providers")
    known = isinstance(providers, dict) and PROVIDER in providers
    try:
        _forget(document, told, url)
        for name in told.top.keys() & document.keys():
            document[name] = told.top[name]
        if known and told.provider:
            _update(document["model_providers"][PROVIDER], told.provider)
    except (TOMLKitError, TypeError, AttributeError):
        raise UneditableError("says something else under the names lb needs") from None
    missing = {name: told.top[name] for name in told.top if name not in document}
    new = _with_top(tomlkit.dumps(document), missing)
    if told.provider and not known:
        new = _with_provider(new, told.provider)
    try:
        changes = list(_changes(before, tomllib.loads(new)))
    except tomllib.TOMLDecodeError:
        raise UneditableError("is laid out in a way lb does not change: do it by hand") from None
    return (new, changes) if changes else (text, [])


def _forget(document: tomlkit.TOMLDocument, told: Wanted, url: str) -> None:
    """Take out what led to lb another way."""
    for name in TOP:
        value = document.get(name)
        if (
            name not in told.top
            and isinstance(value, str)
            and (value == PROVIDER or _leads(value, url))
        ):
            del document[name]


def _leads(value: str, url: str) -> bool:
    """Whether a URL leads to lb: to its port of this machine, or where it is told to be."""
    there, here = urlsplit(value), urlsplit(url)
    if there.path.rstrip("/") not in PATHS:
        return False
    local = _is_local(there.hostname or "") and _is_local(here.hostname or "")
    return there.port == here.port and (local or there.hostname == here.hostname)


def _update(provider: Any, settings: Settings) -> None:
    for name in OWN:
        if name not in settings:
            provider.pop(name, None)
        elif provider.get(name) != settings[name]:
            provider[name] = settings[name]


def _with_top(text: str, settings: Settings) -> str:
    """New keys after those at the top, before the first table: below it they would be its own."""
    if not settings:
        return text
    lines = text.splitlines()
    headers = (n for n, line in enumerate(lines) if line.lstrip().startswith("["))
    first = next(headers, len(lines))
    place = content_end(lines, 0, first)
    new = [f"{name} = {literal(value)}" for name, value in settings.items()]
    lines[place:place] = [*new, ""] if not place and lines else new
    return "\n".join(lines) + "\n"


def _with_provider(text: str, settings: Settings) -> str:
    head = text.rstrip("\n")
    return "\n".join([*([head, ""] if head else []), *table(TABLE, settings)]) + "\n"


def _changes(before: Mapping[str, Any], after: Mapping[str, Any], at: str = "") -> Iterator[Change]:
    for name in dict.fromkeys((*before, *after)):
        old, new = before.get(name), after.get(name)
        if isinstance(new, dict) and isinstance(old, dict | None):
            yield from _changes(old or {}, new, f"{at}{name}.")
        elif old != new:
            yield Change(f"{at}{name}", old, new)


def _custom(base: str, url: str, **more: Any) -> Settings:
    settings = {"name": PROVIDER, "base_url": f"{url}{base}", "wire_api": "responses"}
    return settings | {name: value for name, value in more.items() if value}


def _http(url: str, keys: bool, *, websockets: bool = False) -> Wanted:  # noqa: FBT001  # a row of MODES
    provider = _custom("/v1", url, env_key=KEY if keys else "", supports_websockets=websockets)
    notes = (f"export {KEY}=... with a client key of your lb",) if keys else ()
    return Wanted({"model_provider": PROVIDER}, provider, notes)


def _ws(url: str, keys: bool) -> Wanted:  # noqa: FBT001
    return _http(url, keys, websockets=True)


def _chatgpt(url: str, keys: bool) -> Wanted:  # noqa: FBT001
    top = {"model_provider": PROVIDER, "chatgpt_base_url": f"{url}/backend-api/"}
    provider = _custom(
        "/backend-api/codex", url, requires_openai_auth=True, supports_websockets=True
    )
    return Wanted(top, provider, _with_login(keys=keys))


def _builtin(url: str, keys: bool) -> Wanted:  # noqa: FBT001
    top = {"openai_base_url": f"{url}/backend-api/codex"}
    other = _other_origin(url)
    notes = _with_login(keys=keys)
    if other:
        top["chatgpt_base_url"] = f"{other}/backend-api/"
    else:
        notes += ("/status shows your own plan: over plain http, lb cannot be asked for its usage",)
    return Wanted(top, {}, notes)


def _builtin_key(url: str, keys: bool) -> Wanted:  # noqa: FBT001
    what = "a client key of your lb" if keys else "any text: your lb wants no key"
    notes = (f"sign Codex in by key: printf %s KEY | codex login --with-api-key ({what})",)
    return Wanted({"openai_base_url": f"{url}/v1"}, {}, notes)


def _with_login(*, keys: bool) -> tuple[str, ...]:
    """Codex shows its own ChatGPT token, which no lb takes for a key."""
    notes = ("sign Codex in, to any plan, if it is not: codex login",)
    if keys:
        return (*notes, "your lb wants client keys, and in this mode Codex shows none: use ws")
    return notes


def _other_origin(url: str) -> str:
    """The same server under another name; "" where there is none.

    Given one origin for both of its URLs, Codex sends model traffic elsewhere, or wants https.
    """
    parts = urlsplit(url)
    if parts.scheme == "https":
        return url
    if not _is_local(parts.hostname or ""):
        return ""
    name = "127.0.0.1" if parts.hostname == "localhost" else "localhost"
    return f"http://{name}:{parts.port}" if parts.port else f"http://{name}"


def _is_local(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


MODES: Final[dict[str, tuple[str, Callable[[str, bool], Wanted]]]] = {
    "ws": ("a provider of its own, over WebSocket", _ws),
    "http": ("a provider of its own, over HTTP", _http),
    "chatgpt": (
        "a provider of its own, Codex signed in to ChatGPT: /status shows the pool",
        _chatgpt,
    ),
    "builtin": ("the built-in provider, Codex signed in to ChatGPT", _builtin),
    "builtin-key": ("the built-in provider, Codex signed in by API key", _builtin_key),
}
"""The ways Codex can come to lb: in words, and what to write."""
