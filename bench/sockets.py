"""What an idle client WebSocket costs: memory of one lb process, before and with SOCKETS of them.

    python -m bench.sockets [SOCKETS]

Prints a row for the benchmark page. The server is a process of its own with one simulated account;
its memory is what the kernel says of it (VmRSS). Each socket has had one turn, as a Codex CLI that
waits for its user; so its transcript is counted, too. Ends by itself.
"""

import asyncio
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import aiohttp

SOCKETS = 2000
SPARE_DESCRIPTORS = 256
START_S = 20.0
SETTLE_S = 2.0
AT_ONCE = 50
LONGEST_S = 180.0
CONFIG = """
[server]
data_dir = "{folder}/data"
log = "json"
log_level = "warning"
[[accounts]]
id = "sim"
kind = "simulated"
max_in_flight = 512
simulation = {{ delay_s = 0.0, interval_s = 0.0 }}
"""
TURN = '{"type":"response.create","model":"gpt-5.5","stream":true,"input":"Say hello"}'


async def main(count: int) -> None:
    _allow_descriptors(count)
    with tempfile.TemporaryDirectory() as name, _server(Path(name)) as (process, url):
        async with asyncio.timeout(LONGEST_S):
            await _measured(process, url, count)


async def _measured(process: "subprocess.Popen[bytes]", url: str, count: int) -> None:
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector) as session:
        await _turns(
            await _connected(session, url, AT_ONCE)
        )  # what every server has sooner or later
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        before = await _rss(process)
        links = await _connected(session, url, count)
        idle = await _rss(process)
        started = time.perf_counter()
        await _turns(links)
        turns_s = time.perf_counter() - started
        after = await _rss(process)
        cpu_s = await _cpu_of_idling(process)
    gone = await _rss(process)
    print(
        "| idle sockets | RSS before | with them | KiB each | after a turn each | KiB each "
        "| when they left | CPU while idle | turns/s |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    print(
        f"| {count} | {_mib(before)} | {_mib(idle)} | {(idle - before) / count:.1f} "
        f"| {_mib(after)} | {(after - before) / count:.1f} | {_mib(gone)} "
        f"| {cpu_s:.1%} | {count / turns_s:.0f} |"
    )


async def _connected(
    session: aiohttp.ClientSession, url: str, count: int
) -> list[aiohttp.ClientWebSocketResponse]:
    links: list[aiohttp.ClientWebSocketResponse] = []
    while len(links) < count:
        several = min(AT_ONCE, count - len(links))
        links += await asyncio.gather(
            *(session.ws_connect(f"{url}/v1/responses", compress=15) for _ in range(several))
        )
    return links


async def _turns(links: list[aiohttp.ClientWebSocketResponse]) -> None:
    for start in range(0, len(links), AT_ONCE):
        await asyncio.gather(*map(_turn, links[start : start + AT_ONCE]))


async def _turn(link: aiohttp.ClientWebSocketResponse) -> None:
    await link.send_str(TURN)
    while '"response.completed"' not in await link.receive_str():
        pass


async def _rss(process: "subprocess.Popen[bytes]") -> int:
    """KiB, once the server has had a moment to itself."""
    await asyncio.sleep(SETTLE_S)
    status = await asyncio.to_thread(Path(f"/proc/{process.pid}/status").read_text)
    found = re.search(r"VmRSS:\s+(\d+) kB", status)
    assert found is not None
    return int(found.group(1))


async def _cpu_of_idling(process: "subprocess.Popen[bytes]") -> float:
    """The share of one core that sockets cost which say nothing."""
    before = _cpu_s(process)
    await asyncio.sleep(2 * SETTLE_S)
    return (_cpu_s(process) - before) / (2 * SETTLE_S)


def _cpu_s(process: "subprocess.Popen[bytes]") -> float:
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _mib(kib: int) -> str:
    return f"{kib / 1024:.0f} MiB"


@contextmanager
def _server(folder: Path) -> Iterator[tuple["subprocess.Popen[bytes]", str]]:
    config = folder / "accounts.toml"
    config.write_text(CONFIG.format(folder=folder))
    config.chmod(0o600)
    log = folder / "log"
    code = "import sys; from lb import app, config; from pathlib import Path; " + SERVE
    with log.open("wb") as out:
        process = subprocess.Popen(  # noqa: S603  # our own interpreter, our own words
            [sys.executable, "-c", code, str(config)], stdout=out, stderr=out
        )
    try:
        yield process, _url_in(log, process)
    finally:
        process.kill()
        process.wait()


SERVE = """
import asyncio, uvloop
async def serve():
    async with app.running(config.load(Path(sys.argv[1])), port=0) as server:
        print("url", server.url, flush=True)
        await asyncio.Event().wait()
uvloop.run(serve())
"""


def _url_in(log: Path, process: "subprocess.Popen[bytes]") -> str:
    until = time.monotonic() + START_S
    while time.monotonic() < until and process.poll() is None:
        if found := re.search(r"url (\S+)", log.read_text()):
            return found.group(1)
        time.sleep(0.05)
    raise SystemExit("the server did not start:\n" + log.read_text())


def _allow_descriptors(count: int) -> None:
    """Both ends are inherited limits: as many as are needed, if the kernel lets us."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = count + SPARE_DESCRIPTORS
    if most != resource.RLIM_INFINITY and most < wanted:
        raise SystemExit(f"ulimit -n is {most} at most; {count} sockets need {wanted}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else SOCKETS))
