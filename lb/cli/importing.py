"""Many ``auth.json`` at once: what each is, what it will be called, what is done with it."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

from attrs import define, evolve, field, frozen

from lb.config import folder
from lb.config.folder import Login, UnusableError
from lb.core.identity import Identity, identity_of
from lb.core.sealed import holds_sealed

ADDED: Final = "added"
RENEWED: Final = "renewed"
SKIPPED: Final = "skipped"
REFUSED: Final = "refused"
UNTELLING: Final = re.compile(
    r"(auth|login|config|codex|credentials?)([-_ .(]*\d*\)?)?", re.IGNORECASE
)
"""File names that say nothing of whose login they hold."""
LONGEST_NAME: Final = 48


@frozen
class Step:
    """What is done with one file: ``target`` is where its login goes, None: nowhere."""

    source: Path
    action: str
    name: str = ""
    why: str = ""
    target: Path | None = None
    document: dict[str, Any] = field(factory=dict, repr=False)


@define
class Plan:
    """What is known of the pool while files are looked at, newest login first."""

    home: Path
    known: dict[tuple[str, str], Login]
    taken: set[str]

    def step(self, source: Path, document: dict[str, Any], who: Identity) -> Step:
        """What to do with a login."""
        here = self.known.get(who.key)
        if here is None:
            name = self._name(source, who)
            target = self.home / f"{name}.json"
            self.known[who.key] = Login(name, target, who)
            return Step(source, ADDED, name, "", target, document)
        if who.refreshed_at <= here.identity.refreshed_at:
            return Step(source, SKIPPED, here.id, "the same login is here, and no older")
        self.known[who.key] = evolve(here, identity=who)
        return Step(source, RENEWED, here.id, "its login here was older", here.path, document)

    def _name(self, source: Path, who: Identity) -> str:
        mailbox = who.email.partition("@")[0]
        told = f"{mailbox}-{who.plan}" if mailbox and who.plan else mailbox or _told_by(source)
        base = re.sub(r"[^a-z0-9._-]+", "-", told.lower()).strip("-._")[:LONGEST_NAME] or "account"
        name, number = base, 1
        while name in self.taken:
            number += 1
            name = f"{base}-{number}"
        self.taken.add(name)
        return name


def steps(sources: Iterable[Path], plan: Plan) -> list[Step]:
    """What to do with each file, in the order they were named."""
    order: dict[int, Step] = {}
    good: list[tuple[int, Path, dict[str, Any], Identity]] = []
    for number, source in enumerate(dict.fromkeys(_files(sources))):
        try:
            document = folder.document(source)
            who = identity_of(document)
        except UnusableError as error:
            order[number] = Step(source, REFUSED, why=str(error))
            continue
        if holds_sealed(document):
            why = "is sealed: take it out with lb accounts export, where it is an account"
            order[number] = Step(source, REFUSED, why=why)
        elif who is None:
            order[number] = Step(source, REFUSED, why="holds no ChatGPT login")
        else:
            good.append((number, source, document, who))
    for number, source, document, who in sorted(good, key=lambda each: -each[3].refreshed_at):
        order[number] = plan.step(source, document, who)
    return [order[number] for number in sorted(order)]


def _files(sources: Iterable[Path]) -> Iterator[Path]:
    """Files as they are named; of a folder its JSON files, and the auth.json of those below it."""
    for source in sources:
        if source.is_dir():
            yield from sorted({*source.glob("*.json"), *source.glob("*/auth.json")})
        else:
            yield source


def _told_by(source: Path) -> str:
    """What a path says of whose login it is: the file's name, else its folder's."""
    stem = source.name.removesuffix(".json")
    return source.resolve().parent.name if UNTELLING.fullmatch(stem) else stem
