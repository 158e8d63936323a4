"""Who asks, and may they: client keys by digest, admin by token or from this machine."""

import re
from collections.abc import Callable, Collection
from datetime import UTC, datetime
from hashlib import sha256
from hmac import compare_digest
from ipaddress import ip_address

from aiohttp import web
from attrs import define, field, frozen

from lb.config import Config
from lb.core.account import FEATURES
from lb.core.errors import Blame, Problem
from lb.core.fields import rejectable
from lb.core.keyring import Keyring
from lb.core.limits import Limits, Meter
from lb.core.plans import Key, Plan
from lb.core.throttle import Throttle

STATELESS = frozenset({"chatgpt", "simulated"})
_FORWARDED = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip")
_LOCAL_HOST = re.compile(r"(localhost|127\.0\.0\.1|\[::1\])(:\d{1,5})?", re.IGNORECASE)


@frozen
class Client:
    """Who asks: the key, and what it has used."""

    key: Key
    meter: Meter
    name: str = field(init=False)  # scopes all that is remembered; empty where no key is configured
    plan: Plan = field(init=False)  # what it may do

    def __attrs_post_init__(self) -> None:
        """The key's own."""
        object.__setattr__(self, "name", self.key.name)
        object.__setattr__(self, "plan", self.key.plan)

    def is_in(self, plans: Collection[str]) -> bool:
        """Whether it has one of ``plans``; where no key is configured, nobody asks for one."""
        return self.key.source == "none" or self.plan.name in plans


_NOBODY_IN_PARTICULAR = Key("", b"", source="none")


