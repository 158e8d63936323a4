"""Where the parts hang on the application and on a request."""

import asyncio

from aiohttp import web

from lb.core.events import Event
from lb.proxy.deliver import Delivery
from lb.proxy.gateway import Gateway
from lb.web.auth import Doorman

GATEWAY: web.AppKey[Gateway] = web.AppKey("gateway", Gateway)
DOORMAN: web.AppKey[list[Doorman]] = web.AppKey("doorman", list)
"""A list of one, so that a reload can replace it."""
REQUEST_ID = web.RequestKey("request_id", str)
DELIVERY = web.RequestKey("delivery", Delivery)
LISTENERS: web.AppKey[set["asyncio.Queue[Event]"]] = web.AppKey("listeners", set)
"""Who listens to /admin/live."""
