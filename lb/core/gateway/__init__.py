"""The ``gateway`` object: what a request asks of the gateway itself, each feature a rule.

    wish.py       what may be written, read strictly
    models.py     tags, imageGenerationModel
    planning.py   executor:planning:planner
    asking.py     what a model is asked for on the way: which tag fits, what old turns said
    accounts.py   order, only, zdr
    tools.py, media.py, history.py   what of the request is worth sending
    redact.py, restore.py            private things, hidden on the way up, restored on the way down

A new feature is a field of ``Wish``, a function, and a row in ``RULES``. What is private is hidden
before anything else looks, since some of it asks models, too. Nothing is on unless asked
for; a request without ``gateway`` passes byte for byte.
"""

from collections.abc import Callable

from lb.core.body import Body
from lb.core.formats.voice import Voice
from lb.core.gateway.accounts import conditions, nothing_is_kept
from lb.core.gateway.history import turns_that_matter
from lb.core.gateway.media import media_that_matter
from lb.core.gateway.models import model_is_chosen
from lb.core.gateway.tools import tools_that_fit
from lb.core.gateway.wish import NOTHING, Wish, taken

__all__ = [
    "NOTHING",
    "RULES",
    "Wish",
    "applied",
    "conditions",
    "hidden",
    "model_is_chosen",
    "pruned",
    "taken",
]

RULES: dict[str, Callable[[Body, Wish], bool]] = {
    "zdr": nothing_is_kept,
    "chatHistoryCompression": turns_that_matter,
    "mediaOptimization": media_that_matter,
    "toolOptimization": tools_that_fit,
}
"""Feature -> what does it, and says whether it did anything; told as ``gateway.<feature>``.

In order: what is dropped first need not be looked at later.
"""


def applied(body: Body, wish: Wish, voice: Voice) -> Voice:
    """Do to ``body`` all that is wished; how the answer is to be said, restored where need be.

    Raises: Problem (400) for a wish that cannot be.
    """
    voice = hidden(body, wish, voice)
    pruned(body, wish)
    return voice


def pruned(body: Body, wish: Wish) -> None:
    """Do to ``body`` what RULES do."""
    for name, rule in RULES.items():
        if rule(body, wish):
            body.tell(f"gateway.{name}")


def hidden(body: Body, wish: Wish, voice: Voice) -> Voice:
    """Hide in ``body`` what is private; how the answer is to be said, restored.

    Raises: Problem (400) for a pattern that is none.
    """
    if wish.redact is None:
        return voice
    from lb.core.gateway import redact  # the validators load only for those who ask
    from lb.core.gateway.entities import wanted
    from lb.core.gateway.restore import Restored

    entities = wanted(wish.redact)
    if not entities:
        return voice
    vault = redact.hidden(body, entities)
    if not vault.originals:
        return voice
    body.tell("gateway.redact")
    return Restored(vault, voice)