@define(eq=False)
class Doorman:
    """Knows the keys there are now, and what the accounts could do for the wrong one.

    ``stateful`` is whether an account keeps what it answers (unless told not to), ``untaken`` the
    fields that no account takes.

    Wrong keys are throttled by address; a right one gets in whatever else comes from there, so that
    nobody is locked out by his neighbour. ``certain`` is whether the store could be asked for its
    keys: before, a key nobody knows may be a good one, and no key at all does not mean anybody.
    """

    config: Config = field(repr=False)
    keyring: Keyring = field(repr=False)
    limits: Limits = field(repr=False)
    throttle: Throttle = field(repr=False)
    now: Callable[[], float] = field(repr=False)
    certain: bool = True
    rejectable: frozenset[str] = field(init=False)
    stateful: bool = field(init=False)
    untaken: frozenset[str] = field(init=False)
    _clients: dict[str, Client] = field(factory=dict, init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        """What a request may ask for follows from the configuration."""
        accounts = self.config.accounts
        self.rejectable = rejectable(self.config.fields)
        self.stateful = any(account.kind not in STATELESS for account in accounts)
        self.untaken = frozenset(
            need for need in FEATURES if not any(a.takes(frozenset({need})) for a in accounts)
        )

    @property
    def shared(self) -> bool:
        """Whether several clients are told apart."""
        return len(self.keyring) > 1

    def client(self, request: web.Request) -> Client:
        """The client behind a request.

        Raises: Problem (401, 421, 429) when it may not enter.
        """
        if not self.keyring and self.certain:
            _check_local(request, "no client key is configured here, so only this machine may ask")
            return Client(_NOBODY_IN_PARTICULAR, self.limits.of(""))
        shown = _key_of(request)
        if not shown:
            raise _unauthorized("You didn't provide an API key.", _HOW)
        key = self.keyring.find(sha256(shown).digest())
        if key is None:
            self._throttle(request)
            if not self.certain:
                raise _unknown_yet()
            raise _unauthorized("Incorrect API key provided.", _HOW)
        if refusal := key.refusal(self.now()):
            raise _unauthorized(_dated(refusal, key), "Ask your operator for another one.")
        client = self._clients.get(key.name)
        if client is None or client.key is not key:
            client = self._clients[key.name] = Client(key, self.limits.of(key.name))
        return client

    def check_page(self, request: web.Request) -> None:
        """May the dashboard's own files be sent: they are nobody's data, so no token is asked.

        Without a token the admin API answers only this machine; then so does its page.
        Raises: Problem (401, 403, 421).
        """
        _check_origin(request)
        if self.config.server.admin_token is None:
            _check_local(request, "the dashboard answers only on this machine, or with a token set")

    def check_admin(self, request: web.Request) -> None:
        """Raises: Problem (401, 403, 421, 429) unless it shows the admin token or is local."""
        _check_origin(request)
        shown = _key_of(request) or request.headers.get("x-admin-token", "").encode()
        token = self.config.server.admin_token
        if token is not None and shown:
            expected = sha256(token.reveal().encode()).digest()
            if compare_digest(sha256(shown).digest(), expected):
                return
            self._throttle(request)
            raise _unauthorized(
                "Incorrect admin token.", "Send it as 'Authorization: Bearer <token>'."
            )
        _check_local(request, "the admin API answers only on this machine, or with the admin token")

    def _throttle(self, request: web.Request) -> None:
        wait_s = self.throttle.failed(_address_of(request), self.now())
        if wait_s is not None:
            raise Problem(
                "Too many wrong keys came from your address. Wait before you try another one.",
                status=429,
                type="rate_limit_exceeded",
                code="too_many_wrong_keys",
                blame=Blame.CLIENT,
                retry_after_s=wait_s,
                should_retry=False,
            )


def _unknown_yet() -> Problem:
    return Problem(
        "The store that holds the client keys cannot be reached yet. Try again in a moment.",
        status=503,
        code="keys_unavailable",
        blame=Blame.GATEWAY,
        retry_after_s=2.0,
        should_retry=True,
    )


_HOW = "Send the key your operator gave you as 'Authorization: Bearer <key>'."


def _dated(refusal: str, key: Key) -> str:
    """When it ended, where that is the reason."""
    if key.plan.expires_at is None or "expired" not in refusal:
        return refusal
    at = datetime.fromtimestamp(key.plan.expires_at, UTC)
    return f"This API key expired on {at:%Y-%m-%d at %H:%M} UTC."


def _key_of(request: web.Request) -> bytes:
    """The key a request shows, as bytes: a header may hold anything."""
    authorization = request.headers.get("Authorization", "")
    scheme, _, value = authorization.partition(" ")
    if scheme.lower() == "bearer" and value.strip():
        return value.strip().encode("utf-8", "surrogateescape")
    return request.headers.get("api-key", "").strip().encode("utf-8", "surrogateescape")


def _address_of(request: web.Request) -> str:
    """Where the socket comes from; what a header says of it is anybody's word."""
    peer = request.transport.get_extra_info("peername") if request.transport else None
    return str(peer[0]) if peer and isinstance(peer, tuple) else ""


def _check_local(request: web.Request, why: str) -> None:
    """No rights by address unless the socket itself is local and nobody forwarded the request."""
    address = _address_of(request)
    local = bool(address) and ip_address(address.split("%")[0]).is_loopback
    if not local or any(name in request.headers for name in _FORWARDED):
        raise _unauthorized(f"Not allowed: {why}.", "Configure [[keys]] and send one.")
    if _LOCAL_HOST.fullmatch(request.host) is None:  # a rebound DNS name
        raise Problem(
            "This server does not answer to the name in the Host header;"
            " without a key it is known as localhost or 127.0.0.1 only.",
            status=421,
            type="invalid_request_error",
            code="misdirected_request",
            blame=Blame.CLIENT,
        )


def _check_origin(request: web.Request) -> None:
    """A page of another site in the operator's browser may not act in his name."""
    origin = request.headers.get("Origin")
    if origin is not None and origin.partition("://")[2] != request.host:
        raise Problem(
            "Requests from other sites are not allowed.",
            status=403,
            type="invalid_request_error",
            code="cross_origin",
            blame=Blame.CLIENT,
        )


def _unauthorized(what: str, hint: str) -> Problem:
    return Problem(
        f"{what} {hint}",
        status=401,
        type="auth_error",
        code="invalid_api_key",
        blame=Blame.CLIENT,
        should_retry=False,
    )
