"""A request body as bytes: its top-level fields, each the JSON text it came with.

Values stay bytes (law 9): a field no rule names is never decoded and leaves byte for byte as it
came; only what is asked for by ``get`` is parsed, and only what is ``set`` is written anew.
"""

import re
from codecs import getincrementaldecoder
from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import Any, TypeVar, cast

import msgspec
from msgspec import Raw

from lb.core.errors import Problem, bad_request
from lb.core.marks import ALL, ITEMS, PIECE_BYTES, SPELT, SURROGATE, Mark, kinds_in
from lb.core.remembered import Remembered, shorter_than

T = TypeVar("T")
Source = bytes | bytearray
"""A body as it was received; a large one is what was read into, not a copy, and never changed."""
_FIELDS = msgspec.json.Decoder(dict[str, Raw])
_SPELT = Mark(SPELT, re.compile(rb"\\u00(?:5[fF]|[46][1-9a-fA-F]|[57][0-9aA])"))
"""A letter or underscore as an escape: no encoder writes one, but a key could hide behind it."""
Heads = dict[str, int]
"""The fields of a body in order, each with the first byte of its JSON text: it tells the type."""
Form = tuple[tuple[str, ...], bytes]
"""The same as a key: clients send bodies of few forms, and much follows from the form alone."""
LONGEST_FORM = 1024  # characters of the fields' names; others are not remembered
_MISSING = object()
_QUOTE, NULL = b'"n'
_view: Callable[[Any], Sequence[int]] = memoryview
_first = itemgetter(0)
_decode = msgspec.json.Decoder().decode
COULD_NOT_PARSE = (
    "We could not parse the JSON body of your request: {why}. "
    "Send one JSON object, UTF-8 encoded, with the content type application/json."
)


