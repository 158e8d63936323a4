"""Upstream and load generator in Python, for where there is no C compiler: slower, same words.

``python -m bench.uv upstream`` and ``python -m bench.uv load PORT PATH BODY_FILE ...`` take and
print what ``upstream.c`` and ``load.c`` do, on uvloop in several processes.
"""

import argparse
import asyncio
import contextlib
import json
import os
import re
import socket
import sys
import time
from collections.abc import AsyncIterator
from itertools import count
from multiprocessing import get_context
from pathlib import Path
from queue import Queue
from typing import Any

import aiohttp
import uvloop
from aiohttp import web

from bench.bodies import MARK

CONVERSATIONS = 1000
AROUND = 8  # events around the deltas of a stream
_MODEL = re.compile(rb'"bench-(\w+)(?:-(\d+))?')
_SENT = re.compile(rb'"delta":"T(\d{20})')
_SHARES = (0.5, 0.9, 0.99, 0.999)
_PARTS = ("output_text", "content_part", "output_item")
_TEXT = "The answer to a question nobody asked, long enough to be one."
_LIMITS = {
    f"x-ratelimit-{what}-{of}": value
    for what, value in (("limit", "10000"), ("remaining", "9990"), ("reset", "6ms"))
    for of in ("requests", "tokens")
}
Result = dict[str, Any]


def _processes() -> int:
    return max(1, len(os.sched_getaffinity(0)))


def _frame(kind: str, **fields: object) -> bytes:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **fields})}\n\n".encode()


def _response(name: str, status: str) -> dict[str, object]:
    done = status == "completed"
    part = {"type": "output_text", "text": _TEXT, "annotations": [], "logprobs": []}
    item = {"id": f"msg_{name}", "type": "message", "role": "assistant", "content": [part]}
    usage = {"input_tokens": 812, "output_tokens": 64, "total_tokens": 876}
    return {
        "id": f"resp_{name}",
        "object": "response",
        "status": status,
        "model": "bench",
        "output": [item] if done else [],
        "usage": usage if done else None,
    }


def _delta(number: int, sent: int) -> bytes:
    data = (
        f'{{"type":"response.output_text.delta","sequence_number":{number},"item_id":"msg_0",'
        f'"output_index":0,"content_index":0,"delta":"T{sent:020}","logprobs":[]}}'
    )
    return f"event: response.output_text.delta\ndata: {data}\n\n".encode()


async def _events(name: str, events: int, gap_ms: int) -> AsyncIterator[bytes]:
    first, last = _response(name, "in_progress"), _response(name, "completed")
    deltas = max(1, events - AROUND)
    head = [_frame(f"response.{kind}", response=first) for kind in ("created", "in_progress")]
    head += [_frame(f"response.{kind}.added", output_index=0) for kind in _PARTS[1:]]
    tail = [_frame(f"response.{kind}.done", output_index=0) for kind in _PARTS]
    tail.append(_frame("response.completed", response=last))
    if not gap_ms:
        yield b"".join([*head, *(_delta(n, n) for n in range(deltas)), *tail])
        return
    yield b"".join(head)
    for number in range(deltas):
        await asyncio.sleep(gap_ms / 1000)
        yield _delta(number, time.monotonic_ns())
    await asyncio.sleep(gap_ms / 1000)
    yield b"".join(tail)


def _upstream(listener: socket.socket, told_limits: dict[str, str]) -> None:
    numbers, parent = count(1), os.getppid()

    async def answer(request: web.Request) -> web.StreamResponse:
        found = _MODEL.search(await request.read())
        kind, gap = (found[1].decode(), int(found[2] or 0)) if found else ("json", 0)
        number = 1 if kind == "same" else next(numbers)
        name = f"{os.getpid() if kind != 'same' else 0:016x}{number:016x}"
        if not kind.isdigit():
            return web.json_response(_response(name, "completed"), headers=told_limits)
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream", **told_limits})
        await response.prepare(request)
        with contextlib.suppress(ConnectionError):
            async for piece in _events(name, int(kind), gap):
                await response.write(piece)
        return response

    async def serve() -> None:
        app = web.Application(client_max_size=64 << 20)
        app.router.add_route("*", "/{path:.*}", answer)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.SockSite(runner, listener).start()
        while os.getppid() == parent:  # noqa: ASYNC110  # nothing tells that a parent has died
            await asyncio.sleep(1)

    uvloop.run(serve())


