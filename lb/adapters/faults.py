"""What goes wrong between here and an upstream, as Problems: the one table (law 5)."""

import socket
import ssl
from urllib.parse import urlsplit

import aiohttp
from aiohttp.http_exceptions import HttpProcessingError

from lb.adapters.wire import CutError, HungUpError
from lb.adapters.wires import ConnectError
from lb.core.errors import Blame, Problem
from lb.core.http1_head import Garbled


def origin_of(url: str) -> str:
    """Scheme, host and port: what is up or down together."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


_UNREACHABLE = (Blame.ORIGIN, 502, "upstream_unreachable")
_TLS = (Blame.ORIGIN, 502, "upstream_tls")
_CUT = (Blame.SOFT, 502, "upstream_interrupted")
_GARBAGE = (Blame.SOFT, 502, "upstream_garbage")
# exception -> ((blame, status, code), what happened); the first row that fits
_FAULTS: tuple[tuple[type[BaseException], tuple[Blame, int, str], str], ...] = (
    (aiohttp.ClientConnectorDNSError, _UNREACHABLE, "its name could not be resolved"),
    (aiohttp.ClientConnectorCertificateError, _TLS, "its certificate could not be verified"),
    (aiohttp.ClientConnectorSSLError, _TLS, "no secure connection could be made"),
    (ssl.SSLError, _TLS, "no secure connection could be made"),
    (aiohttp.ClientProxyConnectionError, _UNREACHABLE, "its proxy could not be reached"),
    (aiohttp.ClientHttpProxyError, _UNREACHABLE, "its proxy refused"),
    (aiohttp.ConnectionTimeoutError, (Blame.ORIGIN, 504, "upstream_unreachable"), "connecting took too long"),  # noqa: E501
    (aiohttp.ClientConnectorError, _UNREACHABLE, "the connection was refused"),
    (aiohttp.InvalidURL, _UNREACHABLE, "its base_url is no URL"),
    (TimeoutError, (Blame.SOFT, 504, "upstream_timeout"), "it did not answer in time"),
    (HungUpError, _CUT, "it hung up without an answer"),
    (CutError, _CUT, "its answer was cut"),
    (Garbled, _GARBAGE, "its answer is no HTTP"),
    (aiohttp.ServerDisconnectedError, _CUT, "it hung up without an answer"),
    (aiohttp.ClientPayloadError, _CUT, "its answer was cut"),
    (HttpProcessingError, _GARBAGE, "its answer is no HTTP"),
    (aiohttp.ClientResponseError, _GARBAGE, "its answer is no HTTP"),
    (OSError, _CUT, "the connection broke"),
    (aiohttp.ClientError, _CUT, "the connection broke"),
    (ValueError, _GARBAGE, "its answer is no HTTP"),
)  # fmt: skip


def problem_of(error: BaseException, origin: str) -> Problem:
    """The one table from foreign exceptions to Problems."""
    if isinstance(error, ConnectError) and error.__cause__ is not None:
        return _unreached(error.__cause__, origin)
    for kind, (blame, status, code), what in _FAULTS:
        if isinstance(error, kind):
            return Problem(
                f"The upstream at {origin} failed: {what}.",
                status=status,
                code=code,
                blame=blame,
                billed=blame is Blame.SOFT,
                retry_after_s=1.0,
            )
    raise error


_UNREACHED: tuple[tuple[type[BaseException], tuple[Blame, int, str], str], ...] = (
    (socket.gaierror, _UNREACHABLE, "its name could not be resolved"),
    (ssl.SSLCertVerificationError, _TLS, "its certificate could not be verified"),
    (ssl.SSLError, _TLS, "no secure connection could be made"),
    (TimeoutError, (Blame.ORIGIN, 504, "upstream_unreachable"), "connecting took too long"),
    (OSError, _UNREACHABLE, "the connection was refused"),
)


def _unreached(cause: BaseException, origin: str) -> Problem:
    row = next(row for row in _UNREACHED if isinstance(cause, row[0]))
    (blame, status, code), what = row[1:]
    return Problem(
        f"The upstream at {origin} failed: {what}.",
        status=status,
        code=code,
        blame=blame,
        retry_after_s=1.0,
    )
