"""What client keys may do: ``[plans.NAME]``, ``[[keys]]``, and keys that the store keeps."""

from collections.abc import Iterable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import attrs
from cattrs.errors import BaseValidationError

from lb.config.checks import PLACEHOLDERS, Checks
from lb.config.facts import Config
from lb.config.sections import KeyText, PlanText
from lb.config.text import (
    CONVERTER,
    ConfigError,
    Mistakes,
    flat,
    given,
    shown,
    suggestion,
    visible,
)
from lb.core.keyring import Record
from lb.core.plans import UUSD, Budget, Key, Plan, with_overrides

KEY_PREFIX: Final = "sk-lb-"
SHOWN: Final = len(KEY_PREFIX) + 6
"""How many characters of a key are kept to recognise it by."""
LONG_ENOUGH: Final = 32  # characters of a key; of a shorter one none is shown
DRAIN_TOKENS: Final = 4096
"""How far an answer is drained where nobody says how far."""
SHA256_HEX: Final = 64  # digits
KNOWN_DIGESTS: Final = frozenset(sha256(word.encode()).digest() for word in PLACEHOLDERS)
_PLAIN: Final = (
    *("models", "deny", "max_effort", "rpm", "rpd", "tpm", "tpd", "max_parallel"),
    *("on_disconnect", "drain_tokens"),
)
"""What a plan says and means alike."""
_OF_PLAN: Final = frozenset(each.name for each in attrs.fields(PlanText))


def plans(texts: Mapping[str, PlanText], checks: Checks) -> dict[str, Plan]:
    """Every ``[plans.NAME]``."""
    found = {}
    for name, text in texts.items():
        path = f"plans.{visible(name)}"
        checks.name(name, path)
        found[name] = Plan(name, **overrides(text, path, checks))
    return found


def keys(texts: Iterable[KeyText], known: Mapping[str, Plan], checks: Checks) -> tuple[Key, ...]:
    """Every ``[[keys]]``."""
    numbered = [(f"keys[{number}]", text) for number, text in enumerate(texts)]
    built = tuple(_key(text, path, known, checks) for path, text in numbered)
    checks.unique(((f"{path}.name", text.name) for path, text in numbered), "name")
    checks.unique(
        ((path, key.digest) for (path, _), key in zip(numbered, built, strict=True)), "key"
    )
    return built


def overrides(text: PlanText, path: str, checks: Checks) -> dict[str, Any]:
    """What a plan or a key says, by the names of Plan; checked."""
    checks.numbers_and_choices(text, path)
    checks.globs(text.models or (), f"{path}.models")
    checks.globs(text.deny or (), f"{path}.deny")
    _known(text.accounts, checks.accounts, f"{path}.accounts", checks)
    _known(text.labels, checks.known_labels, f"{path}.labels", checks)
    told = given(text, *_PLAIN)
    for name in given(text, "accounts", "labels"):
        told[name] = frozenset(getattr(text, name))
        if not told[name]:
            hint = "leave it out to allow all"
            checks.mistakes.note(f"{path}.{name}", "is empty: nobody could serve it", hint)
    if text.budget is not None:
        told["budget"] = _budget(text, f"{path}.budget", checks)
    if text.balance is not None:
        told["balance_uusd"] = round(text.balance * UUSD)
    if text.expires is not None:
        told["expires_at"] = float(text.expires)
    if text.on_disconnect == "drain" and text.drain_tokens is None:
        told["drain_tokens"] = DRAIN_TOKENS
    if text.drain_tokens and text.on_disconnect == "abort":
        hint = 'on_disconnect = "drain"'
        checks.mistakes.note(f"{path}.drain_tokens", "means nothing where answers end", hint)
    return told


def stored(raw: Mapping[str, Any], config: Config) -> dict[str, Any]:
    """What a key of the store says for itself, as JSON -> by the names of Plan.

    Raises: ConfigError with every mistake there is.
    """
    mistakes = Mistakes()
    checks = Checks(Path(), mistakes)
    checks.know(config.accounts)
    try:
        text = CONVERTER.structure(dict(raw), PlanText)
    except BaseValidationError as error:
        for _, mistake in flat(error):
            mistakes.note(*mistake)
        raise ConfigError(mistakes.found) from None
    told = overrides(text, "key", checks)
    found = [attrs.evolve(each, path=each.path.removeprefix("key.")) for each in mistakes.found]
    if found:
        raise ConfigError(found)
    return told


