from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lb.core.errors import Blame
from lb.core.upstreams import KINDS
from lb.core.upstreams.blame import CODES
from tests.core.blaming import CODEX_MODEL, DAY, NOW, blamed, error, failed


@pytest.mark.parametrize(
    ("status", "body", "blame", "code", "type_"),
    [
        (
            429,
            error("Please retry after 6 seconds.", code="429"),
            Blame.BURST,
            "rate_limit_exceeded",
            "rate_limit_error",
        ),
        (
            404,
            error("no", code="DeploymentNotFound"),
            Blame.MODEL,
            "model_not_found",
            "invalid_request_error",
        ),
        (401, error("no", code="401"), Blame.TOKEN, "unauthorized", "server_error"),
        (500, error("no", code="InternalServerError"), Blame.SOFT, "server_error", "server_error"),
        (400, error("no", code="400"), Blame.CLIENT, None, "invalid_request_error"),
        (
            400,
            error("filtered", code="content_filter", innererror={"code": "X"}),
            Blame.CLIENT,
            "content_filter",
            "invalid_request_error",
        ),
        (
            403,
            error("firewall", code="AccessDenied"),
            Blame.ACCOUNT,
            "account_refused",
            "server_error",
        ),
        (400, error("no", code="OperationNotSupported"), Blame.MODEL, "model_not_supported", None),
    ],
)
def test_azures_envelope_is_rebuilt(
    status: int, body: bytes, blame: Blame, code: str | None, type_: str | None
) -> None:
    problem = blamed(status, body, kind="azure")
    assert (problem.blame, problem.code, problem.verbatim) == (blame, code, None)
    assert type_ is None or problem.type == type_
    told = msgspec.json.decode(problem.body())["error"]
    assert {"message", "type", "param", "code"} <= set(told)


def test_azures_wait_is_in_its_words_and_its_filters_finding_goes_on() -> None:
    burst = blamed(429, error("Please retry after 6 seconds.", code="429"), kind="azure")
    assert burst.until == NOW + 6
    inner = {"code": "ResponsibleAIPolicyViolation", "content_filter_result": {"hate": {}}}
    filtered = blamed(400, error("no", innererror=inner), kind="azure")
    assert (filtered.code, filtered.extra) == ("content_filter", {"innererror": inner})


@pytest.mark.parametrize(
    ("code", "blame", "status"),
    [
        ("rate_limit_exceeded", Blame.BURST, 429),
        ("usage_limit_reached", Blame.QUOTA, 429),
        ("insufficient_quota", Blame.QUOTA, 429),
        ("usage_not_included", Blame.QUOTA, 429),
        ("server_error", Blame.SOFT, 500),
        ("server_is_overloaded", Blame.SOFT, 503),
        ("overloaded_error", Blame.SOFT, 503),
        ("slow_down", Blame.SOFT, 503),
        ("vector_store_timeout", Blame.SOFT, 500),
        ("context_length_exceeded", Blame.CLIENT, 400),
        ("invalid_prompt", Blame.CLIENT, 400),
        ("content_filter", Blame.CLIENT, 400),
        ("cyber_policy", Blame.CLIENT, 400),
        ("bio_policy", Blame.CLIENT, 400),
        ("misalignment_policy_violation", Blame.CLIENT, 400),
        ("previous_response_not_found", Blame.ANCHOR, 400),
        ("invalid_encrypted_content", Blame.ANCHOR, 400),
        ("token_expired", Blame.TOKEN, 503),
        ("account_deactivated", Blame.ACCOUNT, 503),
        ("model_not_found", Blame.MODEL, 404),
        ("429", Blame.BURST, 429),
        ("never_heard_of", Blame.SOFT, 502),
        (None, Blame.SOFT, 502),
    ],
)
def test_a_failure_inside_a_stream_goes_by_its_code(
    code: str | None, blame: Blame, status: int
) -> None:
    problem = failed(code)
    assert (problem.blame, problem.status, problem.verbatim) == (blame, status, None)
    assert problem.billed is (blame is Blame.SOFT)


def test_events_are_read_flat_nested_and_with_a_status() -> None:
    kind = KINDS["openai"]
    flat = b'{"type":"error","code":"server_error","message":"oops","sequence_number":3}'
    assert (kind.blame_event(flat, NOW).status, kind.blame_event(flat, NOW).message) == (
        500,
        "oops",
    )
    nested = b'{"type":"error","error":{"type":"tokens","message":"try again in 500ms"}}'
    assert kind.blame_event(nested, NOW).until == NOW + 0.5
    event = {
        "type": "error",
        "status": 429,
        "error": {"type": "usage_limit_reached", "message": "m", "resets_in_seconds": 60},
        "headers": {"X-Codex-Primary-Used-Percent": 100},
    }
    over_a_socket = kind.blame_event(msgspec.json.encode(event), NOW)
    assert (over_a_socket.blame, over_a_socket.until) == (Blame.QUOTA, NOW + 60)


def test_sentences_count_inside_a_stream_too() -> None:
    assert failed(None, "The selected model is at capacity.").code == "server_is_overloaded"
    assert failed(None, CODEX_MODEL).blame is Blame.MODEL
    assert failed("rate_limit_exceeded", "Please try again in 1.5s").until == NOW + 1.5
    assert failed(None, "no", type="invalid_request_error").blame is Blame.CLIENT
    assert len(failed("x", "y" * 9000).message) == 500


@pytest.mark.parametrize(
    "event", [b"", b"null", b"[]", b"{}", b'{"type":"response.failed","response":null}', b"\xff{"]
)
def test_a_failure_that_says_nothing_is_soft(event: bytes) -> None:
    problem = KINDS["openai"].blame_event(event, NOW)
    assert (problem.blame, problem.status) == (Blame.SOFT, 502)
    assert problem.message == "The upstream ended the response without saying why."


JSONS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)
FIELDS = st.dictionaries(
    st.sampled_from(["code", "type", "message", "param", "resets_at", "detail", "error"]),
    JSONS | st.sampled_from(sorted(CODES)),
)


@given(st.sampled_from(sorted(KINDS)), st.integers(200, 599), FIELDS, st.binary())
def test_whatever_upstream_says_there_is_a_problem_and_a_bounded_time(
    kind: str, status: int, fields: dict[str, Any], noise: bytes
) -> None:
    told = msgspec.json.encode({"error": fields}), msgspec.json.encode(fields), noise
    problems = [KINDS[kind].blame(status, {}, body, NOW) for body in told]
    problems += [KINDS[kind].blame_event(body, NOW) for body in told]
    for problem in problems:
        assert problem.until is None or NOW <= problem.until <= NOW + 8 * DAY
        assert 400 <= problem.status < 600
        assert problem.status != 401 or problem.blame is Blame.CLIENT
        assert len(problem.message) <= 500
        msgspec.json.decode(problem.body())


@given(st.sampled_from([400, 404, 413, 422]), FIELDS.filter(lambda fields: "code" not in fields))
def test_no_prose_of_a_client_error_takes_an_account_out(
    status: int, fields: dict[str, Any]
) -> None:
    fields.pop("type", None)
    problem = blamed(status, msgspec.json.encode({"error": fields}))
    assert problem.blame in {Blame.CLIENT, Blame.ANCHOR, Blame.MODEL, Blame.SOFT}
