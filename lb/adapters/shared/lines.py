"""A line to one sibling: bytes go into the kernel at once, or wait, bounded, until they can.

Event loops put off what is written (uvloop to the end of the turn, in no order); here a message is
in the kernel's buffer when ``say`` returns, since what a client may ask next depends on it.
"""

import asyncio
import socket
from collections.abc import Callable
from pathlib import Path

MOST_WAITING_BYTES = 16 << 20
"""For a sibling that does not read; then it is cut off, and catches up when it is back."""
_BUFFER_BYTES = 1 << 20


class Line:
    """What we tell one sibling, over a Unix socket of our own. ``on_lost`` hears of its end."""

    def __init__(self, path: Path, on_lost: Callable[["Line"], None]) -> None:
        """Connect. Raises: OSError when nobody listens there."""
        self.pid = 0  # of who listens, once it has greeted
        self._on_lost = on_lost
        self._loop = asyncio.get_running_loop()
        self._waiting = bytearray()
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._socket.setblocking(False)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER_BYTES)
            self._socket.connect(str(path))
        except OSError:
            self._socket.close()
            raise
        self._loop.add_reader(self._socket.fileno(), self._ended)

    def say(self, message: bytes) -> bool:
        """Send a message; False when the line is lost, and the message with it."""
        if self._socket.fileno() < 0:
            return False
        if self._waiting:
            self._waiting += message
        else:
            try:
                sent = self._socket.send(message)
            except BlockingIOError:
                sent = 0
            except OSError:
                self._lose()
                return False
            if sent < len(message):
                self._waiting += message[sent:]
                self._loop.add_writer(self._socket.fileno(), self._go_on)
        if len(self._waiting) > MOST_WAITING_BYTES:
            self._lose()
            return False
        return True

    def _go_on(self) -> None:
        try:
            sent = self._socket.send(self._waiting[: 1 << 20])
        except BlockingIOError:
            return
        except OSError:
            self._lose()
            return
        del self._waiting[:sent]
        if not self._waiting:
            self._loop.remove_writer(self._socket.fileno())

    def _ended(self) -> None:
        """Nobody speaks on our line: what can be read is its end."""
        try:
            said = self._socket.recv(1)
        except BlockingIOError:
            return
        except OSError:
            said = b""
        if not said:
            self._lose()

    def _lose(self) -> None:
        if self.close():
            self._on_lost(self)

    def close(self) -> bool:
        """End the line; whether it was open."""
        number = self._socket.fileno()
        if number < 0:
            return False
        self._loop.remove_reader(number)
        self._loop.remove_writer(number)
        self._socket.close()
        return True
