import msgspec
import pytest

from lb.core.errors import Blame
from lb.core.events import Refused
from lb.core.upstreams import KINDS
from tests.core.blaming import CODEX_MODEL, HOUR, HTML, NOW, PAGE, blamed, error

KEY = "sk-proj-abcdefghijklmnopqrstuvwx"


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
        (405, Blame.SOFT, 501),
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


def test_the_codes_of_lost_state_are_filled_in_where_upstream_leaves_them_out() -> None:
    assert blamed(400, error("Invalid `previous_response_id`.")).code == (
        "previous_response_not_found"
    )
    assert blamed(400, error("The encrypted content x could not be verified.")).code == (
        "invalid_encrypted_content"
    )


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
