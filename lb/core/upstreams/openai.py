"""OpenAI's platform, by API key."""

from lb.core.upstreams.dialect import Dialect


class OpenAI(Dialect):
    """The dialect all others are told against."""

    name = "openai"
    base_url = "https://api.openai.com/v1"
