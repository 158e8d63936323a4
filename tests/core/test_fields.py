import pytest

from lb.core.account import FEATURES
from lb.core.fields import REJECTABLE, TABLE, VERDICTS, for_account, rejectable
from lb.core.upstreams import KINDS

REMOVED = {
    "max_output_tokens",
    "temperature",
    "top_p",
    "metadata",
    "prompt_cache_retention",
    "safety_identifier",
    "user",
}
HOSTED = {
    "tools.file_search",
    "tools.code_interpreter",
    "tools.computer_use",
    "tools.computer_use_preview",
    "tools.image_generation",
}


def test_the_table_knows_only_kinds_and_verdicts_there_are() -> None:
    for verdicts in TABLE.values():
        assert set(verdicts) <= {*KINDS, "*"}
        assert set(verdicts.values()) <= VERDICTS


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_state_is_refused_unless_the_account_keeps_it(kind: str) -> None:
    bare = for_account(kind, frozenset(), {})
    assert {field for field in FEATURES if bare.get(field) == "reject"} == FEATURES
    assert not FEATURES & set(for_account(kind, FEATURES, {}))
    assert for_account(kind, frozenset({"store"}), {}).get("truncation") == "reject"


@pytest.mark.parametrize("kind", ["openai", "azure", "compatible", "simulated"])
def test_only_state_is_touched_where_the_platform_takes_the_rest(kind: str) -> None:
    assert set(for_account(kind, frozenset(), {})) == FEATURES


def test_chatgpt_is_spared_what_it_refuses() -> None:
    fields = for_account("chatgpt", FEATURES, {})
    assert {field for field, verdict in fields.items() if verdict == "strip"} == REMOVED
    assert {field for field, verdict in fields.items() if verdict == "reject"} == HOSTED


def test_supporting_what_is_no_feature_changes_nothing() -> None:
    assert for_account("chatgpt", frozenset({"temperature"}), {})["temperature"] == "strip"


def test_the_config_overrides_the_table_the_kind_before_the_star() -> None:
    overrides = {
        "temperature": {"chatgpt": "pass", "*": "strip"},
        "service_tier": {"*": "reject"},
        "conversation": {"openai": "strip"},
    }
    chatgpt = for_account("chatgpt", frozenset(), overrides)
    assert "temperature" not in chatgpt
    assert chatgpt["service_tier"] == "reject"
    assert chatgpt["conversation"] == "reject"
    openai = for_account("openai", frozenset(), overrides)
    assert openai["temperature"] == "strip"
    assert openai["conversation"] == "strip"
    assert "conversation" not in for_account("openai", FEATURES, overrides)


def test_what_can_be_rejected_is_known_before_any_account_is() -> None:
    assert REJECTABLE == FEATURES | HOSTED
    assert rejectable({"service_tier": {"azure": "reject"}, "user": {"*": "strip"}}) == (
        REJECTABLE | {"service_tier"}
    )
