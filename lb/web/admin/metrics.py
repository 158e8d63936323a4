"""``GET /metrics``: for Prometheus, to whom the admin API answers."""

import asyncio
from collections.abc import Iterable
from typing import TYPE_CHECKING

from aiohttp import web
from attrs import frozen

from lb.web.admin.together import all_metrics
from lb.web.keys import DOORMAN, HOUSE

if TYPE_CHECKING:
    from prometheus_client import Metric


@frozen
class _Collected:
    """What was collected on the loop, to be written in a thread."""

    families: "tuple[Metric, ...]"

    def collect(self) -> "Iterable[Metric]":
        """As a registry does."""
        return self.families


async def metrics(request: web.Request) -> web.Response:
    """Every metric, in the format the scraper accepts."""
    from prometheus_client.exposition import choose_encoder

    request.app[DOORMAN][0].check_admin(request)
    collected = _Collected(tuple(await all_metrics(request.app[HOUSE])))
    encode, content_type = choose_encoder(request.headers.get("Accept", ""))
    body = await asyncio.to_thread(encode, collected)
    return web.Response(body=body, headers={"Content-Type": content_type})