def stored_keys(record: Record, config: Config) -> tuple[Key, ...]:
    """A key of the store: as it is now, and as it was before a rotation."""
    note = "This API key is disabled." if record.disabled else ""
    plan = config.plans.get(record.plan, Plan()) if record.plan else Plan()
    if record.plan and record.plan not in config.plans:
        note = note or f"The plan of this API key ('{record.plan}') is not there any more."
    try:
        plan = with_overrides(plan, stored(record.limits, _without_names(config)))
    except ConfigError:
        note = note or "The limits of this API key cannot be read."
    current = Key(record.name, record.digest, plan, record.prefix, source="store", note=note)
    if not record.old_digest:
        return (current,)
    old = attrs.evolve(
        current, digest=record.old_digest, prefix=record.old_prefix, ends_at=record.old_until
    )
    return current, old


def _without_names(config: Config) -> Config:
    """Accounts may go while a key that names them stays: then nobody serves it."""
    return attrs.evolve(config, accounts=())


def _known(names: Iterable[str] | None, options: frozenset[str], path: str, checks: Checks) -> None:
    for number, name in enumerate(names or ()):
        if options and name not in options:
            hint = suggestion(name, sorted(options))
            checks.mistakes.note(f"{path}[{number}]", f"no account has {shown(name)}", hint)


def _budget(text: PlanText, path: str, checks: Checks) -> Budget | None:
    budget = text.budget
    if budget is None:
        return None
    checks.numbers_and_choices(budget, path)
    if budget.usd is None:
        checks.mistakes.note(f"{path}.usd", "is missing", 'such as { usd = 20, per = "month" }')
    return Budget(round((budget.usd or 0.0) * UUSD), budget.per or "month")


def _key(text: KeyText, path: str, known: Mapping[str, Plan], checks: Checks) -> Key:
    checks.name(text.name, f"{path}.name")
    if text.plan is not None and text.plan not in known:
        message = f"{shown(text.plan)} is no plan of this file"
        hint = suggestion(text.plan, known) if known else f"write [plans.{visible(text.plan)}]"
        checks.mistakes.note(f"{path}.plan", message, hint)
    plan = with_overrides(known.get(text.plan or "", Plan()), overrides(text, path, checks))
    secret = checks.secret(text, "key", path)
    if secret is not None and text.key_sha256 is not None:
        message = "the key is given twice"
        checks.mistakes.note(f"{path}.key_sha256", message, "give it one way")
    if secret is not None:
        revealed = secret.reveal()
        digest = sha256(revealed.encode()).digest() if secret else b""
        return Key(text.name, digest, plan, prefix_of(revealed))
    if text.key_sha256 is not None:
        return Key(text.name, _digest(text.key_sha256, f"{path}.key_sha256", checks), plan)
    checks.mistakes.note(path, "has no key", "give key_env, key_file, key_sha256 or key")
    return Key(text.name, b"", plan)


def prefix_of(key: str) -> str:
    """The first characters of a key of ours; nothing of one that may be short or somebody's."""
    return key[:SHOWN] if key.startswith(KEY_PREFIX) and len(key) >= LONG_ENOUGH else ""


def _digest(value: str, path: str, checks: Checks) -> bytes:
    """The 32 bytes of a SHA-256 in hexadecimal."""
    try:
        digest = bytes.fromhex(value) if len(value) == SHA256_HEX else b""
    except ValueError:
        digest = b""
    if not digest:
        hint = 'printf %s "$KEY" | sha256sum'
        checks.mistakes.note(path, "must be a SHA-256: 64 hexadecimal digits", hint)
    elif digest in KNOWN_DIGESTS:
        checks.mistakes.note(path, "is the digest of an empty key or a placeholder")
    return digest
