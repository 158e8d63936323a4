"""The bare relay: aiohttp both ways on uvloop, chunk in, chunk out; it looks at nothing.

What a proxy on aiohttp costs at the least. ``python -m bench.floor PORT UPSTREAM``
"""

import asyncio
import sys

import aiohttp
import uvloop
from aiohttp import web

HOP_BY_HOP = ("connection", "content-length", "host", "keep-alive", "transfer-encoding")


async def relay(request: web.Request) -> web.StreamResponse:
    session: aiohttp.ClientSession = request.app["session"]
    headers = {n: v for n, v in request.headers.items() if n.lower() not in HOP_BY_HOP}
    body = await request.read()
    async with session.post(
        request.app["upstream"] + request.path, data=body, headers=headers
    ) as answer:
        if answer.content_type == "application/json":
            whole = await answer.read()
            return web.Response(body=whole, content_type="application/json")
        response = web.StreamResponse(headers={"Content-Type": answer.headers["Content-Type"]})
        await response.prepare(request)
        async for chunk in answer.content.iter_any():
            await response.write(chunk)
        await response.write_eof()
        return response


async def serve(port: int, upstream: str) -> None:
    connector = aiohttp.TCPConnector(limit=0)
    app = web.Application(client_max_size=64 << 20)
    async with aiohttp.ClientSession(connector=connector, auto_decompress=False) as session:
        app["upstream"], app["session"] = upstream, session
        app.router.add_post("/{path:.*}", relay)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port, backlog=4096).start()
        await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1]), sys.argv[2]))
