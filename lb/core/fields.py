"""What each kind of upstream does with each request field: one table, overridable in ``[fields]``.

``pass``: untouched, and so is every field not named here, since upstreams add parameters faster
than we release. ``strip``: left out on the way, told in ``x-lb-changed``. ``reject``: an account of
that kind cannot serve a request that uses it; when none of the pool can, the client gets a 400.
"""

from collections.abc import Mapping
from typing import Final, Literal, get_args

from lb.core.account import FEATURES

Verdict = Literal["pass", "strip", "reject"]
VERDICTS: Final[frozenset[str]] = frozenset(get_args(Verdict))
ANY_KIND: Final = "*"

TABLE: Final[dict[str, dict[str, Verdict]]] = {
    # state only the account that made it holds: refused unless the account `supports` it
    "previous_response_id": {"*": "reject"},
    "conversation": {"*": "reject"},
    "store": {"*": "reject"},  # store: true
    "truncation": {"*": "reject"},
    "background": {"*": "reject"},
    "file_id": {"*": "reject"},  # input_file.file_id, input_image.file_id
    # answered with "Unsupported parameter" by the chatgpt upstream
    "max_output_tokens": {"chatgpt": "strip"},
    "temperature": {"chatgpt": "strip"},
    "top_p": {"chatgpt": "strip"},
    "metadata": {"chatgpt": "strip"},
    "prompt_cache_retention": {"chatgpt": "strip"},
    "safety_identifier": {"chatgpt": "strip"},
    "user": {"chatgpt": "strip"},
    # hosted tools the chatgpt upstream does not run; Codex itself sends none of them
    "tools.file_search": {"chatgpt": "reject"},
    "tools.code_interpreter": {"chatgpt": "reject"},
    "tools.computer_use": {"chatgpt": "reject"},
    "tools.computer_use_preview": {"chatgpt": "reject"},
    "tools.image_generation": {"chatgpt": "reject"},
}
"""field -> {kind, or ``*`` for any: verdict}; what is not listed passes.

Pseudo-fields name what lies deeper: ``store`` means ``store: true``, ``file_id`` a file named by
id inside ``input``, ``tools.<type>`` a tool of that type.
"""

UNSTRIPPABLE: Final = frozenset({"file_id"})
"""What cannot be left out without changing what was asked: only pass or reject."""

TOOL: Final = "tools."


def rejectable(overrides: Mapping[str, Mapping[str, str]] | None = None) -> frozenset[str]:
    """The fields that some kind rejects, by the table and the config's ``[fields]``."""
    told = [*TABLE.items(), *(overrides or {}).items()]
    return frozenset(field for field, verdicts in told if "reject" in verdicts.values())


REJECTABLE: Final = rejectable()


def for_account(
    kind: str, supports: frozenset[str], overrides: Mapping[str, Mapping[str, str]]
) -> dict[str, str]:
    """What an account does with each field: its ``strip`` and ``reject`` entries only.

    The nearest word counts: what the account ``supports``, then ``[fields]`` for its kind, then
    ``[fields]`` for ``*``, then the table in the same order.
    """
    kept = supports & FEATURES
    verdicts = {
        field: "pass" if field in kept else _verdict(field, kind, overrides)
        for field in (*TABLE, *(field for field in overrides if field not in TABLE))
    }
    return {field: verdict for field, verdict in verdicts.items() if verdict != "pass"}


def _verdict(field: str, kind: str, overrides: Mapping[str, Mapping[str, str]]) -> str:
    sources: tuple[Mapping[str, str], ...] = (overrides.get(field, {}), TABLE.get(field, {}))
    for source in sources:
        for name in (kind, ANY_KIND):
            if name in source:
                return source[name]
    return "pass"