def upstream(words: list[str]) -> None:
    """Serve until stopped; prints its port."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=4096)
    print(listener.getsockname()[1], flush=True)
    context, limits = get_context("fork"), _LIMITS if "-l" in words else {}
    for _ in range(_processes() - 1):
        context.Process(target=_upstream, args=(listener, limits), daemon=True).start()
    _upstream(listener, limits)


def _arguments(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m bench.uv load")
    parser.add_argument("port", type=int)
    parser.add_argument("path")
    parser.add_argument("body", type=Path)
    parser.add_argument("-c", type=int, default=1)
    parser.add_argument("-n", type=int, default=1 << 60)
    parser.add_argument("-s", type=float, default=1e9)
    parser.add_argument("-e", type=int, default=0)
    parser.add_argument("-H", action="append", default=[])
    parser.add_argument("-t", action="store_true")
    parser.add_argument("-w", action="store_true")
    return parser.parse_args(words)


class _Load:
    """One process of the load generator."""

    def __init__(self, told: argparse.Namespace, share: int, shares: int) -> None:
        self.told = told
        self.body = told.body.read_bytes()
        self.connections = told.c // shares + (share < told.c % shares)
        self.left = told.n // shares + (share < told.n % shares)
        self.began = time.monotonic()
        self.with_content = 0
        self.held = asyncio.Event()
        self.result: Result = dict.fromkeys(("good", "bad", "events", "bytes"), 0)
        self.result |= {"first_us": [], "total_us": [], "onway_us": [], "complaint": ""}

    async def run(self) -> Result:
        headers = dict(header.split(": ", 1) for header in self.told.H)
        headers["Content-Type"] = "application/json"
        url = f"http://127.0.0.1:{self.told.port}{self.told.path}"
        connector = aiohttp.TCPConnector(limit=0)
        options: dict[str, Any] = {"connector": connector, "headers": headers}
        async with aiohttp.ClientSession(**options, timeout=aiohttp.ClientTimeout(None)) as session:
            loops = [self._loop(session, url) for _ in range(self.connections)]
            tasks = [asyncio.create_task(each) for each in loops]
            if self.told.w and tasks:
                await self.held.wait()
                print("holding", flush=True)
                await asyncio.to_thread(sys.stdin.read)
                for task in tasks:
                    task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        return self.result

    async def _loop(self, session: aiohttp.ClientSession, url: str) -> None:
        while self.left > 0 and time.monotonic() - self.began < self.told.s:
            self.left -= 1
            number = f"{self.left % CONVERSATIONS:08}".encode()
            try:
                await self._ask(session, url, self.body.replace(MARK.encode(), number, 1))
            except (aiohttp.ClientError, OSError) as error:
                self.result["bad"] += 1
                self.result["complaint"] = f"{type(error).__name__}: {error}"

    async def _ask(self, session: aiohttp.ClientSession, url: str, body: bytes) -> None:
        began, events, first, rest = time.monotonic_ns(), 0, True, b""
        result = self.result
        async with session.post(url, data=body) as answer:
            async for chunk in answer.content.iter_any():
                now = time.monotonic_ns()
                if first:
                    first = False
                    self._content((now - began) / 1000)
                result["bytes"] += len(chunk)
                frames, _, tail = (rest + chunk).rpartition(b"\n\n")
                events += (rest + chunk).count(b"\n\n")
                rest = tail
                if self.told.t:
                    sent = (int(found) for found in _SENT.findall(frames))
                    result["onway_us"] += ((now - at) / 1000 for at in sent)
        result["events"] += events
        if answer.status == 200 and self.told.e in (0, events):
            result["good"] += 1
            result["total_us"].append((time.monotonic_ns() - began) / 1000)
        else:
            result["bad"] += 1
            result["complaint"] = result["complaint"] or f"status {answer.status}, {events} events"

    def _content(self, took_us: float) -> None:
        self.result["first_us"].append(took_us)
        self.with_content += 1
        if self.with_content >= self.connections:
            self.held.set()


def _load(told: argparse.Namespace, share: int, shares: int, results: "Queue[Result]") -> None:
    async def run() -> Result:
        return await _Load(told, share, shares).run()

    results.put(uvloop.run(run()))


def load(words: list[str]) -> None:
    """Run to the end; prints one line of JSON."""
    told, began = _arguments(words), time.monotonic()
    shares = 1 if told.w else max(1, min(_processes(), told.c))
    found: list[Result] = []
    if shares == 1:
        alone: Queue[Result] = Queue()
        _load(told, 0, 1, alone)
        found.append(alone.get())
    else:
        context = get_context("fork")
        results: Any = context.Queue()
        given = [(told, share, shares, results) for share in range(shares)]
        workers = [context.Process(target=_load, args=each) for each in given]
        for worker in workers:
            worker.start()
        found = [results.get() for _ in workers]
        for worker in workers:
            worker.join()
    print(json.dumps(_merged(found) | {"wall_s": time.monotonic() - began}))


def _merged(found: list[Result]) -> Result:
    told: Result = {n: sum(each[n] for each in found) for n in ("good", "bad", "events", "bytes")}
    for name in ("first_us", "total_us", "onway_us"):
        times = sorted(us for each in found for us in each[name])
        places = (int((len(times) - 1) * share) for share in _SHARES)
        told[name] = [times[place] if times else 0.0 for place in places]
    told["complaint"] = next((each["complaint"] for each in found if each["complaint"]), "")
    return told


if __name__ == "__main__":
    {"upstream": upstream, "load": load}[sys.argv[1]](sys.argv[2:])
