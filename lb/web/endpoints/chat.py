"""``POST /v1/chat/completions``: the same pool, rules, failover and books; another way to speak."""

from functools import partial

from lb.core.formats import FORMATS
from lb.web.endpoints.responses import answered

create = partial(answered, spoken=FORMATS["chat"])
"""Answer one chat, as a stream or whole, by whichever account can."""
