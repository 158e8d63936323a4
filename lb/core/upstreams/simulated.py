"""An account that is only played: no network, no key, no cost."""

from lb.core.upstreams.dialect import Dialect


class Simulated(Dialect):
    """OpenAI's dialect, spoken by the transport itself."""

    name = "simulated"
    base_url = "simulated://here"
