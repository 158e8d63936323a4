"""Where the parts hang on the application, and what is known of a request."""

import asyncio
from typing import Any

from aiohttp import web
from msgspec import Struct

from lb.core.events import Event
from lb.proxy.deliver import Delivery
from lb.proxy.gateway import Gateway
from lb.proxy.gauges import House
from lb.proxy.timelines import Timeline
from lb.web.auth import Client, Doorman

GATEWAY: web.AppKey[Gateway] = web.AppKey("gateway", Gateway)
DOORMAN: web.AppKey[list[Doorman]] = web.AppKey("doorman", list)
"""A list of one, so that a reload can replace it."""
News = Event | Timeline | dict[str, Any]
"""What a listener is told: an event, or a request that is over (at another worker: its row)."""
LISTENERS: web.AppKey[set["asyncio.Queue[News]"]] = web.AppKey("listeners", set)
"""Who listens to /admin/live."""
HOUSE: web.AppKey[House] = web.AppKey("house", House)
"""What metrics are read from."""


class Arrival(Struct, eq=False):
    """A request as it came in, at ``received_at`` (unix seconds), and who it was found to be of.

    ``delivery`` is there once it was let in.
    """

    gateway: Gateway
    doormen: list[Doorman]
    request_id: str
    received_at: float
    client: Client | None = None
    delivery: Delivery | None = None

    @property
    def doorman(self) -> Doorman:
        """The one who is at the door now."""
        return self.doormen[0]

    def known(self, request: web.Request) -> Client:
        """The client, from here on known. Raises: Problem when it may not enter."""
        client = self.client = self.doormen[0].client(request)
        return client


ARRIVAL = web.RequestKey("arrival", Arrival)


def client_of(request: web.Request) -> Client:
    """The client behind a request, from here on known. Raises: Problem when it may not enter."""
    return request[ARRIVAL].known(request)
