"""What is measured: each part takes the rig and gives tables. A new part: one file, one row."""

from collections.abc import Callable

from bench.parts import (
    bodies,
    first,
    growth,
    held,
    leak,
    ledger,
    paced,
    pick,
    rules,
    shapes,
    workers,
)
from bench.rig import Rig
from bench.tables import Table

Part = Callable[[Rig], list[Table]]

PARTS: dict[str, Part] = {
    "shapes": shapes.measure,
    "first": first.measure,
    "paced": paced.measure,
    "held": held.measure,
    "bodies": bodies.measure,
    "growth": growth.measure,
    "pick": pick.measure,
    "leak": leak.measure,
    "rules": rules.measure,
    "ledger": ledger.measure,
    "workers": workers.measure,
}
