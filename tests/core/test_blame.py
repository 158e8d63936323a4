from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lb.core.errors import Blame, Problem
from lb.core.events import Exhausted, Refused, Throttled
from lb.core.upstreams import KINDS
from lb.core.upstreams.blame import CODES

NOW = 1_795_000_000.0
HOUR = 3600.0
DAY = 86400.0
JSON = {"content-type": "application/json"}
HTML = {"content-type": "text/html"}
PAGE = b"<!DOCTYPE html><title>Just a moment</title>"
KEY = "sk-proj-abcdefghijklmnopqrstuvwx"


def error(message: str = "no", **fields: Any) -> bytes:
    return msgspec.json.encode({"error": {"message": message, **fields}})


def blamed(
    status: int, body: bytes = b"", headers: dict[str, str] | None = None, kind: str = "openai"
) -> Problem:
    return KINDS[kind].blame(status, {**JSON, **(headers or {})}, body, NOW)


def failed(code: str | None, message: str = "no", **fields: Any) -> Problem:
    body = {"code": code, "message": message, **fields}
    event = {"type": "response.failed", "response": {"id": "resp_1", "error": body}}
    return KINDS["chatgpt"].blame_event(msgspec.json.encode(event), NOW)


@pytest.mark.parametrize(
    ("status", "blame", "told"),
    [
        (200, Blame.SOFT, 502),
        (301, Blame.SOFT, 502),
        (307, Blame.SOFT, 502),
        (400, Blame.CLIENT, 400),
        (401, Blame.TOKEN, 503),
        (402, Blame.ACCOUNT, 503),
        (403, Blame.SOFT, 403),
        (404, Blame.CLIENT, 404),
        (405, Blame.SOFT, 502),
        (407, Blame.SOFT, 502),
        (408, Blame.SOFT, 408),
        (409, Blame.SOFT, 409),
        (413, Blame.CLIENT, 413),
        (415, Blame.CLIENT, 415),
        (422, Blame.CLIENT, 422),
        (424, Blame.CLIENT, 424),
        (429, Blame.BURST, 429),
        (500, Blame.SOFT, 500),
        (501, Blame.SOFT, 501),
        (502, Blame.SOFT, 502),
        (503, Blame.SOFT, 503),
        (504, Blame.SOFT, 504),
        (520, Blame.SOFT, 502),
        (524, Blame.SOFT, 502),
        (529, Blame.SOFT, 502),
        (599, Blame.SOFT, 502),
    ],
)
@pytest.mark.parametrize("kind", sorted(KINDS))
def test_a_status_alone(kind: str, status: int, blame: Blame, told: int) -> None:
    problem = blamed(status, error(), kind=kind)
    assert (problem.blame, problem.status) == (blame, told)
    assert problem.billed is (status >= 500)


QUOTA_CODES = [
    "usage_limit_reached",
    "usage_not_included",
    "insufficient_quota",
    "quota_exceeded",
    "credit_balance_exhausted",
    "organization_spend_limit_exceeded",
    "project_spend_limit_exceeded",
    "organization_usage_limit_exceeded",
    "billing_not_active",
]


@pytest.mark.parametrize("code", QUOTA_CODES)
@pytest.mark.parametrize("place", ["code", "type"])
@pytest.mark.parametrize("status", [429, 402, 403])
def test_a_spent_quota_is_out_for_an_hour_where_no_time_is_told(
    status: int, place: str, code: str
) -> None:
    problem = blamed(status, error(**{place: code}))
    assert (problem.blame, problem.status, problem.code) == (Blame.QUOTA, 429, code)
    assert problem.until == NOW + HOUR
    assert isinstance(problem.event("a", NOW, 0.0), Exhausted)


def test_the_type_counts_as_much_as_the_code() -> None:
    body = error(type="insufficient_quota", code="rate_limit_exceeded")
    problem = blamed(429, body)
    assert (problem.blame, problem.code) == (Blame.QUOTA, "insufficient_quota")


CODEX_FULL = {
    "x-codex-primary-used-percent": "100",
    "x-codex-primary-window-minutes": "10080",
    "x-codex-primary-reset-at": str(int(NOW + DAY)),
    "x-codex-secondary-used-percent": "10",
    "x-codex-secondary-window-minutes": "300",
    "x-codex-secondary-reset-at": str(int(NOW + HOUR)),
}


