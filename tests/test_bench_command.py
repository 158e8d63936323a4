"""``lb bench`` against simulated accounts."""

import asyncio
from collections.abc import Callable

import pytest
from click.testing import CliRunner, Result

from lb.cli import bench, bench_run, main
from tests.conftest import Proxy

SIMULATED = """
[[accounts]]
id = "sim-{number}"
kind = "simulated"
simulation = {{ delay_s = 0.01, interval_s = 0.0, fail_share = {fail_share} }}
"""
KEY = """
[[keys]]
name = "alice"
key = "alice-key-0123456789"
"""


def pool(fail_share: float = 0.0, accounts: int = 2) -> str:
    each = (SIMULATED.format(number=n, fail_share=fail_share) for n in range(1, accounts + 1))
    return "".join(each)


async def ran(*words: str) -> Result:
    def invoke() -> Result:
        return CliRunner().invoke(main, ["bench", *words])

    return await asyncio.to_thread(invoke)


async def test_it_tells_times_paces_overhead_and_who_answered(proxy: Proxy) -> None:
    served = await proxy(pool())
    result = await ran(served.url, "--requests", "12", "--concurrency", "3")
    assert result.exit_code == 0, result.output
    assert "12 good, 0 failed" in result.output
    for words in ("to the first content", "to the end", "events a second", "lb's own", "sim-1"):
        assert words in result.output


async def test_it_sends_the_key_of_the_environment(
    proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    served = await proxy(pool() + KEY)
    refused = await ran(served.url, "--requests", "2")
    assert refused.exit_code == 1
    assert "invalid_api_key" in refused.output
    monkeypatch.setenv("MY_LB_KEY", "alice-key-0123456789")
    let_in = await ran(served.url, "--requests", "2", "--key-env", "MY_LB_KEY")
    assert let_in.exit_code == 0, let_in.output
    assert "alice-key" not in let_in.output


async def test_an_empty_key_variable_is_said() -> None:
    result = await ran("http://127.0.0.1:1", "--key-env", "NOBODY_SET_THIS")
    assert result.exit_code == 1
    assert "NOBODY_SET_THIS is empty" in result.output


async def test_a_server_that_is_not_there_is_told_as_errors() -> None:
    result = await ran("http://127.0.0.1:1", "--requests", "2")
    assert result.exit_code == 1
    assert "0 good, 2 failed" in result.output


async def test_ctrl_c_shows_what_there_is(proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> None:
    served = await proxy(pool())
    go = bench_run.Run.go

    async def interrupted(run: bench_run.Run, concurrency: int, tick: Callable[[], None]) -> None:
        run.requests = 3
        await go(run, concurrency, tick)
        raise KeyboardInterrupt

    monkeypatch.setattr(bench_run.Run, "go", interrupted)
    result = await ran(served.url, "--requests", "50")
    assert result.exit_code == 0, result.output
    assert "Interrupted after 3 of 50" in result.output
    assert "3 good, 0 failed" in result.output


@pytest.mark.parametrize("number", ["0", "10001"])
async def test_it_is_bounded(number: str) -> None:
    result = await ran("http://127.0.0.1:1", "--requests", number)
    assert result.exit_code == 2


@pytest.mark.parametrize(
    "url", ["127.0.0.1:8642", "http://127.0.0.1:8642/v1/", "http://127.0.0.1:8642/v1/responses"]
)
def test_the_url_may_be_written_in_several_ways(url: str) -> None:
    assert bench.endpoint(url) == "http://127.0.0.1:8642/v1/responses"
