"""Where the parts hang on the application and on a request."""

import asyncio

from aiohttp import web

from lb.core.events import Event
from lb.proxy.deliver import Delivery
from lb.proxy.gateway import Gateway
from lb.web.auth import Client, Doorman

GATEWAY: web.AppKey[Gateway] = web.AppKey("gateway", Gateway)
DOORMAN: web.AppKey[list[Doorman]] = web.AppKey("doorman", list)
"""A list of one, so that a reload can replace it."""
REQUEST_ID = web.RequestKey("request_id", str)
CLIENT = web.RequestKey("client", Client)
DELIVERY = web.RequestKey("delivery", Delivery)
LISTENERS: web.AppKey[set["asyncio.Queue[Event]"]] = web.AppKey("listeners", set)
"""Who listens to /admin/live."""


def client_of(request: web.Request) -> Client:
    """The client behind a request, from here on known. Raises: Problem when it may not enter."""
    client = request[CLIENT] = request.app[DOORMAN][0].client(request)
    return client
