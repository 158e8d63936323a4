"""Which model a request goes to, when its ``gateway`` leaves the choice to us."""

import re
from typing import Any, Final

from lb.core.body import Body
from lb.core.errors import bad_request
from lb.core.gateway.scores import scores
from lb.core.gateway.turns import questions_of
from lb.core.gateway.wish import Wish

IMAGE_TOOL: Final = "image_generation"
_INTENT: Final = re.compile(
    r"\b(?:draw|paint|sketch|illustrate)\s+(?:me\s+)?(?:an?|the|some|my)\b"
    r"|\b(?:generate|create|make|design|render|produce)\s+(?:\w+\s+){0,4}?"
    r"(?:images?|pictures?|photos?|illustrations?|logos?|icons?|drawings?|paintings?|posters?)\b",
    re.IGNORECASE,
)
"""What a person says who wants an image."""


def model_is_chosen(body: Body, wish: Wish, tag: str | None = None) -> tuple[str, ...]:
    """Set ``model`` by ``tags`` or ``imageGenerationModel``; those to try after it, in order.

    ``tag`` is the one a model has judged to fit ("": none does); None: nobody was asked.
    """
    models = _of_tag(body, wish, tag) if wish.tags else ()
    if wish.image_generation_model and _asks_for_an_image(body):
        models = (wish.image_generation_model,)
    if models and models[0] != body.get("model"):
        body.set("model", models[0])
    return models[1:]


def check_tags(wish: Wish) -> None:
    """Raises: Problem (400) for a tag that names no model."""
    for at, tag in enumerate(wish.tags):
        if not tag.models:
            path = f"gateway.tags[{at}].models"
            raise bad_request(f"Invalid '{path}': name at least one model.", path, "invalid_value")


def _of_tag(body: Body, wish: Wish, judged: str | None) -> tuple[str, ...]:
    """The models of the tag that fits the last question best; none where no tag does."""
    check_tags(wish)
    if judged is not None:
        return next((tag.models for tag in wish.tags if tag.name == judged), ())
    texts = [f"{tag.name} {tag.description}" for tag in wish.tags]
    fit = scores(texts, " ".join(questions_of(body)[-1:]))
    return wish.tags[fit.index(max(fit))].models if any(fit) else ()


def _asks_for_an_image(body: Body) -> bool:
    tools: Any = body.get("tools")
    listed = tools if isinstance(tools, list) else []
    if any(isinstance(tool, dict) and tool.get("type") == IMAGE_TOOL for tool in listed):
        return True
    return any(_INTENT.search(question) for question in questions_of(body)[-1:])
