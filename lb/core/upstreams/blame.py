"""Whose fault an upstream's words are: tables of codes, sentences and statuses.

A code is upstream's own word and weighs most; then a sentence, where codes are missing; then the
status. Each status believes only some verdicts (``STATUSES``), so that no body, which a client may
have influenced, can take an account out (law 10).
"""

import re
from typing import Final

from attrs import frozen

from lb.core.errors import Blame
from lb.core.upstreams.reply import Reply


@frozen
class Verdict:
    """What is concluded: ``status`` and ``code`` for the client where the reply names none."""

    blame: Blame
    status: int = 502
    code: str = ""


CLIENT: Final = Verdict(Blame.CLIENT, 400)
ANCHOR: Final = Verdict(Blame.ANCHOR, 400)
ORIGIN: Final = Verdict(Blame.ORIGIN, 502, "upstream_bot_wall")
SOFT: Final = Verdict(Blame.SOFT, 502, "upstream_error")
NO_ROUTE: Final = Verdict(Blame.SOFT, 501, "not_implemented")
"""It does not speak the Responses API, or not just now: a page of a server that comes up."""
BURST: Final = Verdict(Blame.BURST, 429, "rate_limit_exceeded")
QUOTA: Final = Verdict(Blame.QUOTA, 429, "usage_limit_reached")
TOKEN: Final = Verdict(Blame.TOKEN, 503, "unauthorized")
ACCOUNT: Final = Verdict(Blame.ACCOUNT, 503, "account_refused")
MODEL: Final = Verdict(Blame.MODEL, 404, "model_not_found")
SERVER: Final = Verdict(Blame.SOFT, 500, "server_error")
BUSY: Final = Verdict(Blame.SOFT, 503, "server_is_overloaded")

_BY_CODE: Final[dict[Verdict, str]] = {
    QUOTA: """
        usage_limit_reached usage_not_included insufficient_quota quota_exceeded
        credit_balance_exhausted billing_not_active billing_hard_limit_reached
        organization_spend_limit_exceeded project_spend_limit_exceeded
        organization_usage_limit_exceeded project_usage_limit_exceeded
        workspace_owner_credits_depleted workspace_member_credits_depleted
        workspace_owner_usage_limit_reached workspace_member_usage_limit_reached
    """,
    BURST: """
        rate_limit_exceeded rate_limit_error requests tokens too_many_requests toomanyrequests
        ratelimitreached rate_limit_reached
    """,
    TOKEN: """
        token_expired token_invalidated token_revoked invalid_api_key invalid_token unauthorized
        refresh_token_expired refresh_token_reused refresh_token_invalidated invalid_grant
        app_session_terminated mismatched_organization mismatched_project
    """,
    ACCOUNT: """
        account_deactivated account_suspended account_deleted deactivated_workspace
        organization_deactivated organization_suspended project_archived account_disabled
        account_refused
    """,
    MODEL: """
        model_not_found model_not_available model_not_supported model_not_allowed deploymentnotfound
        operationnotsupported unsupported_country_region_territory access_program_required
        organization_must_be_verified
    """,
    BUSY: "server_is_overloaded overloaded_error slow_down engine_overloaded service_unavailable",
    SERVER: "server_error internal_error internal_server_error api_error vector_store_timeout",
    ANCHOR: """
        previous_response_not_found invalid_encrypted_content conversation_not_found
        response_not_found item_not_found file_not_found vector_store_not_found prompt_not_found
    """,
    CLIENT: """
        context_length_exceeded invalid_prompt content_filter content_policy_violation cyber_policy
        bio_policy misalignment_policy_violation missing_required_parameter invalid_type
        invalid_value unknown_parameter unsupported_parameter mutually_exclusive_parameters
        string_above_max_length array_above_max_length integer_above_max_value
        integer_below_min_value invalid_json_schema invalid_function_parameters
        unsupported_content_type endpoint_mismatch unsupported_capability
        invalid_image invalid_image_format invalid_image_mode invalid_image_url invalid_base64_image
        image_too_large image_too_small image_parse_error image_content_policy_violation
        image_file_too_large unsupported_image_media_type empty_image_file image_file_not_found
        failed_to_download_image
    """,
}
CODES: Final[dict[str, Verdict]] = {
    code: verdict for verdict, codes in _BY_CODE.items() for code in codes.split()
}
"""code or type, lower case -> verdict."""


@frozen
class Sentence:
    """Words that stand for a code, believed at ``statuses`` (none: at any, also in a stream).

    Where a client can have a say in the message, the pattern holds on to its beginning.
    """

    pattern: re.Pattern[str]
    verdict: Verdict
    code: str
    statuses: frozenset[int] = frozenset()


def _sentence(pattern: str, verdict: Verdict, code: str, *statuses: int) -> Sentence:
    return Sentence(re.compile(pattern, re.IGNORECASE), verdict, code, frozenset(statuses))


