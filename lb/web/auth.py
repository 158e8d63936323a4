"""Who asks, and may they: client keys by digest, admin by token or from this machine."""

import re
from collections.abc import Mapping
from hashlib import sha256
from hmac import compare_digest
from ipaddress import ip_address

from aiohttp import web
from attrs import frozen

from lb.config import Config, Key
from lb.core.account import admits
from lb.core.errors import Blame, Problem
from lb.core.fields import rejectable

_FORWARDED = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip")
_LOCAL_HOST = re.compile(r"(localhost|127\.0\.0\.1|\[::1\])(:\d{1,5})?", re.IGNORECASE)


@frozen
class Client:
    """Who asks: ``name`` scopes what is remembered, ``models`` are the globs it may use."""

    name: str
    models: tuple[str, ...] = ()

    def check_model(self, model: str) -> None:
        """Raises: Problem (403) when the client may not use ``model``."""
        if not admits(self.models, model):
            raise Problem(
                f"This API key does not have access to model '{model}'",
                status=403,
                type="invalid_request_error",
                code="model_not_allowed",
                param="model",
                blame=Blame.CLIENT,
                should_retry=False,
            )


_NOBODY_IN_PARTICULAR = Client("")


class Doorman:
    """Knows the keys of one configuration."""

    def __init__(self, config: Config) -> None:
        self._keys: Mapping[bytes, Key] = {key.digest: key for key in config.keys}
        self._admin = config.server.admin_token
        self.rejectable = rejectable(config.fields)

    def client(self, request: web.Request) -> Client:
        """The client behind a request. Raises: Problem (401, 421) when it may not enter."""
        if not self._keys:
            _check_local(request, "no client key is configured here, so only this machine may ask")
            return _NOBODY_IN_PARTICULAR
        shown = _key_of(request)
        key = self._keys.get(sha256(shown).digest()) if shown else None
        if key is None:
            raise _unauthorized(
                "Incorrect API key provided." if shown else "You didn't provide an API key.",
                "Send the key your operator gave you as 'Authorization: Bearer <key>'.",
            )
        return Client(key.name, key.models)

    def check_page(self, request: web.Request) -> None:
        """May the dashboard's own files be sent: they are nobody's data, so no token is asked.

        Without a token the admin API answers only this machine; then so does its page.
        Raises: Problem (401, 403, 421).
        """
        _check_origin(request)
        if self._admin is None:
            _check_local(request, "the dashboard answers only on this machine, or with a token set")

    def check_admin(self, request: web.Request) -> None:
        """Raises: Problem (401, 403, 421) unless the admin token is shown or this machine asks."""
        _check_origin(request)
        shown = _key_of(request) or request.headers.get("x-admin-token", "").encode()
        if self._admin is not None and shown:
            expected = sha256(self._admin.reveal().encode()).digest()
            if compare_digest(sha256(shown).digest(), expected):
                return
            raise _unauthorized(
                "Incorrect admin token.", "Send it as 'Authorization: Bearer <token>'."
            )
        _check_local(request, "the admin API answers only on this machine, or with the admin token")


def _key_of(request: web.Request) -> bytes:
    """The key a request shows, as bytes: a header may hold anything."""
    authorization = request.headers.get("Authorization", "")
    scheme, _, value = authorization.partition(" ")
    if scheme.lower() == "bearer" and value.strip():
        return value.strip().encode("utf-8", "surrogateescape")
    return request.headers.get("api-key", "").strip().encode("utf-8", "surrogateescape")


def _check_local(request: web.Request, why: str) -> None:
    """No rights by address unless the socket itself is local and nobody forwarded the request."""
    peer = request.transport.get_extra_info("peername") if request.transport else None
    local = bool(peer) and isinstance(peer, tuple) and ip_address(peer[0].split("%")[0]).is_loopback
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
