"""Small files, small functions, honest names.

A function is counted from its `def` to its end, without its docstring: explaining is free.
"""

import ast
import re

from tests.shape.tree import ROOT, Function, Module, modules

FILE_STOP, FILE_THINK = 600, 400
FUNCTION_STOP, FUNCTION_SHORT, SHORT_SHARE = 70, 25, 0.9
LINE = 100
PRAGMA = re.compile(r"\s*# (noqa|type: ignore).*$")
NAMELESS = re.compile(r"^_*(utils?|helpers?|common|misc|managers?|services?)$")


def length(function: Function) -> int:
    """The lines of a function, its decorators and its docstring left out."""
    lines = function.end_lineno - function.lineno + 1
    first = function.body[0]
    if ast.get_docstring(function, clean=False) is not None:
        lines -= first.end_lineno - first.lineno + 1
    return lines


def test_no_file_is_too_long(record_property):
    """At 400 lines one thinks, at 600 one stops."""
    sizes = {module.where: len(module.lines) for module in modules()}
    record_property("files to think about", [n for n, size in sizes.items() if size > FILE_THINK])
    assert {name: size for name, size in sizes.items() if size > FILE_STOP} == {}


def test_no_function_is_too_long():
    """Past 70 lines a function is two."""
    assert [
        f"{module.where}:{function.lineno} {function.name}: {length(function)} lines"
        for module in modules()
        for function in module.functions()
        if length(function) > FUNCTION_STOP
    ] == []


def test_nine_functions_of_ten_are_short():
    """Over the whole tree, nine functions of ten have at most 25 lines."""
    lengths = [length(function) for module in modules() for function in module.functions()]
    short = sum(lines <= FUNCTION_SHORT for lines in lengths)
    assert short >= SHORT_SHARE * len(lengths), f"{short} of {len(lengths)}"


def test_no_line_is_too_long():
    """Two files fit side by side. The reason of a `noqa` does not count: it must share the line."""
    assert [
        f"{module.where}:{number}"
        for module in modules()
        for number, line in enumerate(module.lines, 1)
        if len(PRAGMA.sub("", line)) > LINE
    ] == []


def test_every_module_has_a_name_that_says_something():
    """A drawer for everything is a drawer that nobody opens."""
    assert [
        module.where
        for module in modules()
        if any(NAMELESS.match(part) for part in module.name.split("."))
    ] == []


def test_every_module_opens_with_what_a_newcomer_needs():
    """Each file with something in it begins with a docstring."""
    assert [module.where for module in modules() if not _is_introduced(module)] == []


def test_the_readme_is_short():
    """What does not fit in 120 lines belongs into docs."""
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 120


def test_an_empty_function_counts_its_docstring_as_nothing():
    """The measure itself: two lines of code, three of words."""
    function = ast.parse('def f():\n    """One.\n\n    Two.\n    """\n    return 1\n').body[0]
    assert length(function) == 2


def _is_introduced(module: Module) -> bool:
    return not module.text.strip() or bool(ast.get_docstring(module.tree))