class Body:
    """The fields of a JSON object, in order, undecoded until asked for.

    ``changed`` names what was altered on the way, in order, for the ``x-lb-changed`` header;
    ``altered`` all that was, ``rules`` which rule altered what.
    """

    __slots__ = (
        "_fields",
        "_form",
        "_heads",
        "_kinds",
        "_marks",
        "_opaque",
        "_seen",
        "_source",
        "altered",
        "changed",
        "rules",
    )

    def __init__(self, source: Source, fields: dict[str, Raw | bytes]) -> None:
        self._source: Source | None = source
        self._fields = fields
        # values by name, marks by their text, looks by who looks
        self._seen: dict[object, Any] = {}
        self._opaque = False
        self._marks = ALL  # kinds that there may be
        self._kinds: int | None = None  # of them, in ``input``
        self._heads: Heads | None = None
        self._form: Form | None = None
        self.changed: tuple[str, ...] = ()
        self.altered: tuple[str, ...] = ()
        self.rules: tuple[tuple[str, tuple[str, ...]], ...] = ()

    @classmethod
    def parse(cls, source: Source) -> "Body":
        """Cut ``source`` into its fields.

        Raises: Problem (400) for what is not one strict JSON object: malformed, NaN, too deep,
        not UTF-8, a lone surrogate.
        """
        try:
            fields = _FIELDS.decode(source)
            if not source.isascii():
                _check_utf8(source)
            marks = kinds_in(source)
            if marks & SURROGATE:
                msgspec.json.decode(source)  # the strict reader knows a lone surrogate
        except RecursionError:
            raise unparsable("it is nested too deeply") from None
        except UnicodeDecodeError:
            raise unparsable("it is not valid UTF-8") from None
        except msgspec.ValidationError:
            raise unparsable("it is not a JSON object") from None
        except msgspec.DecodeError as error:
            raise unparsable(str(error).removeprefix("JSON is malformed: ")) from None
        body = cls(source, cast("dict[str, Raw | bytes]", fields))
        body._marks = marks
        return body

    @classmethod
    def opaque(cls, source: Source) -> "Body":
        """A body that is no JSON (a form): it has no fields and leaves as it came."""
        body = cls(source, {})
        body._opaque = True
        return body

    def __contains__(self, name: str) -> bool:
        return name in self._fields

    def given(self, name: str) -> bool:
        """Whether a field is there and not null."""
        return self.heads().get(name, NULL) != NULL

    def heads(self) -> Heads:
        """The fields in order, each with the first byte of its JSON text, which tells its type."""
        heads = self._heads
        if heads is None:
            firsts = map(_first, map(_view, self._fields.values()))
            heads = self._heads = dict(zip(self._fields, firsts, strict=True))
        return heads

    def form(self) -> Form:
        """The heads as a key."""
        form = self._form
        if form is None:
            heads = self.heads()
            form = self._form = tuple(heads), bytes(heads.values())
        return form

    def names(self) -> tuple[str, ...]:
        """The fields there are, in order."""
        return tuple(self._fields)

    def raw(self, name: str) -> bytes:
        """The JSON text of a field, copied; empty when it is absent."""
        return bytes(self.view(name))

    def kinds(self) -> int:
        """Which kinds of marks may stand in the items of ``input``; a string holds none."""
        kinds = self._kinds
        if kinds is None:
            kinds = self._marks & ITEMS
            if self.heads().get("input", _QUOTE) == _QUOTE:
                kinds = 0
            elif kinds and len(self._fields["input"]) > PIECE_BYTES:
                kinds = kinds_in(self.view("input"), kinds)  # not in another field
            self._kinds = kinds
        return kinds

    def has(self, mark: Mark) -> bool:
        """Whether ``mark`` stands in the items of ``input``; looked for once, without a copy."""
        if not self.kinds() & mark.kind:
            return False
        found: bool | None = self._seen.get(mark)
        if found is None:
            found = self._seen[mark] = mark.pattern.search(self.view("input")) is not None
        return found

    def hides_letters(self) -> bool:
        """Whether a letter stands as an escape in the text of ``input``: no search sees it."""
        return self.has(_SPELT)

    def view(self, name: str) -> memoryview:
        """The JSON text of a field where it lies, for a look that costs no copy of it."""
        return memoryview(self._fields.get(name, b""))

    def get(self, name: str, default: Any = None) -> Any:
        """The decoded value of a field (kept, so asking twice costs once).

        Raises: Problem (400) where the value cannot be decoded.
        """
        raw = self._fields.get(name)
        if raw is None:
            return default
        value = self._seen.get(name, _MISSING)
        if value is not _MISSING:
            return value
        try:
            value = _decode(raw)
        except (msgspec.DecodeError, RecursionError):
            raise bad_request(
                f"'{name}' could not be decoded: it is malformed or nested too deeply.", name
            ) from None
        self._seen[name] = value
        return value

    def seen(self, name: str, look: "Callable[[bytes], T]") -> T:
        """What ``look`` sees in the JSON text of a field, kept: it looks at no other."""
        value = self._seen.get(look, _MISSING)
        if value is _MISSING:
            value = self._seen[look] = look(self.raw(name))
        told: T = value
        return told

    def set(self, name: str, value: Any, *, told: bool = True) -> None:
        """Write a field anew; ``told`` whether the client hears of it in ``x-lb-changed``."""
        self._fields[name] = msgspec.json.encode(value)
        self._alter(name, told=told)
        self._seen[name] = value

    def put(self, name: str, text: bytes) -> None:
        """Write a field anew as the JSON ``text`` it is to have; the client is not told."""
        self._fields[name] = text
        self._alter(name, told=False)

    def drop(self, name: str, *, told: bool = True) -> None:
        """Leave a field out; nothing happens when it is absent."""
        if name in self._fields:
            del self._fields[name]
            self._alter(name, told=told)

    def copy(self) -> "Body":
        """A body of its own with the same bytes: what one account's dialect does stays with it."""
        twin = Body(self._source or b"", dict(self._fields))
        twin._source = self._source
        twin._seen = dict(self._seen)
        twin._marks, twin._kinds = self._marks, self._kinds
        twin.changed = self.changed
        twin._opaque = self._opaque
        return twin

    def let_go(self) -> None:
        """Forget the text: nobody asks for it any more. What was changed stays."""
        self._source, self._fields = None, {}
        self._seen, self._heads, self._form = {}, None, None

    def render(self) -> Source:
        """The JSON text: fields that were not set, byte for byte.

        A compact body nobody touched, its names plain, is the very object that came in. Any other
        is joined anew, so that of two fields with one name upstream sees the one checked here.
        """
        if self._opaque and self._source is not None:
            return self._source
        fields = self._fields
        if self._source is not None:
            # {} and "":, each; a name of other letters or with escapes is longer than it looks
            compact = 1 + 4 * len(fields) + sum(map(len, fields)) + sum(map(len, fields.values()))
            if max(compact, 2) == len(self._source):
                return self._source
        pieces: list[bytes | Raw] = []
        for name, value in fields.items():
            pieces += (b',"' if pieces else b'{"', _keys[name], b'":', value)
        return b"".join(pieces or (b"{",)) + b"}"

    def _alter(self, name: str, *, told: bool) -> None:
        self._source = self._heads = self._form = self._kinds = None
        self._marks = ALL
        self._seen = {of: value for of, value in self._seen.items() if type(of) is str}
        self._seen.pop(name, None)
        self.altered += (name,)
        if told:
            self.tell(name)

    def tell(self, change: str) -> None:
        """Let the client hear of a change in ``x-lb-changed``, once."""
        if change not in self.changed:
            self.changed += (change,)


def _check_utf8(source: Source) -> None:
    """Piece by piece: decoded at once, a large body would cost two to four times its size."""
    decoder = _UTF8()
    view = memoryview(source)
    for at in range(0, len(source), _PIECE):
        decoder.decode(view[at : at + _PIECE])
    decoder.decode(b"", final=True)


_UTF8 = getincrementaldecoder("utf-8")
_PIECE = 64 << 10


def unparsable(why: str) -> Problem:
    """The 400 for a body that is no JSON object."""
    return bad_request(COULD_NOT_PARSE.format(why=why))


def _key_text(name: str) -> bytes:
    return name.encode() if name.isidentifier() else msgspec.json.encode(name)[1:-1]


_keys = Remembered(_key_text, 1024, shorter_than(64))  # longer ones are no fields of OpenAI's


def is_usual(form: Form) -> bool:
    """Whether what follows from a form may be kept: clients choose it, so that it is bounded."""
    return sum(map(len, form[0])) + len(form[1]) < LONGEST_FORM
