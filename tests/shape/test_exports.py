"""What can be imported from where: the package and every room say it in `__all__`."""

import ast
import importlib

import pytest

from tests.shape.ladder import room
from tests.shape.tree import Module, modules

DOORS = [module for module in modules() if room(module.name) and module.is_package]


def exported(module: Module) -> list[str] | None:
    """The names in `__all__`, as written; None without one."""
    for node in module.tree.body:
        targets = node.targets if isinstance(node, ast.Assign) else []
        if any(isinstance(name, ast.Name) and name.id == "__all__" for name in targets):
            return list(ast.literal_eval(node.value))
    return None


@pytest.mark.parametrize("door", DOORS, ids=lambda door: door.name)
def test_every_room_says_what_it_offers(door):
    """A room's `__init__` has an `__all__`, and all of it can be imported."""
    names = exported(door)
    assert names is not None
    loaded = importlib.import_module(door.name)
    assert [name for name in names if not hasattr(loaded, name)] == []


@pytest.mark.parametrize("door", DOORS, ids=lambda door: door.name)
def test_a_door_decides_nothing(door):
    """A room's `__init__` passes names on and defines none."""
    defined = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
    assert [node.name for node in door.tree.body if isinstance(node, defined)] == []


def test_the_package_offers_a_sorted_list_that_works():
    """`khata.__all__` is in order, without doubles, and everything in it exists."""
    khata = importlib.import_module("khata")
    assert list(khata.__all__) == sorted(set(khata.__all__))
    assert [name for name in khata.__all__ if not hasattr(khata, name)] == []
