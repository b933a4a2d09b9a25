"""Words that have no place in the project, and marks of work left undone."""

import ast
import re

import pytest

from tests.shape.ladder import shelf
from tests.shape.tree import ROOT, modules, texts

# Put together from halves, so that this list is not its own first finding.
BANNED = {
    "an unfinished thought": re.compile(r"\b(TO" r"DO|FIX" r"ME)\b|#.*\bX" r"XX\b"),
    "talk about the making of": re.compile(r"\bissue" r" tracker\b|\bissue #\d", re.IGNORECASE),
    "a package registry's address": re.compile(
        r"\bpy" r"pi\.(org|python)|python" r"hosted\.org|registry\.npm" r"js|crates" r"\.io/",
        re.IGNORECASE,
    ),
    "a path of one machine": re.compile(r"/wo" r"rk/|/home/\w+/|/Users/\w+/|/ro" r"ot/"),
}


@pytest.mark.parametrize("reason", BANNED)
def test_no_text_has(reason):
    """What is published is finished, and says nothing about where it was written."""
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()[:80]}"
        for path in texts()
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if BANNED[reason].search(line)
    ]
    assert found == []


def test_no_error_is_swallowed_blindly():
    """A bare `except` also catches the order to stop; `except …: pass` hides what happened."""
    found = [
        f"{module.where}:{node.lineno}"
        for module in modules()
        for node in ast.walk(module.tree)
        if isinstance(node, ast.ExceptHandler)
        and (node.type is None or all(isinstance(line, ast.Pass) for line in node.body))
    ]
    assert found == []


def test_only_the_command_line_prints():
    """Everything else logs, returns or raises."""
    found = [
        f"{module.where}:{node.lineno}"
        for module in modules()
        if not (shelf(module.name) == "edge" and module.name.split(".")[2:3] == ["cli"])
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "print"
    ]
    assert found == []


def test_no_money_is_a_float():
    """Amounts are integers in minor units inside, decimal strings outside."""
    found = [
        f"{module.where}:{node.lineno}"
        for module in modules()
        if shelf(module.name) in {"base", "domain"}
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Name) and node.id == "float"
    ]
    assert found == []


def test_the_pins_are_names_and_versions():
    """A pin that carries an address ties the project to one machine's mirror."""
    pin = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]*==[A-Za-z0-9.!+]+$")
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if not pin.match(line)] == []
    assert len(lines) == len({line.partition("==")[0].lower() for line in lines})


def test_every_test_has_its_sentence():
    """A test says in a sentence what must hold."""
    found = []
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            is_test = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
            if is_test and node.name.startswith("test_") and not ast.get_docstring(node):
                found.append(f"{path.relative_to(ROOT)}:{node.lineno} {node.name}")
    assert found == []
