"""Whether a request notices a long ledger, and somebody who looks at the dashboard meanwhile."""

import http.client
import shutil
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import cycle
from pathlib import Path

from bench import bodies, processes
from bench.contenders import Contender, Maker
from bench.rig import Reading, Rig, settle
from bench.tables import Table, ratio, spread

EVERY_S = 0.5  # two questions a second: somebody who clicks
PAGES = (
    "/admin/requests?limit=100",
    "/admin/usage?by=key&since=30d",
    "/admin/requests?limit=100&key=key-3",
    "/admin/usage?by=day&since=30d",
    "/admin/requests?limit=100&key=key-3&model=model-2&account=account-5",
    "/admin/usage?by=model&since=7d",
    "/admin/requests?limit=100&outcome=failed",
    "/admin/status",
)


def compared(rig: Rig, ledger: Path, rows: int) -> Table:
    """An lb with an empty ledger beside one with ``ledger``, each left alone and asked, in turn."""
    table = Table(
        f"Requests beside a ledger of {rows:,}",
        [
            *("", "CPU, µs (64 at a time)", "/ empty"),
            *("p50, µs (one at a time)", "/ empty", "p99, µs", "/ empty"),
        ],
        f"JSON. Asked: a dashboard's question every {EVERY_S} s, and its live feed open; what the"
        " answers cost is in the CPU. The ratios are medians of the rounds' ratios.",
    )
    found: dict[str, list[tuple[Reading, Reading]]] = defaultdict(list)
    body = bodies.small("bench-json", stream=False)
    ways: list[tuple[str, Contender, bool]] = []
    with ExitStack() as stack, processes.on(processes.OTHER_CORES):
        for name, make in (("empty", rig.lb()), ("long", _with(ledger, rig.lb()))):
            contender = stack.enter_context(rig.fresh(f"lb-{name}", make))
            ways += [(name, contender, False), (f"{name}, asked", contender, True)]
        settle(2.0)
        for each in range(rig.rounds + 1):
            for place in range(len(ways)):
                name, contender, asked = ways[(place + each) % len(ways)]
                with _asking(contender.port) if asked else ExitStack():
                    many = rig.load(contender, body, "-c", 64, "-s", 1.0 if rig.quick else 2.0)
                    one = rig.load(contender, body, "-s", 1.0 if rig.quick else 2.0)
                if each:  # the first is to warm up
                    found[name].append((many, one))
    base = found["empty"]
    for name, *_ in ways:
        cells, readings = [name], found[name]
        for values, others, form in (
            ([m.cpu_each_us for m, _ in readings], [m.cpu_each_us for m, _ in base], "{:,.0f}"),
            ([o.total_us[0] for _, o in readings], [o.total_us[0] for _, o in base], "{:,.0f}"),
            ([o.total_us[2] for _, o in readings], [o.total_us[2] for _, o in base], "{:,.0f}"),
        ):
            cells += [spread(values, form), ratio(values, others)]
        table.add(*cells)
    return table


def _with(ledger: Path, make: Maker) -> Maker:
    """The same lb, with a past."""

    def made(folder: Path, port: int, upstream: int) -> list[str]:
        data = folder / "data"
        data.mkdir(mode=0o700)
        shutil.copy(ledger, data / ledger.name)
        return make(folder, port, upstream)

    return made


@contextmanager
def _asking(port: int) -> Iterator[None]:
    """Somebody looks at the dashboard meanwhile."""
    over = threading.Event()
    feed = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    threads = [
        threading.Thread(target=_asks, args=(port, over)),
        threading.Thread(target=_follows, args=(feed, over)),
    ]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        over.set()
        for thread in threads:
            thread.join()


def _asks(port: int, over: threading.Event) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    for page in cycle(PAGES):
        connection.request("GET", page)
        answer = connection.getresponse()
        answer.read()
        if answer.status != 200:
            print(f"  {page} was answered with {answer.status}", flush=True)
        if over.wait(EVERY_S):
            break
    connection.close()


def _follows(feed: http.client.HTTPConnection, over: threading.Event) -> None:
    feed.request("GET", "/admin/live")
    answer = feed.getresponse()
    while not over.is_set() and answer.readline():  # something comes every second
        continue
    feed.close()
