"""The source tree as data: every module parsed once, with what it imports and defines."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "khata"
TEXTS = (".py", ".md", ".toml", ".txt", ".html", ".css", ".js", ".yml", ".yaml", ".cfg", ".ini")

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Import:
    """One name that a module imports: `target` is a module, `name` what is taken from it."""

    target: str
    name: str | None
    line: int
    inside_function: bool
    typing_only: bool


@dataclass(frozen=True)
class Module:
    """A parsed file; `name` is its dotted name, a package's own for an `__init__`."""

    path: Path
    name: str
    text: str
    tree: ast.Module
    imports: tuple[Import, ...] = field(repr=False)

    @property
    def where(self) -> str:
        """The path as a person would type it."""
        return str(self.path.relative_to(ROOT))

    @property
    def lines(self) -> list[str]:
        """The lines of the file."""
        return self.text.splitlines()

    @property
    def is_package(self) -> bool:
        """Whether this is an `__init__`."""
        return self.path.name == "__init__.py"

    def functions(self) -> Iterator[Function]:
        """Every function and method, nested ones too."""
        for node in ast.walk(self.tree):
            if isinstance(node, Function):
                yield node


@cache
def modules() -> tuple[Module, ...]:
    """All modules of `src/khata`, in the order of their paths."""
    return tuple(parse(path, SOURCE.parent) for path in sorted(SOURCE.rglob("*.py")))


def parse(path: Path, base: Path) -> Module:
    """The module in a file; `base` is the folder that its dotted name starts from."""
    parts = list(path.relative_to(base).with_suffix("").parts)
    package = parts[:-1]
    if parts[-1] == "__init__":
        parts.pop()
    text = path.read_text(encoding="utf-8")
    tree = ast.parse(text, str(path))
    return Module(path, ".".join(parts), text, tree, tuple(_imports(tree, package)))


def _imports(tree: ast.Module, package: list[str]) -> Iterator[Import]:
    def visit(node: ast.AST, *, inside: bool, typing_only: bool) -> Iterator[Import]:
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(alias.name, None, node.lineno, inside, typing_only)
        elif isinstance(node, ast.ImportFrom):
            up = package[: len(package) - node.level + 1] if node.level else []
            target = ".".join([*up, *([node.module] if node.module else [])])
            for alias in node.names:
                yield Import(target, alias.name, node.lineno, inside, typing_only)
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            for child in node.body:
                yield from visit(child, inside=inside, typing_only=True)
            for child in node.orelse:
                yield from visit(child, inside=inside, typing_only=typing_only)
        else:
            deeper = inside or isinstance(node, Function | ast.Lambda)
            for child in ast.iter_child_nodes(node):
                yield from visit(child, inside=deeper, typing_only=typing_only)

    yield from visit(tree, inside=False, typing_only=False)


def resolve(item: Import) -> str:
    """The module that an import runs: the submodule when that is what its name stands for."""
    known = {module.name for module in modules()}
    if item.name is not None and f"{item.target}.{item.name}" in known:
        return f"{item.target}.{item.name}"
    return item.target


def texts() -> Iterator[Path]:
    """Every text file of the project that a person reads, wherever it lies."""
    for folder in ("src", "docs", "tests", ".ci"):
        for path in sorted((ROOT / folder).rglob("*")):
            hidden = any(part.startswith((".", "__pycache__")) for part in path.parts[-3:-1])
            if (
                path.is_file()
                and (path.suffix in TEXTS or folder == ".ci")
                and (not hidden or folder == ".ci")
            ):
                yield path
    yield from sorted(path for path in ROOT.iterdir() if path.is_file() and _is_ours(path))


def _is_ours(path: Path) -> bool:
    return path.suffix in TEXTS or path.name == "Makefile"
