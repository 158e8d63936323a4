"""The journal: nothing written is lost, segments go whole, one server a folder."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from lb.adapters.journal import SEGMENT_BYTES, Journal, lines


def all_lines(journal: Journal) -> list[bytes]:
    journal.cut()
    return [line for segment in journal.ended() for line in lines(segment)]


def test_what_was_appended_is_there_after_a_restart(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal")
    for number in range(3):
        journal.append(b"%d\n" % number)
        journal.cut()
    journal.close()
    again = Journal(tmp_path / "journal")
    assert all_lines(again) == [b"0", b"1", b"2"]
    again.append(b"3\n")
    assert all_lines(again)[-1] == b"3"
    again.close()


def test_a_segment_that_is_stored_goes_whole_and_what_comes_later_stays(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal")
    journal.append(b"one\n")
    journal.cut()
    journal.append(b"two\n")
    (first,) = journal.ended()
    journal.delete(first)
    assert journal.size == 4
    assert all_lines(journal) == [b"two"]
    journal.close()


def test_a_long_segment_ends_by_itself(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal")
    for _ in range(3):
        journal.append(b"x" * SEGMENT_BYTES + b"\n")
    assert len(journal.ended()) == 2
    journal.close()


def test_it_knows_when_it_is_full(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal", limit=10)
    assert not journal.is_full
    journal.append(b"0123456789\n")
    assert journal.is_full
    journal.cut()
    journal.delete(journal.ended()[0])
    assert not journal.is_full
    journal.close()


def test_only_one_server_has_a_folder_and_a_killed_one_gives_it_back(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from lb.adapters.journal import Journal;"
        "j = Journal(Path(sys.argv[1])); j.append(b'kept\\n'); print('up', flush=True);"
        "time.sleep(60)"
    )
    folder = tmp_path / "journal"
    command = [sys.executable, "-c", code, str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as other:  # noqa: S603  # our own
        assert other.stdout is not None
        assert other.stdout.readline() == b"up\n"
        with pytest.raises(BlockingIOError) as refused:
            Journal(folder)
        assert refused.value.errno == errno.EAGAIN
        other.kill()
    journal = Journal(folder)
    assert all_lines(journal) == [b"kept"]
    journal.close()


def test_nobody_else_can_read_it(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "data" / "journal")
    journal.append(b"x\n")
    journal.keep("open.json", b"[]")
    journal.close()
    for path in (tmp_path / "data").rglob("*"):
        assert path.stat().st_mode & 0o077 == 0, path
    assert (tmp_path / "data").stat().st_mode & 0o077 == 0


def test_what_is_kept_is_whole_or_as_before(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal")
    assert journal.kept("open.json") == b""
    journal.keep("open.json", b"first")
    journal.keep("open.json", b"second")
    assert journal.kept("open.json") == b"second"
    journal.close()


def test_a_disk_that_is_full_is_said_and_tears_no_other_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal(tmp_path / "journal")
    journal.append(b"whole\n")
    write = os.write
    monkeypatch.setattr(os, "write", lambda file, data: write(file, data[:3]))
    with pytest.raises(OSError, match="No space left"):
        journal.append(b"torn line\n")
    monkeypatch.undo()
    journal.append(b"whole again\n")
    assert all_lines(journal) == [b"whole", b"tor", b"whole again"]
    journal.close()


def test_the_journal_of_version_1_is_taken_up(tmp_path: Path) -> None:
    (tmp_path / "journal.jsonl").write_bytes(b'{"event":"paused"}\n')
    journal = Journal(tmp_path / "journal")
    assert all_lines(journal) == [b'{"event":"paused"}']
    assert not (tmp_path / "journal.jsonl").exists()
    journal.close()
