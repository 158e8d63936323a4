"""How many workers "auto" are."""

import os
from pathlib import Path

import pytest
from click.testing import CliRunner

from lb import config
from lb.cli import main
from lb.config import cores
from lb.config.cores import usable_cores


@pytest.mark.parametrize(
    ("told", "wanted"),
    [
        ("max 100000", 8),
        ("250000 100000", 2),
        ("50000 100000", 1),
        ("1600000 100000", 8),
        ("nonsense", 8),
        (None, 8),
    ],
)
def test_auto_is_a_worker_for_each_core_the_container_may_use(
    told: str | None, wanted: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    quota = tmp_path / "cpu.max"
    if told is not None:
        quota.write_text(told)
    assert usable_cores(quota) == wanted


def test_there_are_never_more_than_a_server_can_have(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(500)), raising=False)
    assert usable_cores(tmp_path / "none") == cores.LARGEST


def test_the_file_says_how_many_and_the_command_overrules_it(tmp_path: Path) -> None:
    path = tmp_path / "accounts.toml"
    path.write_text("[server]\nworkers = 3\n")
    assert config.load(path).server.workers == 3
    assert config.load(path, workers=5).server.workers == 5
    assert config.parse('[server]\nworkers = "auto"', tmp_path).server.workers == usable_cores()
    assert config.parse("", tmp_path).server.workers == 1


@pytest.mark.parametrize("told", ["0", "65", "-1", "many", "1.5"])
def test_a_number_of_workers_that_is_none_is_refused(told: str) -> None:
    found = CliRunner().invoke(main, ["serve", "--workers", told])
    assert found.exit_code == 2
    assert "--workers" in found.output
