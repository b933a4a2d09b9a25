"""The ladder holds: every module imports only what stands above it."""

import sys
from graphlib import CycleError, TopologicalSorter

from tests.shape.ladder import MAY_IMPORT, ROOMS, THIRD_PARTY_OF_BASE, room, shelf
from tests.shape.tree import Module, modules, resolve


def test_every_module_stands_on_a_known_shelf():
    """A new top-level module or folder is a decision about the architecture."""
    strangers = [module.where for module in modules() if shelf(module.name) not in MAY_IMPORT]
    assert strangers == []


def test_every_room_has_its_place():
    """A new room says which rooms it may use, by its place in the row."""
    found = {room(module.name) for module in modules()} - {None}
    assert found - set(ROOMS) == set()


def test_shelves_import_only_what_stands_above():
    """No module reaches down the ladder, not even for a type."""
    broken = [
        f"{module.where}:{item.line} imports {resolve(item)}"
        for module in modules()
        for item in module.imports
        if item.target.split(".")[0] == "khata"
        and shelf(resolve(item)) not in MAY_IMPORT.get(shelf(module.name), set())
        and not _names_the_version(module, item.target, item.name)
    ]
    assert broken == []


def _names_the_version(module: Module, target: str, name: str | None) -> bool:
    """The doors may say which Khata they are; nobody else imports the package itself."""
    return target == "khata" and name == "__version__" and shelf(module.name) in {"edge", "app"}


def test_rooms_import_only_rooms_to_their_left():
    """The business has an order too: a wallet knows nothing of an order."""
    broken = [
        f"{module.where}:{item.line} imports {other}"
        for module in modules()
        for item in module.imports
        if (mine := room(module.name))
        and (other := room(resolve(item)))
        and mine != other
        and ROOMS.index(other) > ROOMS.index(mine)
    ]
    assert broken == []


def test_rooms_are_entered_by_the_door():
    """Another room is what its `__init__` says that it is; the rest is its own affair."""
    broken = [
        f"{module.where}:{item.line} imports {resolve(item)}"
        for module in modules()
        for item in module.imports
        if (mine := room(module.name))
        and (other := room(resolve(item)))
        and mine != other
        and resolve(item) != f"khata.domain.{other}"
    ]
    assert broken == []


def test_base_needs_the_standard_library_and_msgspec_only():
    """The words that all share bring nothing along."""
    allowed = sys.stdlib_module_names | THIRD_PARTY_OF_BASE | {"khata"}
    broken = [
        f"{module.where}:{item.line} imports {item.target}"
        for module in modules()
        if shelf(module.name) in {"base", "errors"}
        for item in module.imports
        if item.target.split(".")[0] not in allowed
    ]
    assert broken == []


def test_no_import_cycles():
    """What is imported when a module loads forms no circle."""
    graph = {
        module.name: {
            target
            for item in module.imports
            if not item.inside_function
            and not item.typing_only
            and (target := resolve(item)).startswith("khata")
            and target != module.name
        }
        for module in modules()
    }
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        cycle = " → ".join(error.args[1])
        raise AssertionError(cycle) from None


def test_an_import_inside_a_function_has_its_reason():
    """A late import is a choice; a comment on its line or the one before says why."""
    broken = []
    for module in modules():
        seen = set()
        for item in (item for item in module.imports if item.inside_function):
            above = module.lines[item.line - 2].strip()
            # a run of late imports shares the reason above its first line
            if not (
                "#" in module.lines[item.line - 1].split("# noqa")[0]
                or above.startswith("#")
                or item.line - 1 in seen
            ):
                broken.append(f"{module.where}:{item.line} imports {item.target}")
            else:
                seen.add(item.line)
    assert broken == []


def test_nobody_imports_everything():
    """`from x import *` hides where a name comes from."""
    broken = [
        f"{module.where}:{item.line}"
        for module in modules()
        for item in module.imports
        if item.name == "*"
    ]
    assert broken == []
