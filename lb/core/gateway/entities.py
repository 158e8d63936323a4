"""What ``redact`` looks for: a cheap pattern finds candidates, a well-kept validator decides."""

import re
from collections.abc import Callable, Iterator
from ipaddress import ip_address
from typing import Any, Final

import phonenumbers
import re2
from attrs import frozen
from stdnum import iban, luhn, mac
from stdnum.us import ssn

from lb.core.errors import bad_request
from lb.core.gateway.wish import Redact

REGION: Final = "US"  # whose national notation a phone number without + is read in
MOST_CUSTOM: Final = 64
SHORTEST_IBAN: Final = 15  # Norway's
Span = tuple[int, int]


def _always(_text: str) -> bool:
    return True


def _is_phone(text: str) -> bool:
    try:
        return phonenumbers.is_valid_number(phonenumbers.parse(text, REGION))
    except phonenumbers.NumberParseException:
        return False


def _is_ip(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return any(character.isdigit() for character in text)


def _is_card(text: str) -> bool:
    return bool(luhn.is_valid(re.sub(r"[ -]", "", text)))


@frozen
class Entity:
    """One kind of what is looked for: ``pattern`` finds candidates, ``valid`` decides.

    ``shrinks`` whether a shorter beginning of a candidate may be it, at least this long.
    """

    name: str
    pattern: Any  # re's, or RE2's for what a client wrote
    valid: Callable[[str], bool] = _always
    shrinks: int = 0

    def spans(self, text: str) -> Iterator[Span]:
        """Where it is."""
        for match in self.pattern.finditer(text):
            end = self._end(match.group())
            if end:
                yield match.start(), match.start() + end

    def _end(self, candidate: str) -> int:
        shortest = self.shrinks or len(candidate)
        for end in range(len(candidate), shortest - 1, -1):
            if candidate[:end].rstrip() == candidate[:end] and self.valid(candidate[:end]):
                return end
        return 0


_TOKENS: Final = (
    r"\b(?:sk|sess|pk|rk)[-_][A-Za-z0-9_-]{16,256}"
    r"|\b(?:gh[pousr]_|github_pat_|glpat-|xox[abprs]-|hf_|npm_|pypi-)[A-Za-z0-9_-]{16,256}"
    r"|\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"
    r"|\bAIza[A-Za-z0-9_-]{35}"
    r"|\beyJ[A-Za-z0-9_-]{8,4096}\.[A-Za-z0-9_-]{8,4096}(?:\.[A-Za-z0-9_-]{0,4096})?"
)
_CARD: Final = re.compile(
    r"(?<![\d.-])[2-6](?:\d{12,18}|\d{3}([ -])\d{4}\1\d{4}\1\d{1,7}|\d{3}([ -])\d{6}\2\d{4,5})"
    r"(?![\d.-]*\d)"
)
_HEX: Final = "[0-9A-Fa-f]"

ENTITIES: Final[tuple[Entity, ...]] = (
    Entity("uuid", re.compile(rf"\b{_HEX}{{8}}-(?:{_HEX}{{4}}-){{3}}{_HEX}{{12}}\b")),
    Entity("token", re.compile(_TOKENS)),
    Entity(
        "email",
        re.compile(
            r"(?<![\w.%+-])[\w.%+-]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]{0,252})\.[A-Za-z]{2,24}\b"
        ),
    ),
    Entity("mac", re.compile(rf"\b{_HEX}{{2}}(?:[:-]{_HEX}{{2}}){{5}}\b"), mac.is_valid),
    Entity(
        "ip",
        re.compile(
            r"(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?![\w.]*\d)"
            rf"|(?<![\w:])(?:{_HEX}{{0,4}}:){{2,7}}(?:{_HEX}{{1,4}}|\d{{1,3}}(?:\.\d{{1,3}}){{3}})?(?![\w:])"
        ),
        _is_ip,
    ),
    Entity(
        "iban",
        re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]){11,30}"),
        lambda text: bool(iban.is_valid(text)),
        SHORTEST_IBAN,
    ),
    Entity("credit_card", _CARD, _is_card),
    Entity("ssn", re.compile(r"(?<![\d-])\d{3}-\d{2}-\d{4}(?![\d-])"), ssn.is_valid),
    Entity(
        "phone",
        re.compile(r"(?<![\w.-])(?!\d{4}-\d\d-\d\d)[+(]?\d(?:[\d ().-]{5,18})\d(?![\w-])"),
        _is_phone,
    ),
)
"""In order: where two would overlap, the first has it."""


def wanted(redact: Redact) -> tuple[Entity, ...]:
    """What to look for. Raises: Problem (400) for a pattern RE2 does not take."""
    custom = []
    if len(redact.custom) > MOST_CUSTOM:
        message = f"Invalid 'gateway.redact.custom': at most {MOST_CUSTOM} patterns."
        raise bad_request(message, "gateway.redact.custom", "invalid_value")
    for at, pattern in enumerate(redact.custom):
        try:
            custom.append(Entity("custom", re2.compile(pattern, _options())))
        except re2.error:
            path = f"gateway.redact.custom[{at}]"
            message = f"Invalid '{path}': not a pattern in RE2's syntax (no look-around)."
            raise bad_request(message, path, "invalid_value") from None
    return (*custom, *(entity for entity in ENTITIES if getattr(redact, entity.name)))


def _options() -> Any:
    options = re2.Options()
    options.log_errors = False
    return options


def found(text: str, entities: tuple[Entity, ...]) -> list[tuple[int, int, str]]:
    """(start, end, name of the entity) of all there is in ``text``, in order, none overlapping."""
    spans: list[tuple[int, int, str]] = []
    taken = bytearray(len(text))
    for entity in entities:
        for start, end in entity.spans(text):
            if end > start and not any(taken[start:end]):
                taken[start:end] = b"\1" * (end - start)
                spans.append((start, end, entity.name))
    return sorted(spans)
