"""Where the parts hang on the application and on a request."""

import asyncio
from typing import Any

from aiohttp import web

from lb.core.events import Event
from lb.proxy.deliver import Delivery
from lb.proxy.gateway import Gateway
from lb.proxy.gauges import House
from lb.proxy.timelines import Timeline
from lb.web.auth import Client, Doorman

GATEWAY: web.AppKey[Gateway] = web.AppKey("gateway", Gateway)
DOORMAN: web.AppKey[list[Doorman]] = web.AppKey("doorman", list)
"""A list of one, so that a reload can replace it."""
REQUEST_ID = web.RequestKey("request_id", str)
CLIENT = web.RequestKey("client", Client)
DELIVERY = web.RequestKey("delivery", Delivery)
News = Event | Timeline | dict[str, Any]
"""What a listener is told: an event, or a request that is over (at another worker: its row)."""
LISTENERS: web.AppKey[set["asyncio.Queue[News]"]] = web.AppKey("listeners", set)
"""Who listens to /admin/live."""
HOUSE: web.AppKey[House] = web.AppKey("house", House)
"""What metrics are read from."""


def client_of(request: web.Request) -> Client:
    """The client behind a request, from here on known. Raises: Problem when it may not enter."""
    client = request[CLIENT] = request.app[DOORMAN][0].client(request)
    return client
