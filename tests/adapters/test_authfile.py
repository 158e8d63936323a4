import asyncio
import sys
from pathlib import Path

import pytest

from lb.adapters import authfile
from tests.adapters.issuing import HOUR, NOW, OLD, jwt, mode, names, saved


async def test_a_kill_at_any_moment_leaves_a_whole_file(file: Path) -> None:
    writer = """
import itertools, pathlib, sys
from lb.adapters import authfile
for n in itertools.count():
    authfile.write(pathlib.Path(sys.argv[1]), {"tokens": {"access_token": str(n) * 9999}})
    n or print("written", flush=True)
"""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", writer, str(file), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    assert await process.stdout.readline() == b"written\n"
    process.kill()
    await process.wait()
    assert authfile.read(file).access.reveal()
    assert mode(file) == 0o600


def test_a_write_that_fails_leaves_the_old_file(file: Path) -> None:
    before = file.read_bytes()
    with pytest.raises(TypeError):
        authfile.write(file, {"tokens": object()})
    assert file.read_bytes() == before
    assert names(file.parent) == ["auth.json"]


def test_a_link_to_the_file_stays_a_link(file: Path, tmp_path: Path) -> None:
    link = tmp_path / "link.json"
    link.symlink_to(file)
    authfile.write(link, {"tokens": {}})
    assert link.is_symlink()
    assert saved(file) == {"tokens": {}}


@pytest.mark.parametrize("place", ["id_token", "access_token"])
def test_the_account_id_may_be_a_claim(place: str) -> None:
    told = jwt(NOW + HOUR, **{authfile.CLAIMS: {"chatgpt_account_id": "acct_9"}})
    login = authfile.login_of({"tokens": {"access_token": OLD, place: told}})
    assert login.access.account_id == "acct_9"
