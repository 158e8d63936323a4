"""A text that never shows itself by accident."""

from typing import Final


class Secret:
    """A credential. ``repr``, ``str`` and ``format`` give stars; only ``reveal()`` tells."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value: Final = value

    def reveal(self) -> str:
        """The text itself; call it only where it goes on the wire or into a digest."""
        return self._value

    def __repr__(self) -> str:
        return "Secret('***')"

    def __str__(self) -> str:
        return "***"

    def __bool__(self) -> bool:
        return bool(self._value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __reduce__(self) -> str:
        message = "a Secret is not pickled"
        raise TypeError(message)