@pytest.mark.parametrize(
    ("fields", "headers", "until"),
    [
        ({"resets_at": NOW + 600}, {}, NOW + 600),
        ({"resets_in_seconds": 700}, {}, NOW + 700),
        ({"resets_at": NOW + 600}, CODEX_FULL, NOW + 600),
        ({}, CODEX_FULL, NOW + DAY),
        ({}, {"retry-after": "120"}, NOW + 120),
        ({"resets_at": 4_070_908_800}, {}, NOW + 8 * DAY),
        ({"resets_at": "never"}, {}, NOW + HOUR),
    ],
)
def test_a_usage_limit_ends_when_upstream_says(
    fields: dict[str, Any], headers: dict[str, str], until: float
) -> None:
    body = error("full", type="usage_limit_reached", plan_type="plus", **fields)
    problem = blamed(429, body, headers, kind="chatgpt")
    assert (problem.blame, problem.until) == (Blame.QUOTA, until)
    assert problem.extra == {
        "plan_type": "plus",
        "resets_at": until,
        "resets_in_seconds": until - NOW,
    }
    assert problem.retry_after_s == until - NOW


def test_a_full_codex_window_proves_a_spent_quota_unless_there_are_credits() -> None:
    body = error(code="rate_limit_exceeded")
    problem = blamed(429, body, CODEX_FULL)
    assert (problem.blame, problem.until) == (Blame.QUOTA, NOW + DAY)
    assert problem.code == "usage_limit_reached"
    paid = {**CODEX_FULL, "x-codex-credits-has-credits": "True"}
    assert blamed(429, body, paid).blame is Blame.BURST
    told = {"x-codex-rate-limit-reached-type": "workspace_owner_usage_limit_reached"}
    assert blamed(429, body, told).blame is Blame.QUOTA


REMAINING = {
    "x-ratelimit-limit-requests": "10",
    "x-ratelimit-remaining-requests": "0",
    "x-ratelimit-reset-requests": "12ms",
    "x-ratelimit-limit-tokens": "10",
    "x-ratelimit-remaining-tokens": "0",
    "x-ratelimit-reset-tokens": "1m26.4s",
    "x-ratelimit-limit-project-tokens": "10",
    "x-ratelimit-remaining-project-tokens": "5",
    "x-ratelimit-reset-project-tokens": "7h12m",
}
UNSPENT = {**REMAINING, "x-ratelimit-remaining-requests": "1", "x-ratelimit-remaining-tokens": "1"}
IN_PROSE = "Rate limit reached. Please try again in 1.2s."


@pytest.mark.parametrize(
    ("body", "headers", "wait_s"),
    [
        (error(code="rate_limit_exceeded"), {"retry-after-ms": "250", "retry-after": "1"}, 0.25),
        (error(code="rate_limit_exceeded"), {"retry-after": "20"}, 20.0),
        (error(), {**REMAINING, "retry-after": "2"}, 2.0),
        (error(), REMAINING, 86.4),
        (error(IN_PROSE), UNSPENT, 1.2),
        (error(type="tokens"), UNSPENT, 86.4),
        (error("slow", type="rate_limit_error", code="slow_down"), {}, None),
        (error(IN_PROSE, type="requests", code="rate_limit_exceeded"), {}, 1.2),
        (error("Rate limited, try again in 20s", code="rate_limit_exceeded"), {}, 20.0),
        (error(resets_in_seconds=5), {}, 5.0),
        (b"", {}, None),
        (PAGE, HTML, None),
    ],
)
def test_a_burst_cools_as_long_as_upstream_says(
    body: bytes, headers: dict[str, str], wait_s: float | None
) -> None:
    problem = blamed(429, body, headers)
    assert (problem.blame, problem.status) == (Blame.BURST, 429)
    assert problem.until == (None if wait_s is None else pytest.approx(NOW + wait_s))
    assert problem.retry_after_s == (None if wait_s is None else pytest.approx(wait_s))
    assert isinstance(problem.event("a", NOW, 0.0), Throttled)


@pytest.mark.parametrize(
    ("headers", "blame"),
    [
        ({"retry-after": "10"}, Blame.BURST),
        ({"retry-after-ms": "300"}, Blame.BURST),
        ({"retry-after": "11"}, Blame.SOFT),
        ({}, Blame.SOFT),
    ],
)
def test_an_outage_that_is_soon_over_is_a_limit(headers: dict[str, str], blame: Blame) -> None:
    problem = blamed(503, error(code="server_is_overloaded"), headers)
    assert (problem.blame, problem.status) == (blame, 503)
    assert problem.billed is (blame is Blame.SOFT)


