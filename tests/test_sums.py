"""The metrics of several workers as one."""

import re

import pytest
from prometheus_client import Metric

from lb.proxy import sums
from lb.proxy.gauges import GAUGES
from lb.proxy.metrics import Metrics
from tests.clients import ask, asking, pool
from tests.conftest import Proxy
from tests.scripted import Upstream

KNOWN_TO_ALL = {
    *("lb_build_info", "lb_pinned_conversations", "lb_ready_accounts", "lb_account_state"),
    *("lb_account_state_until_timestamp_seconds", "lb_account_in_flight"),
    *("lb_window_used_ratio", "lb_window_reset_timestamp_seconds"),
}
"""Gauges that are the same in every worker, so that its own will do."""


def gauge(name: str, value: float, **labels: str) -> Metric:
    metric = Metric(name, "", "gauge")
    metric.add_sample(name, labels, value)
    return metric


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("lb_live_requests", 7.0),
        ("lb_event_loop_lag_seconds", 5.0),
        ("lb_store_up", 2.0),
        ("lb_ready_accounts", 2.0),
    ],
)
def test_what_stands_is_added_or_the_worst_of_it_or_known_to_all(name: str, wanted: float) -> None:
    told = sums.data_of([gauge(name, 5.0)])
    (found,) = sums.whole([gauge(name, 2.0)], [told])
    assert [sample.value for sample in found.samples] == [wanted]


def test_each_gauge_is_one_that_somebody_thought_about() -> None:
    thought = sums._ADD_UP | sums._LEAST | sums._MOST | KNOWN_TO_ALL
    gauges = {each.name for each in GAUGES if not each.name.endswith("_total")}
    assert gauges - thought == set()


async def test_counters_and_histograms_add_up_label_by_label(
    upstream: Upstream, proxy: Proxy
) -> None:
    server = await proxy(pool({"a": upstream.url}))
    await ask(server.url, asking())
    await ask(server.url, {"input": "no model"})
    house = server.watching.house  # type: ignore[attr-defined]
    one = {(s.name, *s.labels.items()): s.value for f in house.collect() for s in f.samples}
    told = sums.data_of(house.collect())
    whole = sums.whole(house.collect(), [told, told])
    three = {(s.name, *s.labels.items()): s.value for f in whole for s in f.samples}
    assert three.keys() == one.keys()
    counted = [key for key in one if re.search(r"lb_\w+(_total|_bucket|_count)$", key[0])]
    assert len(counted) > 20
    assert {key: three[key] for key in counted} == {key: 3 * one[key] for key in counted}
    empty = sums.whole(Metrics().families(), [told])
    assert sum(len(family.samples) for family in empty) > 20, "what only others counted is told"
