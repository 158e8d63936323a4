"""The line of a sibling, where it is heard: it wakes us, or it is looked into when we must know."""

import asyncio
import os
from typing import Protocol

import structlog

from lb.core.tidings import Messages, NoTidingsError, Tiding

_LOOK_BYTES = 1 << 18
_log = structlog.get_logger()


class Listens(Protocol):
    """Who is told what an ear hears."""

    def heard(self, ear: "Ear", tiding: Tiding) -> None:
        """A sibling said something."""

    def look(self) -> None:
        """Something was said: look into the other ears, too."""

    def gone(self, worker: int, ear: "Ear | None") -> None:
        """Nothing more comes here."""


class Ear(asyncio.Protocol):
    """The line of a sibling, where it is heard; ``worker`` -1 until it has greeted."""

    def __init__(self, siblings: "Listens") -> None:
        self.worker = -1
        self._siblings = siblings
        self._messages = Messages()
        self._transport: asyncio.BaseTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A line is open."""
        self._transport = transport

    def rest(self) -> None:
        """Wait for nothing here: ``look`` reads."""
        if isinstance(self._transport, asyncio.ReadTransport):
            self._transport.pause_reading()

    def look(self) -> None:
        """Take up what was laid down here, without waiting."""
        found = self._transport.get_extra_info("socket") if self._transport is not None else None
        while found is not None:
            try:
                data = os.read(found.fileno(), _LOOK_BYTES)
            except OSError:  # nothing is there, or it is closed
                return
            if not data:
                return
            self._take(data)

    def data_received(self, data: bytes) -> None:
        """Something was said."""
        self._take(data)
        self._siblings.look()

    def _take(self, data: bytes) -> None:
        try:
            for tidings in self._messages.feed(data):
                for tiding in tidings:
                    self._siblings.heard(self, tiding)
        except NoTidingsError as error:
            _log.error("sibling_not_understood", worker=self.worker, reason=str(error))
            self.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """The sibling is gone."""
        del exc
        self._siblings.gone(self.worker, self)

    def close(self) -> None:
        """Hear no more."""
        if self._transport is not None:
            self._transport.close()