@pytest.mark.parametrize(
    "code", ["token_expired", "token_invalidated", "invalid_api_key", "mismatched_organization"]
)
def test_a_dead_token_says_why_and_is_never_the_clients(code: str) -> None:
    problem = blamed(401, error("expired", type="invalid_request_error", code=code))
    assert (problem.blame, problem.status, problem.code) == (Blame.TOKEN, 503, code)
    assert problem.type == "server_error"
    assert problem.verbatim is None


def test_a_code_inside_detail_counts() -> None:
    problem = blamed(402, b'{"detail":{"code":"deactivated_workspace"}}', kind="chatgpt")
    assert problem.code == "deactivated_workspace"


def test_a_401_without_a_code_is_a_dead_token_too() -> None:
    problem = blamed(401, b'{"detail":"Your session has ended"}', kind="chatgpt")
    assert (problem.blame, problem.message) == (Blame.TOKEN, "Your session has ended")


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (401, error(code="account_deactivated")),
        (403, error(code="account_suspended")),
        (403, error(code="account_deleted")),
        (402, error(code="deactivated_workspace")),
        (402, b'{"detail":{"code":"deactivated_workspace"}}'),
        (403, error("Your account has been deactivated.")),
        (403, error("You have insufficient permissions. Missing scopes: api.responses.write")),
        (402, error("Payment required")),
        (402, b""),
    ],
)
def test_an_account_that_is_gone_needs_a_person(status: int, body: bytes) -> None:
    problem = blamed(status, body)
    assert (problem.blame, problem.status) == (Blame.ACCOUNT, 503)
    event = problem.event("a", NOW, 0.0)
    assert isinstance(event, Refused)


def test_a_402_about_credits_is_a_spent_quota() -> None:
    problem = blamed(402, error("Insufficient credits. Add more."), kind="compatible")
    assert (problem.blame, problem.until) == (Blame.QUOTA, NOW + HOUR)


CODEX_MODEL = "The 'gpt-x' model is not supported when using Codex with a ChatGPT account."
NO_MODEL = "The model `gpt-x` does not exist or you do not have access to it."
VERIFY = "Your organization must be verified to stream this model."


@pytest.mark.parametrize(
    ("status", "body", "wait_s"),
    [
        (400, error(CODEX_MODEL), HOUR),
        (400, msgspec.json.encode({"detail": CODEX_MODEL}), HOUR),
        (400, error(code="model_not_found"), HOUR),
        (400, error(VERIFY, code="unsupported_value", param="stream"), HOUR),
        (403, error(code="model_not_found"), HOUR),
        (403, error("Project `p` does not have access to model `gpt-x`"), HOUR),
        (403, error(code="unsupported_country_region_territory"), HOUR),
        (403, error("You need the cyber access program."), HOUR),
        (404, error(NO_MODEL, code="model_not_found"), 600.0),
        (404, error(NO_MODEL), 600.0),
        (404, b'{"detail":"Model not found"}', 600.0),
    ],
)
def test_a_model_the_account_lacks_is_blocked_there(
    status: int, body: bytes, wait_s: float
) -> None:
    problem = blamed(status, body)
    assert (problem.blame, problem.status) == (Blame.MODEL, status)
    assert problem.until == NOW + wait_s
    assert problem.model == ""
    assert problem.verbatim == (body if b'"error"' in body else None)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (400, error(code="previous_response_not_found", param="previous_response_id")),
        (400, error("Previous response with id 'resp_1' not found.")),
        (400, error("Invalid `previous_response_id`.")),
        (400, error(code="invalid_encrypted_content")),
        (400, error("The encrypted content gAAA... could not be verified.")),
        (400, error("Encrypted content organization_id did not match the target organization.")),
        (
            404,
            error("Item with id 'rs_1' not found. Items are not persisted when `store` is false"),
        ),
        (404, error("Items with ids 'rs_1' not found.")),
        (404, error("Response with id 'resp_1' not found.")),
        (404, error("Conversation with id 'conv_1' not found.")),
        (404, error("No file found with id file-1")),
    ],
)
def test_state_another_account_holds_is_nobodys_fault(status: int, body: bytes) -> None:
    problem = blamed(status, body, kind="chatgpt")
    assert (problem.blame, problem.status) == (Blame.ANCHOR, status)
    assert problem.event("a", NOW, 0.0) is None
    assert problem.verbatim == body


