"""One process: there is nobody to tell, and nobody to ask."""

from typing import Any

from lb.adapters.shared import ANSWER_S, Mind


class Alone:
    """The way to no others."""

    def nudge(self, *, soon: bool = False) -> None:
        """Nobody wants to know."""

    def flush(self) -> None:
        """Nobody wants to know."""

    def lay(self) -> None:
        """Nobody looks."""

    def look(self) -> None:
        """Nobody lays anything."""

    async def ask(self, name: str, what: Any = None, timeout_s: float = ANSWER_S) -> list[Any]:
        """Nobody answers."""
        del name, what, timeout_s
        return []

    async def ask_one(
        self, worker: int, name: str, what: Any = None, timeout_s: float = ANSWER_S
    ) -> Any:
        """Nobody answers."""
        del worker, name, what, timeout_s

    async def start(self, mind: Mind) -> None:
        """Nobody is found."""

    def ready(self) -> None:
        """Nobody wants to know."""

    async def close(self) -> None:
        """Nobody is left."""
