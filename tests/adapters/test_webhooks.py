"""Messages reach a webhook, in its words, however often it fails first; its URL is never told."""

import asyncio

import pytest

from lb.adapters.alerts import TRIES, UnsentError, Webhook
from lb.adapters.transport import new_session
from lb.core.alerts import Condition, Message
from lb.core.secret import Secret
from tests.receiver import Receiver, receiving

NASTY = "<!channel> *bold* [x](http://evil) @everyone sk-proj-AbC123_xyz \x1b[2J\nforged"


def message(text: str = "token_expired", *, over: bool = False) -> Message:
    condition = Condition("refused:a", "account_refused", "Account a is refused", text, "Back", "a")
    return Message(condition, over=over, since=1_760_000_000.0, at=1_760_000_090.0)


async def sent(receiver: Receiver, kind: str, what: Message) -> None:
    async with new_session() as session:
        await Webhook(session, Secret(receiver.url), kind, first_wait_s=0.01).send(what)


async def test_a_receiver_that_fails_twice_gets_it_the_third_time() -> None:
    async with receiving() as receiver:
        receiver.answers.extend((500, 503))
        await sent(receiver, "json", message())
        assert len(receiver.heard) == 3
        assert receiver.kept == [
            {
                "status": "firing",
                "rule": "account_refused",
                "key": "refused:a",
                "account": "a",
                "title": "Account a is refused",
                "text": "token_expired",
                "since": "2025-10-09T08:53:20+00:00",
                "at": "2025-10-09T08:54:50+00:00",
            }
        ]


async def test_what_is_over_says_so() -> None:
    async with receiving() as receiver:
        await sent(receiver, "json", message(over=True))
        (told,) = receiver.kept
        assert (told["status"], told["title"], told["text"]) == ("over", "Back", "It lasted 2 min.")


async def test_a_receiver_that_names_a_time_is_left_alone_for_it() -> None:
    async with receiving() as receiver:
        receiver.answers.append(429)
        receiver.headers = {"Retry-After": "0.2"}
        start = asyncio.get_running_loop().time()
        await sent(receiver, "slack", message())
        assert asyncio.get_running_loop().time() - start >= 0.2
        assert len(receiver.kept) == 1


@pytest.mark.parametrize("kind", ["slack", "discord", "json"])
async def test_no_text_holds_a_secret_or_acts(kind: str) -> None:
    async with receiving() as receiver:
        await sent(receiver, kind, message(NASTY))
        (told,) = receiver.kept
        text = "".join(value for value in told.values() if isinstance(value, str))
        assert "AbC123" not in text
        assert "\x1b" not in text
        assert "\nforged" not in text
        if kind == "slack":
            assert "<" not in text
        if kind == "discord":
            assert told["allowed_mentions"] == {"parse": []}
            assert "[x](" not in text


async def test_a_webhook_that_refuses_is_asked_once() -> None:
    async with receiving() as receiver:
        receiver.answers.extend([404] * 9)
        with pytest.raises(UnsentError, match="status 404") as refused:
            await sent(receiver, "json", message())
        assert "planted" not in str(refused.value)
        assert len(receiver.heard) == 1


async def test_a_webhook_that_never_works_is_given_up_in_the_end() -> None:
    async with receiving() as receiver:
        receiver.answers.extend([502] * 99)
        with pytest.raises(UnsentError, match="status 502"):
            await sent(receiver, "json", message())
        assert len(receiver.heard) == TRIES


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/planted", "http://[/planted"])
async def test_a_webhook_that_is_not_there_is_told_without_its_url(url: str) -> None:
    async with new_session() as session:
        with pytest.raises(UnsentError) as refused:
            await Webhook(session, Secret(url), "json", first_wait_s=0.001).send(message())
    assert "planted" not in repr(refused.value) + str(refused.value.__cause__)
