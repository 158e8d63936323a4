"""ARCHITECTURE.md tells the truth: its diagram is drawn from the table, its files exist."""

import re
from pathlib import Path

from lb.core.health import TRANSITIONS

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "ARCHITECTURE.md"


def diagram() -> str:
    """The state machine as Mermaid draws it; an event that leaves a state as it is, is left out."""
    lines = ["stateDiagram-v2", "    [*] --> ready"]
    for state, moves in TRANSITIONS.items():
        targets: dict[str, list[str]] = {}
        for event, target in moves.items():
            if target is not state:
                targets.setdefault(target.value, []).append(event.__name__)
        lines += [f"    {state.value} --> {to}: {', '.join(on)}" for to, on in targets.items()]
    return "\n".join(lines)


def test_the_diagram_is_the_table() -> None:
    assert diagram() in PAGE.read_text()


def test_every_file_it_names_exists() -> None:
    named = re.findall(r"`((?:lb|tests|bench|docs)/[\w./]+)`", PAGE.read_text())
    assert named
    assert [name for name in named if not (ROOT / name).exists()] == []
