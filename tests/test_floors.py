"""The laws of the house, read from its source: floors, a pure core, small files and functions.

A law may be set aside only where it stands, with its reason beside it: a comment ``# reason: ...``
in the lines of the ``def`` or just above it; for a whole file, in its first lines.
"""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FLOORS = ("core", "config", "adapters", "proxy", "web", "app", "cli")
LONGEST_FILE = 300
LONGEST_FUNCTION = 40  # lines, its docstring not counted
MOST_PARAMETERS = 6
WORLD = {
    "aiohttp",
    "asyncio",
    "concurrent",
    "logging",
    "os",
    "select",
    "signal",
    "socket",
    "sqlite3",
    "ssl",
    "structlog",
    "subprocess",
    "tempfile",
    "tenacity",
    "threading",
    "time",
    "urllib.request",
    "uvloop",
}
"""Modules that touch the world, know the time or log: the core has none of them."""
NOW = {"now", "utcnow", "today"}
ASYNC = (ast.AsyncFunctionDef, ast.AsyncFor, ast.AsyncWith, ast.Await)
Function = ast.FunctionDef | ast.AsyncFunctionDef


def _sources(*folders: str) -> list[str]:
    found = (path for folder in folders for path in (ROOT / folder).rglob("*.py"))
    return sorted(str(path.relative_to(ROOT)) for path in found)


@cache
def _text(source: str) -> str:
    return (ROOT / source).read_text()


@cache
def _tree(source: str) -> ast.Module:
    return ast.parse(_text(source))


def _floor(module: str) -> int | None:
    """The floor of ``lb.x.y``: None for the ground (``lb`` itself)."""
    parts = module.split(".")
    if parts == ["lb", "__main__"]:
        return len(FLOORS) - 1
    name = parts[1].split("_")[0] if len(parts) > 1 else ""  # config_text stands with config
    return FLOORS.index(name) if name in FLOORS else None


def _module(source: str) -> str:
    return source.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def _imports(source: str) -> Iterator[tuple[int, str]]:
    """The modules a file imports, each with its line; names from ``lb`` count as modules."""
    for node in ast.walk(_tree(source)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{source}:{node.lineno}: imports are written in full"
            module = node.module or ""
            below = module == "lb" or module in {f"lb.{floor}" for floor in FLOORS}
            names = [f"{module}.{alias.name}" for alias in node.names] if below else [module]
            yield from ((node.lineno, name) for name in names)


def _excused(source: str, first: int, last: int) -> bool:
    lines = _text(source).splitlines()[max(0, first - 1) : last]
    return any("# reason: " in line for line in lines)


def _functions(source: str) -> Iterator[Function]:
    for node in ast.walk(_tree(source)):
        if isinstance(node, Function):
            first = min([node.lineno, *(each.lineno for each in node.decorator_list)])
            if not _excused(source, first - 1, node.body[0].lineno - 1 or first):
                yield node


@pytest.mark.parametrize("source", _sources("lb"))
def test_imports_only_point_down(source: str) -> None:
    own = _floor(_module(source))
    up = [
        f"{source}:{line} imports {module}"
        for line, module in _imports(source)
        if own is not None and (floor := _floor(module)) is not None and floor > own
    ]
    assert not up, f"{FLOORS[own or 0]} may only import what is below it"


def test_every_part_of_the_house_has_a_floor() -> None:
    homeless = {
        source
        for source in _sources("lb")
        if _floor(_module(source)) is None and source != "lb/__init__.py"
    }
    assert not homeless


@pytest.mark.parametrize("source", _sources("lb/core"))
def test_the_core_touches_nothing(source: str) -> None:
    roots = {(line, module.split(".")[0], module) for line, module in _imports(source)}
    touched = [f"{source}:{line} imports {m}" for line, root, m in roots if {root, m} & WORLD]
    assert not touched
    waits = [f"{source}:{n.lineno} waits" for n in ast.walk(_tree(source)) if isinstance(n, ASYNC)]
    assert not waits


@pytest.mark.parametrize("source", _sources("lb/core"))
def test_the_core_knows_neither_time_nor_chance(source: str) -> None:
    for node in ast.walk(_tree(source)):
        if isinstance(node, ast.ImportFrom) and node.module == "random":
            names = {alias.name for alias in node.names}
            assert names <= {"Random"}, f"{source}:{node.lineno}: chance comes in as an argument"
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            where = f"{source}:{node.lineno} calls {called}"
            assert not called.startswith("random."), where
            assert called not in {"open", "print", "input", "Random", "breakpoint"}, where
            assert called.split(".")[-1] not in NOW or "." not in called, where


@pytest.mark.parametrize("source", _sources("lb", "tests", "bench"))
def test_files_are_short(source: str) -> None:
    lines = _text(source).count("\n")
    assert lines <= LONGEST_FILE or _excused(source, 1, 5), f"{source} has {lines} lines"


@pytest.mark.parametrize("source", _sources("lb", "tests", "bench"))
def test_functions_are_short(source: str) -> None:
    long = [
        f"{source}:{function.lineno} {function.name} has {length} lines"
        for function in _functions(source)
        if (length := _length(function)) > LONGEST_FUNCTION
    ]
    assert not long


def _length(function: Function) -> int:
    length = (function.end_lineno or function.lineno) - function.lineno + 1
    first = function.body[0]
    if ast.get_docstring(function) is not None:
        length -= (first.end_lineno or first.lineno) - first.lineno + 1
    return length


@pytest.mark.parametrize("source", _sources("lb", "tests", "bench"))
def test_functions_ask_for_little(source: str) -> None:
    greedy = []
    for function in _functions(source):
        asked = function.args
        names = [each.arg for each in (*asked.posonlyargs, *asked.args, *asked.kwonlyargs)]
        wanted = [name for name in names if name not in {"self", "cls"}]
        if len(wanted) > MOST_PARAMETERS:
            greedy.append(f"{source}:{function.lineno} {function.name} asks for {len(wanted)}")
    assert not greedy
