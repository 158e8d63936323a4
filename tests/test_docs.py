"""What the documentation says of the tests is so."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
NAMED = re.compile(r"`(tests/[\w/]+\.py)(?:::(\w+))?`")
ROWS = [
    line
    for line in (ROOT / "docs/compatibility.md").read_text().splitlines()
    if line.startswith("| ") and not line.startswith(("| documented", "| what |"))
]


@pytest.mark.parametrize("row", ROWS)
def test_each_row_names_a_test_that_is_there(row: str) -> None:
    named = NAMED.findall(row)
    assert named
    for file, test in named:
        text = (ROOT / file).read_text()
        assert not test or f"def {test}(" in text
