"""Sends alerts to a webhook: Slack, Discord or plain JSON; tries again, and never tells its URL.

Texts pass the log's cleaning first: what looks like a credential becomes stars, control characters
are escaped; nothing in them can mention a channel or make a link.
"""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import aiohttp
import msgspec
from attrs import define

from lb.adapters.logs import clean
from lb.core.alerts import Message
from lb.core.secret import Secret

if TYPE_CHECKING:
    import tenacity

TRIES = 6
FIRST_WAIT_S = 1.0  # doubles, with jitter
LONGEST_WAIT_S = 60.0
PATIENCE_S = 10.0  # with one try
SLACK_ESCAPES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
MARKDOWN = re.compile(r"([\\`*_~|>\[\]()#<@])")
LONGEST_CONTENT = 1900  # characters; Discord takes 2000

Body = dict[str, Any]


class UnsentError(Exception):
    """The message did not get through; says why in words without the URL."""


class _AgainError(Exception):
    """Worth another try, after ``wait_s`` seconds if the receiver named a time."""

    def __init__(self, why: str, wait_s: float | None = None) -> None:
        self.wait_s = wait_s
        super().__init__(why)


@define(eq=False)
class Webhook:
    """Where messages go: a URL, itself a secret, and whose words it understands."""

    session: aiohttp.ClientSession
    url: Secret
    kind: str
    first_wait_s: float = FIRST_WAIT_S

    async def send(self, message: Message) -> None:
        """Send one message, in up to TRIES tries. Raises: UnsentError."""
        import tenacity

        body = msgspec.json.encode(FORMATS[self.kind](message))
        backoff = tenacity.wait_random_exponential(self.first_wait_s, LONGEST_WAIT_S)

        def wait_s(state: "tenacity.RetryCallState") -> float:
            error = state.outcome.exception() if state.outcome else None
            told = error.wait_s if isinstance(error, _AgainError) else None
            return backoff(state) if told is None else min(told, LONGEST_WAIT_S)

        trying = tenacity.AsyncRetrying(
            stop=tenacity.stop_after_attempt(TRIES),
            wait=wait_s,
            retry=tenacity.retry_if_exception_type(_AgainError),
            reraise=True,
        )
        try:
            await trying(self._post, body)
        except _AgainError as error:
            raise UnsentError(str(error)) from None

    async def _post(self, body: bytes) -> None:
        try:
            async with self.session.post(
                self.url.reveal(),
                data=body,
                headers={"Content-Type": "application/json", "User-Agent": "responses-lb"},
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=PATIENCE_S),
            ) as response:
                status, after = response.status, response.headers.get("Retry-After")
        except aiohttp.InvalidURL:
            message = "the webhook is no URL"
            raise UnsentError(message) from None
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            message = f"the webhook could not be reached ({type(error).__name__})"
            raise _AgainError(message) from None
        if status < 300:
            return
        why = f"the webhook answered with status {status}"
        if status in (408, 429) or status >= 500:
            raise _AgainError(why, _seconds(after))
        raise UnsentError(why)


def _seconds(after: str | None) -> float | None:
    try:
        return max(0.0, float(after)) if after else None
    except ValueError:
        return None


def _slack(message: Message) -> Body:
    title, text = (_escaped(part) for part in (message.title, message.text))
    return {"text": f"{_mark(message)} *{title}*" + (f"\n{text}" if text else "")}


def _discord(message: Message) -> Body:
    title, text = (MARKDOWN.sub(r"\\\1", clean(part)) for part in (message.title, message.text))
    content = f"{_mark(message)} **{title}**" + (f"\n{text}" if text else "")
    return {"content": content[:LONGEST_CONTENT], "allowed_mentions": {"parse": []}}


def _json(message: Message) -> Body:
    return {
        "status": "over" if message.over else "firing",
        "rule": message.condition.rule,
        "key": clean(message.condition.key),
        "account": clean(message.condition.account) or None,
        "title": clean(message.title),
        "text": clean(message.text),
        "since": _iso(message.since),
        "at": _iso(message.at),
    }


def _mark(message: Message) -> str:
    return "\N{WHITE HEAVY CHECK MARK}" if message.over else "\N{POLICE CARS REVOLVING LIGHT}"


def _escaped(text: str) -> str:
    told: str = clean(text)
    told = "".join(SLACK_ESCAPES.get(letter, letter) for letter in told)
    return re.sub(r"([*_~`])", "\N{ZERO WIDTH SPACE}\\1", told)


def _iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds")


FORMATS: dict[str, Callable[[Message], Body]] = {
    "slack": _slack,
    "discord": _discord,
    "json": _json,
}
