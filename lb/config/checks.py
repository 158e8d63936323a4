"""What values must look like: credentials, files, URLs, globs, ranges. Tables, and who reads them.

Every check notes what is wrong at its path and gives the best value it can, so that one run finds
all mistakes.
"""

import os
import re
from collections.abc import Iterable
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit

import attrs
from attrs import define, field

from lb.config.facts import expanded
from lb.config.text import Mistakes, given, harmless, shown, suggestion, visible
from lb.core.account import Account
from lb.core.error_names import DIALECTS
from lb.core.identity import Identity
from lb.core.plans import EFFORTS, ON_DISCONNECT, PERIODS
from lb.core.secret import Secret

ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
SHOUTED = re.compile(r"[A-Z_][A-Z0-9_]*")  # how the names of environment variables are written
TOKEN = re.compile(r"[\x21-\x7e]+")  # what fits into an Authorization header
HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")  # a token, RFC 9110 section 5.6.2
HEADER_VALUE = re.compile(r"[\x20-\x7e]*")
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@:+-]{0,63}")
HOST = re.compile(r"[A-Za-z0-9.:_%-]+")
PLACEHOLDERS = ("", "changeme", "change-me", "change_me", "placeholder", "todo", "fixme", "secret")
PLACEHOLDER = re.compile(
    "|".join(filter(None, PLACEHOLDERS))
    + r"|.*(\.\.\.|…).*|<.*>|x{3,}|\*+|(replace|insert|your|my)[-_ ].*",
    re.IGNORECASE | re.DOTALL,
)
LARGEST_SECRET_FILE = 64 * 1024  # bytes; a credential is shorter

RANGES: dict[str, tuple[str, float, float]] = {
    "port": ("from 0 to 65535", 0, 65535),
    "max_body_mb": ("from 1 to 4096", 1, 4096),
    "keepalive_s": ("more than 0, at most 300", 1e-3, 300),
    "patience_s": ("from 0 to 3600", 0, 3600),
    "drain_s": ("from 0 to 3600", 0, 3600),
    "deadline_s": ("more than 0, at most a day", 1e-3, 86400),
    "workers": ("from 1 to 64", 1, 64),
    "weight": ("more than 0", 1e-9, 1e9),
    "max_in_flight": ("1 or more", 1, 1e6),
    "connect_s": ("more than 0, at most a day", 1e-3, 86400),
    "head_s": ("more than 0, at most a day", 1e-3, 86400),
    "answer_s": ("more than 0, at most a day", 1e-3, 86400),
    "idle_s": ("more than 0, at most a day", 1e-3, 86400),
    "delay_s": ("from 0 to 3600", 0, 3600),
    "interval_s": ("from 0 to 3600", 0, 3600),
    "fail_share": ("a share, from 0 to 1", 0, 1),
    "requests_per_minute": ("1 or more", 1, 1e9),
    "label_values": ("from 1 to 10000", 1, 1e4),
    "sample": ("a share, from 0 to 1", 0, 1),
    "min_ready": ("0 or more", 0, 1e6),
    "error_share": ("a share, from 0 to 1", 0, 1),
    "rpm": ("1 or more", 1, 1e9),
    "rpd": ("1 or more", 1, 1e9),
    "tpm": ("1 or more", 1, 1e12),
    "tpd": ("1 or more", 1, 1e12),
    "max_parallel": ("1 or more", 1, 1e6),
    "usd": ("from 0.01 to 1000000000", 0.01, 1e9),
    "balance": ("from 0 to 1000000000", 0, 1e9),
    "keep_days": ("1 or more", 1, 36500),
    "journal_mb": ("from 1 to 1000000", 1, 1e6),
    "input": ("from 0 to 1000000", 0, 1e6),
    "cached": ("from 0 to 1000000", 0, 1e6),
    "output": ("from 0 to 1000000", 0, 1e6),
    "drain_tokens": ("from 0 to 1000000", 0, 1e6),
}
"""What a number may be, by its name: in words, lowest, highest."""

