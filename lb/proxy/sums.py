"""The metrics of all workers as one: whichever of them is scraped tells the whole.

What counts adds up. Of what stands, most is known to every worker alike; what each has of its own
adds up, or the worst of it is told.
"""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from prometheus_client import Metric
    from prometheus_client.samples import Sample

Data = list[Any]
"""A metric: its name, and its samples as (name, labels, value)."""

_ADD_UP: Final = frozenset(
    {
        "lb_workers",
        "lb_live_requests",
        "lb_waiting_requests",
        "lb_open_sockets",
        "lb_journal_bytes",
        "process_resident_memory_bytes",
        "process_virtual_memory_bytes",
        "process_open_fds",
        "process_max_fds",
    }
)
_LEAST: Final = frozenset(
    {
        "lb_start_timestamp_seconds",
        "lb_store_up",
        "lb_account_limit",
        "process_start_time_seconds",
    }
)
_MOST: Final = frozenset(
    {
        "lb_draining",
        "lb_event_loop_lag_seconds",
        "lb_account_latency_seconds",
        "lb_ledger_lag_seconds",
    }
)
_COUNTING: Final = frozenset({"counter", "histogram"})


def data_of(families: "Iterable[Metric]") -> list[Data]:
    """Metrics as data, for another worker; of samples, those that ``whole`` looks at."""
    return [
        [family.name, [[sample.name, sample.labels, sample.value] for sample in family.samples]]
        for family in families
        if _merges(family)
    ]


def whole(own: "Iterable[Metric]", others: Iterable[list[Data]]) -> "list[Metric]":
    """The metrics of this worker, with those of the others in them."""
    families = list(own)
    by_name = {family.name: family for family in families}
    for told in others:
        for name, samples in told:
            family = by_name.get(name)
            if family is not None:
                family.samples = _merged(family, samples)
    return families


def _merges(family: "Metric") -> bool:
    return family.type in _COUNTING or family.name in _ADD_UP | _LEAST | _MOST


def _merged(
    family: "Metric", samples: Iterable[tuple[str, Mapping[str, str], float]]
) -> "list[Sample]":
    """The samples of a family, with another's: the same labels become one."""
    from prometheus_client.samples import Sample

    found = {_key(each.name, each.labels): each for each in family.samples}
    for name, labels, value in samples:
        key = _key(name, labels)
        known = found.get(key)
        if known is None:
            found[key] = Sample(name, dict(labels), value)
        else:
            found[key] = known._replace(value=_of_two(family.name, known.value, value))
    return list(found.values())


def _key(name: str, labels: Mapping[str, str]) -> tuple[Any, ...]:
    return (name, *labels.values())


def _of_two(name: str, one: float, other: float) -> float:
    if name in _LEAST:
        return min(one, other)
    return max(one, other) if name in _MOST else one + other
