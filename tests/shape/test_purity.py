"""The domain decides and does nothing else: no clock, no chance, no world.

`model`, `commands`, `rules` and `sagas` are pure, and so is any other file of a room; `queries`
may build selects, and only selects.
"""

import ast

import pytest

from tests.shape.ladder import room
from tests.shape.tree import Module, modules

WORLD = {
    "alembic", "asyncio", "concurrent", "ctypes", "granian", "httpx", "importlib", "io", "litestar",
    "logging", "multiprocessing", "os", "pathlib", "psycopg", "queue", "random", "secrets",
    "shutil", "signal", "socket", "sqlalchemy", "sqlite3", "structlog", "subprocess", "sys",
    "tempfile", "threading", "time", "urllib", "uuid",
}  # fmt: skip
CLOCKS = {"now", "utcnow", "today"}
WORLDLY_CALLS = {"open", "input", "print", "exec", "eval", "__import__"}
WRITES = {"insert", "update", "delete", "commit", "bulk_save_objects"}


def in_rooms(*names: str) -> list[Module]:
    """The rooms' files with these names; without a name, all of them."""
    return [
        module
        for module in modules()
        if room(module.name) and (not names or module.path.stem in names)
    ]


def pure() -> list[Module]:
    """Every file of a room that must be pure."""
    return [module for module in in_rooms() if module.path.stem != "queries"]


def test_the_domain_imports_nothing_of_the_world():
    """A handler that could see the world could not be run again."""
    broken = [
        f"{module.where}:{item.line} imports {item.target}"
        for module in pure()
        for item in module.imports
        if item.target.split(".")[0] in WORLD
        or (item.target, item.name) == ("khata.base.clock", "system_clock")
    ]
    assert broken == []


def test_the_domain_asks_no_clock_and_opens_nothing():
    """Time is `book.now`; files, prints and evaluated text have no place here."""
    broken = [
        f"{module.where}:{node.lineno} calls {_called(node)}"
        for module in pure()
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Call) and _is_worldly(node)
    ]
    assert broken == []


def test_the_domain_is_synchronous():
    """A pure function has nothing to wait for."""
    waiting = ast.AsyncFunctionDef | ast.Await | ast.AsyncFor | ast.AsyncWith
    broken = [
        f"{module.where}:{node.lineno}"
        for module in in_rooms()
        for node in ast.walk(module.tree)
        if isinstance(node, waiting)
    ]
    assert broken == []


def test_rules_know_no_book():
    """A rule is a function of values, so that it can be tested with values."""
    broken = [
        f"{module.where}:{function.lineno} {function.name}"
        for module in in_rooms("rules")
        for function in module.functions()
        if "book" in {argument.arg for argument in _arguments(function)}
    ]
    assert broken == []


def test_models_decide_nothing_with_a_book():
    """A record is data; who wants to change it is a command."""
    broken = [
        f"{module.where}:{item.line} imports {item.target}"
        for module in in_rooms("model")
        for item in module.imports
        if item.target == "khata.engine.book"
    ]
    assert broken == []


def test_queries_write_nothing():
    """Everything that changes a book is a command."""
    broken = [
        f"{module.where}:{node.lineno} calls {_called(node)}"
        for module in in_rooms("queries")
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Call) and _called(node) in WRITES
    ]
    broken += [
        f"{module.where}:{item.line} imports {item.name}"
        for module in in_rooms("queries")
        for item in module.imports
        if item.target.startswith("sqlalchemy") and item.name in WRITES
    ]
    assert broken == []


@pytest.mark.parametrize("text", ["datetime.now()", "open('x')", "date.today()", "print(1)"])
def test_the_clock_rule_sees(text):
    """The rule would find what it looks for."""
    assert _is_worldly(ast.parse(text).body[0].value)


def _is_worldly(call: ast.Call) -> bool:
    if isinstance(call.func, ast.Name):
        return call.func.id in WORLDLY_CALLS
    return isinstance(call.func, ast.Attribute) and call.func.attr in CLOCKS


def _called(call: ast.Call) -> str:
    if isinstance(call.func, ast.Attribute):
        return call.func.attr
    return call.func.id if isinstance(call.func, ast.Name) else ""


def _arguments(function: ast.FunctionDef | ast.AsyncFunctionDef) -> list[ast.arg]:
    found = function.args
    return [*found.posonlyargs, *found.args, *found.kwonlyargs]
