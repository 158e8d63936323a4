"""How clients speak: one file and one row in FORMATS for each way.

A format turns what its clients ask into a Responses request, and what upstream says into what they
understand. Inside the house all is Responses: one set of rules, one failover loop, one tap.
Everything here is pure.
"""

from lb.core.formats.chat import CHAT
from lb.core.formats.responses import RESPONSES
from lb.core.formats.voice import Collector, Encoder, Format, Voice

__all__ = ["FORMATS", "Collector", "Encoder", "Format", "Voice"]

FORMATS: dict[str, Format] = {one.name: one for one in (RESPONSES, CHAT)}
"""Name -> the format."""
