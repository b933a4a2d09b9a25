"""Every refusal has a stable code, and one page explains them all."""

import importlib
import inspect
import re

from khata import errors
from tests.shape.tree import ROOT, modules

PAGE = ROOT / "docs" / "errors.md"
ROW = re.compile(r"^\| `(?P<code>[a-z0-9_]+)` \|(?P<rest>.*)$", re.MULTILINE)


def tree() -> list[type[errors.KhataError]]:
    """The root and every class below it, wherever it is defined."""
    for module in modules():
        if "KhataError" in module.text or "khata.errors" in module.text:
            importlib.import_module(module.name)
    found = [errors.KhataError]
    for cls in found:  # grows while it is walked
        found.extend(child for child in cls.__subclasses__() if child not in found)
    # a test may define errors of its own
    return [cls for cls in found if cls.__module__.startswith("khata.")]


def documented() -> dict[str, str]:
    """Code → the rest of its row on the page."""
    rows = ROW.findall(PAGE.read_text(encoding="utf-8"))
    assert len(rows) == len(dict(rows)), "a code has two rows"
    return dict(rows)


def test_every_code_is_documented_and_no_other():
    """The page lists exactly the codes that a caller can meet."""
    codes = {cls.code for cls in tree()}
    assert {"missing": sorted(codes - documented().keys())} == {"missing": []}
    assert {"unknown": sorted(documented().keys() - codes)} == {"unknown": []}


def test_the_page_says_what_may_be_retried():
    """A row says "retry" exactly when the class is retryable."""
    rows = documented()
    said = {code for code, rest in rows.items() if "| yes |" in f"|{rest}"}
    assert said == {cls.code for cls in tree() if cls.retryable}


def test_codes_are_stable_words_of_their_own():
    """Each class has its own code, in snake case."""
    own = [cls.__dict__.get("code") for cls in tree()]
    assert None not in own
    assert len(own) == len(set(own))
    assert [code for code in own if not re.fullmatch(r"[a-z][a-z0-9_]*", code)] == []


def test_only_what_is_unavailable_may_be_retried():
    """One family is retryable, so that a client needs to know one rule."""
    assert {cls for cls in tree() if cls.retryable} == {
        cls for cls in tree() if issubclass(cls, errors.Unavailable)
    }


def test_every_error_explains_itself():
    """A docstring on each class; the page is written from it."""
    assert [cls.__name__ for cls in tree() if not inspect.getdoc(cls)] == []
