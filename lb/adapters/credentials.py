"""What accounts prove themselves with: keys at once, ChatGPT logins refreshed in time.

A refresh token is good for one use, and using it twice revokes the login. So there is one refresh
at a time for each file, in this process (a task all callers share, which no caller can cancel) and
across processes (a file lock); the file is read again first, in case another was quicker; and the
new tokens are on the disk before anyone gets them.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Final

import aiohttp
from attrs import frozen

from lb.adapters import authfile, issuer
from lb.adapters.authfile import Login, UnreadableError
from lb.adapters.issuer import RefusedError, TransientError
from lb.adapters.seals import PLAIN, SealError, Seals
from lb.core.account import Account
from lb.core.errors import Blame, Problem
from lb.core.secret import Secret
from lb.core.upstreams.chatgpt import Bearer

NEAR_S: Final = 300.0  # an access token is renewed this long before it expires
REST_S: Final = 10.0  # after an issuer's fault a token that is still good is used on
LOCK_S: Final = 30.0  # for another process to finish its refresh
POLL_S: Final = 0.02
READS: Final = 3  # of a file caught half written
KEYLESS: Final = "login_sealed"  # what is said of an account whose login nobody can open


@frozen
class _Unsaved:
    """New tokens the disk would not take, and the spent refresh token they came from."""

    login: Login
    spent: Secret


class Credentials:
    """The credentials of all accounts.

    ``session`` asks the issuers; ``now`` is the wall clock; ``seals`` how logins are kept.
    """

    def __init__(
        self, session: aiohttp.ClientSession, now: Callable[[], float], seals: Seals = PLAIN
    ) -> None:
        self.seals = seals
        self._session = session
        self._now = now
        self._logins: dict[str, Login] = {}  # by auth_file
        self._flights: dict[str, asyncio.Task[Bearer]] = {}
        self._unsaved: dict[str, _Unsaved] = {}
        self._rests_until: dict[str, float] = {}

    def ready(self, account: Account) -> Secret | None:
        """The credential if it needs no waiting; None when ``secret`` has to read or refresh.

        An account without any has an empty one: a server of one's own may want none.
        """
        if account.auth_file is None:
            key = account.api_key or Secret("")
            if account.kind == "chatgpt":
                return Bearer(key.reveal(), authfile.account_id_in(key.reveal()))
            return key
        login = self._logins.get(account.auth_file)
        if login is None:
            return None
        now = self._now()
        resting = now < self._rests_until.get(account.auth_file, 0.0)
        return login.access if login.lasts(now, 0.0 if resting else NEAR_S) else None

    async def secret(self, account: Account) -> Secret:
        """The credential, refreshed when it expires within ``NEAR_S``.

        Raises: Problem: TOKEN when a person has to log in, SOFT when the issuer has a bad moment.
        """
        ready = self.ready(account)
        return ready if ready is not None else await self._join(account, None)

    async def refresh(self, account: Account, used: Secret) -> Secret:
        """A credential other than ``used``, which the upstream refused.

        Raises: Problem: TOKEN when there is none, SOFT when the issuer has a bad moment.
        """
        if account.auth_file is None:
            raise refused(account, "the upstream does not accept its key", "invalid_api_key")
        login = self._logins.get(account.auth_file)
        if login is not None and login.access != used:
            return login.access
        token = await self._join(account, used)
        if token == used:  # the flight we joined was under way for another reason
            token = await self._join(account, used)
        return token

    def forget(self) -> None:
        """Read every login anew when it is next asked for: a file may hold another one now."""
        self._logins.clear()

    async def close(self) -> None:
        """Let refreshes under way end: a token that was given and not kept is a login lost."""
        if self._flights:
            await asyncio.wait(self._flights.values())

    async def _join(self, account: Account, used: Secret | None) -> Bearer:
        path = account.auth_file or ""
        flight = self._flights.get(path)
        if flight is None:
            flight = asyncio.create_task(self._renew(account, path, used))
            self._flights[path] = flight
            flight.add_done_callback(lambda done: self._landed(path, done))
        return await asyncio.shield(flight)

    def _landed(self, path: str, flight: asyncio.Task[Bearer]) -> None:
        del self._flights[path]
        if not flight.cancelled():
            flight.exception()  # seen, also when every caller has left

    async def _renew(self, account: Account, path: str, used: Secret | None) -> Bearer:
        """The one flight: what is on the disk if that is good, else new tokens from the issuer."""
        try:
            login = await self._read(path)
            if not self._good(login, used):
                self._logins[path] = login
                async with _locked(Path(path)):
                    login = await self._renewed(account, path, used)
        except SealError as error:
            raise keyless(account, str(error)) from None
        except UnreadableError as error:
            raise refused(account, str(error), "login_missing") from None
        except RefusedError as error:
            raise refused(account, "its login was refused", str(error)) from None
        except (TransientError, OSError) as error:
            return self._made_do(account, path, used, error)
        self._logins[path] = login
        return login.access

    def _good(self, login: Login, used: Secret | None) -> bool:
        return login.access != used and login.lasts(self._now(), NEAR_S)

    def _made_do(
        self, account: Account, path: str, used: Secret | None, error: Exception
    ) -> Bearer:
        """A token near its end is still a token.

        Raises: Problem, SOFT, without one.
        """
        login, now = self._logins.get(path), self._now()
        if login is not None and login.access != used and login.lasts(now, 0.0):
            self._rests_until[path] = now + REST_S
            return login.access
        why = str(error) if isinstance(error, TransientError) else "its file cannot be written"
        message = f"The token of account {account.id} could not be refreshed: {why}."
        raise Problem(message, 503, code="token_refresh_failed", blame=Blame.SOFT)

    async def _renewed(self, account: Account, path: str, used: Secret | None) -> Login:
        """The lock is held: read again, and ask the issuer unless someone else has."""
        login = await self._latest(path)
        if self._good(login, used):
            return login
        try:
            return await self._exchanged(account, path, login)
        except RefusedError:
            newer = await self._latest(path)
            if newer.refresh == login.refresh:
                raise
            return newer if self._good(newer, used) else await self._exchanged(account, path, newer)

    async def _latest(self, path: str) -> Login:
        """The login on the disk, or the newer one the disk would not take, which it gets now."""
        login = await self._read(path)
        unsaved = self._unsaved.get(path)
        if unsaved is None:
            return login
        if login.refresh == unsaved.spent.reveal():
            await asyncio.to_thread(self.seals.write, Path(path), unsaved.login.document)
            login = unsaved.login
        del self._unsaved[path]
        return login

    async def _exchanged(self, account: Account, path: str, login: Login) -> Login:
        """New tokens, on the disk. Kept in memory until they are, for the old ones are spent."""
        if not login.refresh:
            code = "refresh_token_missing"
            raise RefusedError(code)
        await asyncio.to_thread(self.seals.prepare, Path(path))
        answer = await issuer.renew(self._session, account, login.refresh)
        new = authfile.renewed(login, answer, self._now())
        self._unsaved[path] = _Unsaved(new, Secret(login.refresh))
        await asyncio.to_thread(self.seals.write, Path(path), new.document)
        del self._unsaved[path]
        return new

    async def _read(self, path: str) -> Login:
        """The login in a file; one caught half written is read again.

        Raises: UnreadableError, OSError.
        """
        for _ in range(READS):
            with contextlib.suppress(ValueError):
                return await asyncio.to_thread(self.seals.read, Path(path))
            await asyncio.sleep(POLL_S)
        message = f"{Path(path).name} holds no JSON"
        raise UnreadableError(message)


def needs_login(account: Account, why: str) -> str:
    """What a person reads, and does, about a login that is over."""
    return f"needs login: run lb login {account.id} ({why})"


def refused(account: Account, why: str, code: str) -> Problem:
    """An account that needs a person."""
    message = f"Account {account.id}: {why}; give it another credential."
    if account.auth_file is not None:
        message = needs_login(account, why)
    return Problem(message, 503, code=code, blame=Blame.TOKEN)


def keyless(account: Account, why: str) -> Problem:
    """An account whose login is sealed, and nobody here can open it."""
    message = f"needs its key: the login of {account.id}: {why}"
    return Problem(message, 503, code=KEYLESS, blame=Blame.TOKEN)


@contextlib.asynccontextmanager
async def _locked(path: Path) -> AsyncIterator[None]:
    """Alone among all processes that share ``path``.

    Raises: TransientError when another one holds it for ``LOCK_S``; OSError.
    """
    with authfile.lock_file(path) as number:
        for _ in range(round(LOCK_S / POLL_S)):
            if authfile.try_lock(number):
                break
            await asyncio.sleep(POLL_S)
        else:
            message = "another process holds its lock"
            raise TransientError(message)
        yield
