"""Each rule alone, in this process: what it costs a megabyte of input."""

import json
from collections.abc import Callable, Iterable
from time import perf_counter_ns

from bench import bodies
from bench.rig import Rig
from bench.tables import Table, spread
from lb.core.body import Body
from lb.core.formats import FORMATS
from lb.core.formats.responses import NATIVE
from lb.core.gateway import NOTHING, RULES, Wish, hidden, model_is_chosen, planning
from lb.core.gateway.wish import read
from lb.core.rules import RULES as HOUSE
from lb.core.rules import Rule, prepare

SIZE = 1 << 20
MODEL = "gpt-5.5"
KINDS = ("email", "phone", "ip", "uuid", "token", "credit_card", "iban", "ssn", "mac")
WISHES: dict[str, Wish] = {
    "zdr": read({"zdr": True}),
    "chatHistoryCompression": read({"chatHistoryCompression": {"enabled": True}}),
    "mediaOptimization": read({"mediaOptimization": True}),
    "toolOptimization": read({"toolOptimization": {"enabled": True}}),
}
TAGS = [{"name": "code", "description": "programming, files", "models": [MODEL]}]
Made = Callable[[], Body]
Act = Callable[[Body], object]


def measure(rig: Rig) -> list[Table]:
    """The house's rules, in order; then what the ``gateway`` object may ask for."""
    source = _source()
    table = Table(
        "Each rule alone, ms a megabyte of input",
        ["", "ms/MB"],
        "A long turn of a coding agent, 20 tools, an image early on. A rule finds the body as those"
        " before it left it; the first one that decodes a field pays for those after it.",
    )
    rows = [*_house(source), *_wished(source), *_chat()]
    for name, made, act, size in rows:
        times = [_ms(made, act) * 1e6 / size for _ in range(3 if rig.quick else 9)]
        table.add(name, spread(times, "{:.3f}"))
    return [table]


def _source() -> bytes:
    told = json.loads(bodies.codex(MODEL, SIZE, stream=True))
    tool = told["tools"][0]
    told["tools"] = [{**tool, "name": f"{tool['name']}_{number}"} for number in range(20)]
    image = {"type": "input_image", "image_url": "data:image/png;base64," + "A" * 20_000}
    told["input"].insert(0, {"role": "user", "content": [image]})
    return json.dumps(told, separators=(",", ":")).encode()


def _house(source: bytes) -> list[tuple[str, Made, Act, int]]:
    rows: list[tuple[str, Made, Act, int]] = [
        ("cut into fields", lambda: Body(b"", {}), lambda _: Body.parse(source), len(source))
    ]
    for at, rule in enumerate(HOUSE):
        rows.append((rule.__name__, _after(source, [*HOUSE][:at]), rule, len(source)))
    rows.append(("**all of them**", _after(source, ()), prepare, len(source)))
    return rows


def _after(source: bytes, rules: Iterable[Rule]) -> Made:
    def made() -> Body:
        body = Body.parse(source)
        for rule in rules:
            rule(body)
        return body

    return made


def _wished(source: bytes) -> list[tuple[str, Made, Act, int]]:
    redact = read({"redact": {**dict.fromkeys(KINDS, True), "custom": [r"emp-\d+"]}})
    tags = read({"tags": TAGS, "imageGenerationModel": "painter"})
    acts: dict[str, Act] = {
        "`redact`, every kind": lambda body: hidden(body, redact, NATIVE),
        "`tags`, `imageGenerationModel`": lambda body: model_is_chosen(body, tags),
        "`planningTriggerScore`": lambda body: planning.is_hard(body, NOTHING),
    }
    for name, wish in WISHES.items():
        acts[f"`{name}`"] = _ruled(name, wish)
    made = _after(source, [*HOUSE])
    return [(name, made, act, len(source)) for name, act in acts.items()]


def _ruled(name: str, wish: Wish) -> Act:
    return lambda body: RULES[name](body, wish)


def _chat() -> list[tuple[str, Made, Act, int]]:
    said = "Now look at the next file and tell me what is wrong with it. " * 40
    turn = [{"role": "user", "content": said}, {"role": "assistant", "content": said}]
    told = {"model": MODEL, "messages": turn * (SIZE // (2 * len(said)))}
    source = json.dumps(told).encode()

    def heard(body: Body) -> None:
        FORMATS["chat"].heard(body)
        prepare(body)

    return [("a chat becomes a response", _after(source, ()), heard, len(source))]


def _ms(made: Made, act: Act) -> float:
    body = made()
    began = perf_counter_ns()
    act(body)
    return (perf_counter_ns() - began) / 1e6