CHOICES: dict[str, tuple[str, ...]] = {
    "log": ("auto", "console", "json"),
    "log_level": ("debug", "info", "warning", "error"),
    "websocket": ("never", "as_client", "always"),
    "max_effort": EFFORTS,
    "on_disconnect": ON_DISCONNECT,
    "per": PERIODS,
    "error_dialect": tuple(DIALECTS),
}
"""What a text may be, by its name."""


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach ``host`` (a name or an address, as one binds it)."""
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"


@define
class Checks:
    """Reads values and notes what is wrong with them.

    ``folder`` is where relative files are looked for; ``files`` are those found to hold secrets;
    ``inline`` whether the configuration itself holds one; ``logins`` whose logins were found, each
    with its place and its account; ``accounts`` and ``known_labels`` what plans may name.
    """

    folder: Path
    mistakes: Mistakes
    files: list[Path] = field(factory=list)
    inline: bool = False
    logins: list[tuple[str, str, Identity]] = field(factory=list)
    accounts: frozenset[str] = frozenset()
    known_labels: frozenset[str] = frozenset()

    def know(self, accounts: Iterable[Account]) -> None:
        """Which accounts and labels there are, for what names them."""
        known = tuple(accounts)
        self.accounts = frozenset(each.id for each in known)
        self.known_labels = frozenset(label for each in known for label in each.labels)

    def numbers_and_choices(self, section: Any, path: str) -> None:
        """Every number of a section against RANGES, every text against CHOICES."""
        for name in (each.name for each in attrs.fields(type(section))):
            value = getattr(section, name)
            if value is not None and name in RANGES:
                words, low, high = RANGES[name]
                if not low <= value <= high:
                    self.mistakes.note(f"{path}.{name}", f"must be {words}, not {value:g}")
            if value is not None and name in CHOICES:
                self.one_of(value, CHOICES[name], f"{path}.{name}", "value")

    def one_of(self, value: str, options: Iterable[str], path: str, noun: str) -> bool:
        """Whether ``value`` is one of ``options``; ``noun`` says what they are."""
        known = tuple(options)
        if value not in known:
            hint = suggestion(value, known)
            self.mistakes.note(path, f"{shown(value)} is no {noun} lb knows", hint)
        return value in known

    def name(self, value: str, path: str) -> None:
        """A name people and logs can use: it stands in headers, paths and tables."""
        if not value:
            self.mistakes.note(path, "is missing", "give it a short name of its own")
        elif not NAME.fullmatch(value):
            hint = "at most 64 letters, digits and . _ - @ : +, beginning with a letter or digit"
            self.mistakes.note(path, "is no usable name", hint)

    def host(self, value: str, path: str) -> None:
        """A name or an address to listen on."""
        if not HOST.fullmatch(value):
            self.mistakes.note(path, "must be a host name or an address", 'such as "127.0.0.1"')

    def unique(self, values: Iterable[tuple[str, Any]], noun: str) -> None:
        """Each (path, value) must stand alone; empty values are somebody else's mistake."""
        first: dict[Any, str] = {}
        for path, value in values:
            if value and first.setdefault(value, path) != path:
                self.mistakes.note(path, f"this {noun} is already used at {first[value]}")

    def globs(self, globs: Iterable[str], path: str) -> None:
        """Patterns of model names: ``gpt-5*``, ``o?-mini``, ``[gG]pt-*``."""
        for number, glob in enumerate(globs):
            where = f"{path}[{number}]"
            if not TOKEN.fullmatch(glob):
                self.mistakes.note(where, "must be a pattern of a model name", 'such as "gpt-5*"')
            elif glob.count("[") != glob.count("]"):
                hint = 'brackets come in pairs, as in "gpt-[45]*"'
                self.mistakes.note(where, f"{shown(glob)} is a broken pattern", hint)

    def labels(self, labels: Iterable[str], path: str) -> None:
        """Labels are names too."""
        for number, label in enumerate(labels):
            self.name(label, f"{path}[{number}]")

    def headers(self, headers: dict[str, str], path: str) -> dict[str, Secret]:
        """Headers of one's own, each one line."""
        for name, value in headers.items():
            where = f"{path}.{visible(name)}"
            if not HEADER_NAME.fullmatch(name):
                self.mistakes.note(where, "is not the name of a header")
            elif not HEADER_VALUE.fullmatch(value):
                self.mistakes.note(where, "holds characters no header may carry")
        self.inline = self.inline or bool(headers)
        return {name: Secret(value) for name, value in headers.items()}

    def url(self, value: str, path: str) -> str:
        """A base URL, without its last slash: https, or http to this machine only."""
        parts = _http_url(value)
        if parts is None:
            self.mistakes.note(path, "must be a URL", 'such as "https://api.example.com/v1"')
            return ""
        if problem := _url_problem(parts):
            self.mistakes.note(path, *problem)
        elif parts.scheme == "http" and not is_loopback(parts.hostname or ""):
            hint = "http goes only to this machine: localhost, 127.0.0.1, ::1"
            self.mistakes.note(path, "must be https, the credential would travel in clear", hint)
        return value.rstrip("/")

    def webhook(self, secret: Secret, path: str) -> None:
        """A URL that is a secret as a whole: https, or http to this machine only."""
        parts = _http_url(secret.reveal())
        if parts is None or parts.username is not None:
            self.mistakes.note(path, "must be a URL", 'such as "https://hooks.example.com/..."')
        elif parts.scheme == "http" and not is_loopback(parts.hostname or ""):
            self.mistakes.note(path, "must be https", "http goes only to this machine")

    def collector(self, value: str, path: str) -> str:
        """Where traces go: they hold no secret, so http to another machine is allowed."""
        parts = _http_url(value)
        if parts is None:
            self.mistakes.note(path, "must be a URL", 'such as "http://127.0.0.1:4318"')
        elif problem := _url_problem(parts):
            self.mistakes.note(path, *problem)
        return value.rstrip("/")

    def proxy(self, value: str, path: str) -> str:
        """The URL of an HTTP proxy on the way to the upstream (http is fine: it only tunnels)."""
        parts = _http_url(value)
        if parts is None:
            hint = 'such as "http://proxy.example.com:3128"; SOCKS is not supported'
            self.mistakes.note(path, "must be the URL of an HTTP proxy", hint)
        elif problem := _url_problem(parts):
            self.mistakes.note(path, *problem)
        return value

    def file(self, value: str, path: str) -> tuple[Path, str]:
        """A file that holds a secret: where it is and what it says ("" when it cannot be read)."""
        location = self.folder / expanded(value)
        try:
            with location.open("rb") as file:
                content = file.read(LARGEST_SECRET_FILE + 1)
            text = content.decode("utf-8-sig").strip()
        except UnicodeDecodeError:
            self.mistakes.note(path, "the file is not text")
            return location, ""
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or "it is no path"
            self.mistakes.note(path, f"the file {shown(value)} cannot be read: {why}")
            return location, ""
        if not text or len(content) > LARGEST_SECRET_FILE:
            self.mistakes.note(path, "the file is empty" if not text else "the file is too large")
        self.files.append(location)
        return location, text

    def secret(self, section: Any, name: str, path: str) -> Secret | None:
        """The credential a section gives as ``name``, ``name_env`` or ``name_file``; or None."""
        ways = given(section, name, f"{name}_env", f"{name}_file")
        for extra in tuple(ways)[1:]:
            self.mistakes.note(f"{path}.{extra}", f"the {name} is given twice", "give it one way")
        for way, value in tuple(ways.items())[:1]:
            where = f"{path}.{way}"
            if way.endswith("_env"):
                text = self._variable(value, where)
            elif way.endswith("_file"):
                text = self.file(value, where)[1]
            else:
                text, self.inline = value, True
            self._refuse_placeholder(text.strip(), where)
            return Secret(text.strip())
        return None

    def _variable(self, name: str, path: str) -> str:
        named = name if SHOUTED.fullmatch(name) or harmless(name) else "named here"
        if not ENV_NAME.fullmatch(name) or name.startswith(("sk_", "rt_", "eyJ")):
            hint = "it takes the name; a key itself goes under the same key without _env"
            self.mistakes.note(path, "is not the name of an environment variable", hint)
        elif name not in os.environ:
            hint = f"export {name}=..." if named == name else ""
            self.mistakes.note(path, f"the environment variable {named} is not set", hint)
        elif not os.environ[name].strip():
            self.mistakes.note(path, f"the environment variable {named} is empty")
        return os.environ.get(name, "")

    def _refuse_placeholder(self, text: str, path: str) -> None:
        """An empty secret would let anyone in, or nobody; a placeholder is known to everyone."""
        if not text:
            self.mistakes.note(path, "is empty", "an empty secret is none")
        elif PLACEHOLDER.fullmatch(text):
            self.mistakes.note(path, "is a placeholder", "put the real one here")
        elif not TOKEN.fullmatch(text):
            hint = "one word of printable ASCII, no spaces"
            self.mistakes.note(path, "holds characters no HTTP header may carry", hint)


def _http_url(value: str) -> SplitResult | None:
    try:
        parts = urlsplit(value if TOKEN.fullmatch(value) else "")
        usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        return None
    return parts if usable else None


def _url_problem(parts: SplitResult) -> tuple[str, str] | None:
    if parts.username is not None or parts.password is not None:
        return "must not hold a user name or password", "a URL shows up in logs and tables"
    if parts.query or parts.fragment:
        return "must end with its path: no ? and no #", ""
    return None