_ABOUT_ACCOUNT = (401, 402, 403)
SENTENCES: Final[tuple[Sentence, ...]] = (
    _sentence(r"^Invalid .?previous_response_id", ANCHOR, "previous_response_not_found"),
    _sentence(r"^Previous response .{0,200}not found", ANCHOR, "previous_response_not_found"),
    _sentence(
        r"^(The )?encrypted.content .{0,300}(could not be (verified|decrypted)|did not match)",
        ANCHOR,
        "invalid_encrypted_content",
    ),
    _sentence(r"organization_id did not match", ANCHOR, "invalid_encrypted_content", 400),
    _sentence(r"^Items? with ids? .{0,200}not found", ANCHOR, "item_not_found"),
    _sentence(r"Items are not persisted when .?store", ANCHOR, "item_not_found"),
    _sentence(
        r"^(No )?(response|conversation|file|vector store|container|prompt|skill)s?\b.{0,200}"
        r"(not found|found with|does not exist)",
        ANCHOR,
        "",
        400,
        404,
    ),
    _sentence(r"^Unsupported parameter", CLIENT, "unsupported_parameter", 400),
    _sentence(r"^The '.{1,200}' model is not supported when", MODEL, "model_not_supported"),
    _sentence(r"^(Your )?organization must be verified", MODEL, "unsupported_value"),
    _sentence(
        r"^(The |This )?(requested )?(model|deployment|API deployment)\b.{0,200}"
        r"(does not exist|not found|not available|not supported|not have access)",
        MODEL,
        "model_not_found",
    ),
    _sentence(
        r"^(Project|You|Your \w+)\b.{0,100} not have access to (the )?(model|'|`|gpt-|o\d)",
        MODEL,
        "model_not_found",
    ),
    _sentence(r"access program|country, region, or territory", MODEL, "", 403),
    _sentence(
        r"(account|workspace|organization|project|user|key)\b.{0,80}"
        r"(deactivated|suspended|deleted|disabled)",
        ACCOUNT,
        "account_deactivated",
        *_ABOUT_ACCOUNT,
    ),
    _sentence(
        r"missing scopes|insufficient permissions|virtual network|not (a|be a) member of"
        r"|IP (address )?(is )?not (allowed|authorized)",
        ACCOUNT,
        "",
        403,
    ),
    _sentence(r"session has ended|token (has )?(expired|been \w+)", TOKEN, "token_expired", 403),
    _sentence(r"quota|credit|balance|billing", QUOTA, "insufficient_quota", 402),
    _sentence(r"selected model is at capacity|overloaded", BUSY, "server_is_overloaded", 0, 400),
    _sentence(r"^Invalid URL", NO_ROUTE, "not_implemented", 404),
)
"""The first that fits counts; status 0 stands for a stream."""


@frozen
class Rule:
    """What a status means: ``default``, or one of the verdicts it believes a code or sentence."""

    default: Verdict
    believes: frozenset[Blame]


_OUT: Final = frozenset({Blame.QUOTA, Blame.ACCOUNT, Blame.MODEL})
_ALL: Final = frozenset(Blame)
_CLIENTS: Final = Rule(CLIENT, _ALL)
_SERVERS: Final = Rule(SOFT, frozenset({Blame.QUOTA, Blame.MODEL, Blame.SOFT}))
STATUSES: Final[dict[int, Rule]] = {
    0: Rule(SOFT, _ALL),  # inside a stream
    400: _CLIENTS,
    401: Rule(TOKEN, _OUT),
    402: Rule(ACCOUNT, _OUT | {Blame.TOKEN}),
    403: Rule(Verdict(Blame.SOFT, 403, "upstream_forbidden"), _ALL - {Blame.SOFT}),
    404: _CLIENTS,
    405: Rule(NO_ROUTE, _OUT),
    407: Rule(SOFT, frozenset()),
    408: Rule(SOFT, _OUT),
    409: Rule(SOFT, _OUT | {Blame.ANCHOR}),
    421: Rule(SOFT, frozenset()),
    425: Rule(SOFT, frozenset()),
    426: Rule(SOFT, frozenset()),
    429: Rule(BURST, frozenset({Blame.QUOTA})),
}
"""Statuses with a meaning of their own; others go by their hundred."""
HUNDREDS: Final[dict[int, Rule]] = {
    1: Rule(SOFT, frozenset()),
    2: Rule(SOFT, frozenset()),
    3: Rule(SOFT, frozenset()),
    4: _CLIENTS,
    5: _SERVERS,
}
KEPT_SOFT: Final = frozenset({403, 408, 409, 500, 501, 502, 503, 504})
"""Statuses of soft faults a client may see; any other becomes 502."""


def verdict_on(reply: Reply) -> Verdict:
    """Whose fault ``reply`` is."""
    status = reply.status or reply.numeric or 0
    if _is_bot_wall(reply, status):
        return ORIGIN
    rule = STATUSES.get(status) or HUNDREDS.get(status // 100, _SERVERS)
    for verdict in (*_coded(reply), *_worded(reply, status)):
        if verdict.blame in rule.believes:
            return verdict
    if reply.in_stream and status == 0 and reply.type == "invalid_request_error":
        return CLIENT
    if status == 404 and not reply.enveloped:  # no such route: not the client's
        return NO_ROUTE
    return rule.default


def _is_bot_wall(reply: Reply, status: int) -> bool:
    """A challenge page in front of the upstream: every account of that origin meets it."""
    challenged = status in {403, 503} and reply.headers.get("cf-mitigated") == "challenge"
    return challenged or (status == 403 and reply.page)  # Forbidden


def _coded(reply: Reply) -> tuple[Verdict, ...]:
    """By code, then by type, since either may hold the name; a spent quota in either counts."""
    found = [CODES[name] for name in (reply.code, reply.type) if name in CODES]
    return tuple(sorted(found, key=lambda verdict: verdict is not QUOTA))


def _worded(reply: Reply, status: int) -> tuple[Verdict, ...]:
    sentence = sentence_in(reply, status)
    return () if sentence is None else (sentence.verdict,)


def sentence_in(reply: Reply, status: int) -> Sentence | None:
    """The known sentence in the message, if any."""
    for sentence in SENTENCES:
        if sentence.statuses and status not in sentence.statuses:
            continue
        if sentence.pattern.search(reply.message):
            return sentence
    return None