def test_the_codes_of_lost_state_are_filled_in_where_upstream_leaves_them_out() -> None:
    assert blamed(400, error("Invalid `previous_response_id`.")).code == (
        "previous_response_not_found"
    )
    assert blamed(400, error("The encrypted content x could not be verified.")).code == (
        "invalid_encrypted_content"
    )


@pytest.mark.parametrize(
    "body",
    [
        error("No tool output found for function call call_1.", type="invalid_request_error"),
        error(code="context_length_exceeded"),
        error(code="invalid_prompt"),
        error("Unknown parameter: 'x'", code="unknown_parameter", param="x"),
        error("Your organization must be verified", code="unknown_parameter"),
        error("Unknown parameter: 'account deactivated quota token expired'"),
        error("Unknown parameter: 'The model is not found'"),
        error("Bad request", type="invalid_request_error", param=None, code=None),
    ],
)
def test_the_clients_fault_goes_on_as_it_came_and_marks_nobody(body: bytes) -> None:
    problem = blamed(400, body)
    assert problem.blame is Blame.CLIENT
    assert problem.body() == body
    assert problem.event("a", NOW, 0.0) is None


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (b'{"detail":"Unsupported parameter: max_output_tokens"}', "max_output_tokens"),
        (error("Unsupported parameter: 'top_p' is not supported with this model."), "top_p"),
        (error("no", code="unsupported_parameter", param="user"), "user"),
    ],
)
def test_a_parameter_upstream_refuses_is_named(body: bytes, param: str) -> None:
    problem = blamed(400, body, kind="chatgpt")
    assert (problem.blame, problem.code, problem.param) == (
        Blame.CLIENT,
        "unsupported_parameter",
        param,
    )


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'{"detail":"Instructions are required"}', "Instructions are required"),
        (b'{"detail":[{"msg":"field required"},{"msg":"too long"}]}', "field required; too long"),
        (b'{"error":"bad"}', "bad"),
        (b"just text", "just text"),
        (b"x" * 3000, "x" * 500),
        (PAGE, "The upstream answered 400 with a page instead of JSON."),
        (b"", "The upstream answered 400 without saying why."),
        (b"[" * 100_000, "[" * 500),
        (b"a\x1b[31m\r\nb", "a [31m b"),
    ],
)
def test_what_is_no_envelope_becomes_one(body: bytes, message: str) -> None:
    problem = KINDS["compatible"].blame(400, {}, body, NOW)
    assert msgspec.json.decode(problem.body()) == {
        "error": {
            "message": message,
            "type": "invalid_request_error",
            "param": None,
            "code": None,
        }
    }


@pytest.mark.parametrize("status", [400, 401, 403, 404, 429, 500, 503])
@pytest.mark.parametrize(
    "secret",
    [KEY, "eyJhbGciOiJI.eyJzdWIiOiIx.c2ln", "rt_abcdefghijklmnopqrst", "org-abcdefghijklmn"],
)
def test_no_credential_and_no_markup_reaches_the_client(status: int, secret: str) -> None:
    for body in (error(f"Incorrect key {secret} given"), f"oops {secret}".encode()):
        problem = KINDS["openai"].blame(status, {}, body, NOW)
        assert secret.encode() not in problem.body()
        assert secret not in str(problem)
        assert secret not in str(problem.event("a", NOW, 0.0))
    page = KINDS["openai"].blame(status, HTML, b"<html>" + secret.encode(), NOW)
    assert b"<" not in page.body()


def test_a_bot_wall_is_the_origins_fault() -> None:
    problem = KINDS["chatgpt"].blame(403, HTML, PAGE, NOW)
    assert (problem.blame, problem.status, problem.event("a", NOW, 0.0)) == (
        Blame.ORIGIN,
        502,
        None,
    )
    challenge = {"cf-mitigated": "challenge"}
    assert KINDS["chatgpt"].blame(503, challenge, b"", NOW).blame is Blame.ORIGIN


@pytest.mark.parametrize(
    "body", [b'{"detail":"Not Found"}', PAGE, b"", error("Invalid URL (POST /v1/x)")]
)
def test_a_route_that_is_not_there_is_the_accounts_fault(body: bytes) -> None:
    assert blamed(404, body).blame is Blame.SOFT


def test_a_redirect_and_a_hollow_success_have_names() -> None:
    assert blamed(307).code == "upstream_redirect"
    assert blamed(200).code == "upstream_garbage"


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
