"""What a model's name means, and what a model can do."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lb.config import ConfigError, parse
from lb.config.models import shipped
from lb.core.account import Account, Only
from lb.core.body import Body
from lb.core.catalog import Catalog, Model
from lb.core.errors import Problem
from lb.core.models import SUFFIXES, Asked, Reader, Settled

CATALOG = Catalog(
    {
        **shipped(),
        "gpt-5.5": Model("gpt-5.5", aliases=("fast",), efforts=("low", "high"), plans=("ultra",)),
        "house": Model("house", served="gpt-5.5-2026-04-23", efforts=()),
        "talker": Model("talker", endpoints=("chat",), modalities=("text",)),
        "old": Model("old", retired="gpt-5.5"),
        "older": Model("older", retired=""),
    }
)
REAL = {"llama3:8b", "llama3:high", "meta-llama/Llama-3", "openai/gpt-oss", "mine", "o1-mini"}
CALLED = {"openai", "provider-5", "meta-llama"}
READER = Reader(CATALOG, REAL.__contains__, CALLED.__contains__)


def body(model: str, **more: Any) -> Body:
    return Body.parse(msgspec.json.encode({"model": model, "input": "hi", **more}))


def settled(model: str, endpoint: str = "responses", **more: Any) -> tuple[Body, Settled]:
    asked = body(model, **more)
    return asked, READER.settle(asked, endpoint)


NAMES = {
    "gpt-5.1-codex": Asked("gpt-5.1-codex"),
    "openai/gpt-5.1-codex": Asked("gpt-5.1-codex", "openai"),
    "provider-5/gpt-5-codex": Asked("gpt-5-codex", "provider-5"),
    "openai/gpt-5.3-codex:max": Asked("gpt-5.3-codex", "openai", "xhigh"),
    "gpt-5.1-codex:min": Asked("gpt-5.1-codex", "", "minimal"),
    "gpt-5.1-codex:med": Asked("gpt-5.1-codex", "", "medium"),
    "fast:low": Asked("fast", "", "low"),
    "mine:high": Asked("mine", "", "high"),
    "llama3:8b": Asked("llama3:8b"),
    "llama3:70b": Asked("llama3:70b"),
    "llama3:high": Asked("llama3:high"),
    "ft:gpt-4o:org:name:id": Asked("ft:gpt-4o:org:name:id"),
    "meta-llama/Llama-3": Asked("meta-llama/Llama-3"),
    "meta-llama/Llama-3:high": Asked("meta-llama/Llama-3", "", "high"),
    "openai/gpt-oss": Asked("openai/gpt-oss"),
    "elsewhere/gpt-5.5": Asked("elsewhere/gpt-5.5"),
    "openai/": Asked("openai/"),
    "gpt-oss:20b": Asked("gpt-oss:20b"),
}


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_taken_apart(name: str) -> None:
    assert READER.read(name) == NAMES[name]


@pytest.mark.parametrize(
    "name", ["gpt-5.5:turbo", "openai/gpt-5.1-codex:fast", "mine:", "fast:HIGH"]
)
def test_a_suffix_that_is_no_effort_is_a_400(name: str) -> None:
    with pytest.raises(Problem, match="Unknown suffix") as caught:
        READER.read(name)
    assert (caught.value.status, caught.value.type) == (400, "invalid_request_error")
    assert caught.value.param == "model"


@pytest.mark.parametrize(("suffix", "effort"), SUFFIXES.items())
def test_each_suffix_sets_its_effort(suffix: str, effort: str) -> None:
    asked, told = settled(f"gpt-5.7:{suffix}", reasoning={"summary": "auto"})
    assert asked.get("reasoning") == {"summary": "auto", "effort": effort}
    assert asked.get("model") == told.served == "gpt-5.7"
    assert asked.changed == ("reasoning", "model")


def test_the_effort_in_the_body_wins() -> None:
    asked, _ = settled("gpt-5.1-codex:high", reasoning={"effort": "low"})
    assert asked.get("reasoning") == {"effort": "low"}


def test_a_body_that_names_its_model_plainly_is_not_touched() -> None:
    asked = body("gpt-5.1-codex")
    source = asked.render()
    assert READER.settle(asked, "responses").names == ("gpt-5.1-codex",)
    assert asked.render() is source


def test_an_alias_and_a_served_name() -> None:
    asked, told = settled("fast")
    assert (asked.get("model"), told.names) == ("gpt-5.5", ("gpt-5.5", "fast"))
    asked, told = settled("house")
    assert (asked.get("model"), told.names) == ("gpt-5.5-2026-04-23", ("house",))


def test_a_prefix_is_a_condition_on_accounts() -> None:
    _, told = settled("provider-5/gpt-5-codex")
    assert told.only == (Only(frozenset({"provider-5"}), "the model's prefix"),)
    labelled = Account("a", "compatible", labels=frozenset({"provider-5"}))
    assert labelled.fulfils(told.only)
    assert not Account("b", "openai").fulfils(told.only)


@pytest.mark.parametrize("kind", ["openai", "chatgpt", "azure"])
def test_the_prefix_openai_means_every_kind_that_serves_its_models(kind: str) -> None:
    _, told = settled("openai/gpt-5.1-codex")
    assert Account("a", kind).fulfils(told.only)
    assert not Account("a", "compatible").fulfils(told.only)


UNSUPPORTED: dict[str, tuple[str, dict[str, Any], str]] = {
    "a level in the suffix": ("gpt-5.1-codex:max", {}, "model"),
    "a level in the body": (
        "gpt-5.1-codex",
        {"reasoning": {"effort": "xhigh"}},
        "reasoning.effort",
    ),
    "a level of a model that does not reason": ("gpt-4.1:high", {}, "model"),
    "an image": (
        "gpt-3.5-turbo",
        {"input": [{"role": "user", "content": [{"type": "input_image", "image_url": "x"}]}]},
        "input",
    ),
    "sound": (
        "gpt-5.7",
        {"input": [{"role": "user", "content": [{"type": "input_audio", "input_audio": {}}]}]},
        "input",
    ),
}


@pytest.mark.parametrize("name", UNSUPPORTED)
def test_what_the_model_lacks_is_a_400(name: str) -> None:
    model, more, param = UNSUPPORTED[name]
    with pytest.raises(Problem) as caught:
        settled(model, **more)
    problem = caught.value
    assert (problem.status, problem.type, problem.code, problem.param) == (
        *(400, "unsupported_capability", "unsupported_capability"),
        param,
    )


def test_words_about_a_modality_are_no_part_of_it() -> None:
    settled("gpt-3.5-turbo", input='what does "type":"input_image" mean?')


@pytest.mark.parametrize(
    ("model", "endpoint", "suggested"),
    [
        ("gpt-5-codex", "chat", "/v1/responses"),
        ("openai/gpt-5.9-codex-max:high", "chat", "/v1/responses"),
        ("talker", "responses", "/v1/chat/completions"),
    ],
)
def test_the_wrong_endpoint_is_a_400_that_names_the_right_one(
    model: str, endpoint: str, suggested: str
) -> None:
    with pytest.raises(Problem) as caught:
        settled(model, endpoint)
    error = caught.value.envelope()
    assert (caught.value.status, error["type"]) == (400, "endpoint_mismatch")
    assert error["details"]["suggested"] == suggested
    assert error["details"]["supported"] == [suggested]
    assert error["details"]["attempted"] != suggested


def test_a_retired_model_is_a_410_with_what_replaces_it() -> None:
    with pytest.raises(Problem, match=r"Use 'gpt-5\.5' instead") as caught:
        settled("old")
    assert (caught.value.status, caught.value.code) == (410, "model_retired")
    assert caught.value.envelope()["details"]["replacement"] == "gpt-5.5"
    with pytest.raises(Problem) as caught:
        settled("older")
    assert caught.value.envelope()["details"]["replacement"] is None


def test_a_model_the_package_thinks_retired_is_served_where_an_account_lists_it() -> None:
    settled("o1-mini")
    with pytest.raises(Problem):
        settled("o1-preview")


def test_a_model_outside_the_plan_is_a_403() -> None:
    _, told = settled("fast")
    told.check_plan("ultra")
    with pytest.raises(Problem, match="not available on your plan") as caught:
        told.check_plan("free")
    assert (caught.value.status, caught.value.code) == (403, "model_not_allowed")


@given(st.text(st.sampled_from("gpt-5.1codexfasthigh:/"), min_size=1, max_size=24))
def test_settling_twice_changes_nothing(name: str) -> None:
    asked = body(name)
    try:
        READER.settle(asked, "responses")
    except Problem as problem:
        assert problem.status in {400, 410}  # noqa: PT017  # either is fine, a crash is not
        return
    once = asked.render()
    READER.settle(asked, "responses")
    assert asked.render() == once


def test_what_the_operator_says_counts_key_by_key(tmp_path: Any) -> None:
    text = '[models."gpt-5.1-codex"]\nendpoints = ["responses", "chat"]\naliases = ["codex"]\n'
    model = parse(text, tmp_path).models.find("codex")
    assert model.known
    assert model.endpoints == ("responses", "chat")
    assert model.efforts == ("low", "medium", "high")
    assert not model.shipped


WRONG = {
    '[models.m]\nefforts = ["huge"]': "models.m.efforts[0]",
    '[models.m]\nendpoints = ["images"]': "models.m.endpoints[0]",
    "[models.m]\nprices = { input = -1, output = 1 }": "models.m.prices.input",
    "[models.m]\nprices = { input = 1 }": "models.m.prices",
    '[models.m]\nplans = ["gold"]': "models.m.plans[0]",
    '[models."m*"]\naliases = ["n"]': "models.m*",
    '[models.m]\naliases = ["n"]\n[models.k]\naliases = ["n"]': "models.k.aliases[0]",
    "[models.m]\ncolour = 1": "models.m.colour",
    '[server]\nerror_dialect = "klingon"': "server.error_dialect",
}


@pytest.mark.parametrize("text", WRONG)
def test_a_mistake_is_told_with_its_place(text: str, tmp_path: Any) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(text, tmp_path)
    assert WRONG[text] in caught.value.mistakes[0].path
