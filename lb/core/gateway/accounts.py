"""``order``, ``only``, ``zdr``: which accounts may serve a request, and which are preferred."""

from lb.core.account import Only
from lb.core.body import Body
from lb.core.gateway.wish import Wish

ZDR = "zdr"
"""The label of accounts that keep nothing (zero data retention)."""


def conditions(wish: Wish) -> tuple[Only, ...]:
    """What accounts must fulfil; each condition says who set it."""
    told = []
    if wish.only:
        told.append(Only(frozenset(wish.only), "gateway.only"))
    if wish.zdr:
        told.append(Only(frozenset({ZDR}), "gateway.zdr", labels=True))
    return tuple(told)


def nothing_is_kept(body: Body, wish: Wish) -> bool:
    """``zdr`` forces ``store`` off; whether it was not."""
    kept = wish.zdr and bytes(body.view("store")) != b"false"
    if kept:
        body.set("store", False, told=False)
    return kept
