"""Any server that speaks the Responses API: a gateway, another vendor, one's own machine."""

from lb.core.upstreams.dialect import Dialect


class Compatible(Dialect):
    """OpenAI's dialect at an address the account names; its key may be missing."""

    name = "compatible"
