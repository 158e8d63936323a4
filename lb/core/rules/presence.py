"""What has to be there, and what excludes each other."""

from lb.core.body import NULL, Body, Heads
from lb.core.errors import bad_request
from lb.core.rules.complaints import exclusive, invalid_value, missing

LONGEST_MODEL = 256  # characters; a name is remembered in many places, and clients choose it
SOURCES = ("prompt", "previous_response_id", "conversation")
"""Fields which hold what the model is to answer, so that ``input`` may be left out."""


def model_is_named(body: Body) -> None:
    """``model`` is there and not blank."""
    if not body.given("model"):
        raise missing("model", "Name the model that is to answer; GET /v1/models lists them.")
    model = body.get("model")
    if len(model) > LONGEST_MODEL:
        raise invalid_value("model", f"it is longer than {LONGEST_MODEL} characters.")
    if not model.strip():
        raise invalid_value("model", "it is blank. GET /v1/models lists the models there are.")


def input_is_in_doubt(heads: Heads) -> bool:
    """All but what most send: ``input``, and no ``messages``."""
    return heads.get("input", NULL) == NULL or "messages" in heads


def input_is_given_once(body: Body) -> None:
    """Either ``input`` or ``messages``; neither only where OpenAI takes the question elsewhere."""
    given = body.given("input")
    if given and body.given("messages"):
        raise exclusive("input", "messages")
    if not given and not any(map(body.given, ("messages", *SOURCES))):
        raise missing("input", "Send a string or an array of items (or 'messages' instead).")


def history_is_given_once(body: Body) -> None:
    """``conversation`` and ``previous_response_id`` both name the turns before this one."""
    if body.given("conversation") and body.given("previous_response_id"):
        raise exclusive("conversation", "previous_response_id")


def messages_are_not_empty(body: Body) -> None:
    """``messages`` holds at least one."""
    if "messages" in body and body.get("messages") == []:
        message = "Invalid 'messages': empty array. Send at least one message."
        raise bad_request(message, "messages", "empty_array")
