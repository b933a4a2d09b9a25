"""XML as a stream of small trees: a statement's parts one by one, never the whole file.

A document type declaration is refused before anything in it is read, so there are no entities
to expand and nothing outside to fetch.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final, NoReturn
from xml.parsers import expat

from khata.edge.files.statements.neutral import refuse

DEEPEST: Final = 32
_SPACE: Final = re.compile(r"camt\.(\d{3})\.\d{3}\.(\d{2})$")
_STATEMENT: Final = "053"
_WANTED: Final = "ISO 20022 camt.053"
_AT: Final = 3
"""How deep a statement's parts are: Document, BkToCstmrStmt, Stmt, and then they."""


class Node:
    """An element: its tag without the namespace, its line, text, attributes and children."""

    __slots__ = ("attributes", "children", "line", "tag", "text")

    def __init__(self, tag: str, line: int, attributes: dict[str, str]) -> None:
        self.tag = tag
        self.line = line
        self.attributes = attributes
        self.children: list[Node] = []
        self.text = ""

    def each(self, *path: str) -> list[Node]:
        """All elements at this path."""
        found = [self]
        for tag in path:
            found = [child for node in found for child in node.children if child.tag == tag]
        return found

    def first(self, *path: str) -> Node | None:
        """The first element at this path, or None."""
        found = self.each(*path)
        return found[0] if found else None

    def word(self, *path: str) -> str | None:
        """The text of the first element at this path that has one; None without."""
        for node in self.each(*path):
            if text := node.text.strip():
                return text
        return None


class Reader:
    """Reads a document and hands out its parts as they end.

    `part(node)` is called for each element right below a `Stmt`; `end(line)` after each `Stmt`.
    """

    def __init__(self, part: Callable[[Node], None], end: Callable[[int], None]) -> None:
        self._part = part
        self._end = end
        self._open: list[Node] = []
        self._tags: dict[str, str] = {}
        self._depth = 0
        self._inside = False
        self._pieces: list[str] = []
        self._expat = expat.ParserCreate(namespace_separator="\n")
        self._expat.buffer_text = True
        self._expat.StartDoctypeDeclHandler = self._doctype
        self._expat.StartElementHandler = self._started
        self._expat.EndElementHandler = self._ended
        self._expat.CharacterDataHandler = self._pieces.append

    def read(self, raw: bytes) -> None:
        """Read all of it. Errors: `StatementRefused`: `xml`, `truncated`, `doctype`, `format`."""
        try:
            self._expat.Parse(raw, True)
        except expat.ExpatError as error:
            what = expat.errors.messages.get(error.code, "not XML")
            ended = what in {
                expat.errors.XML_ERROR_NO_ELEMENTS,
                expat.errors.XML_ERROR_UNCLOSED_TOKEN,
                expat.errors.XML_ERROR_PARTIAL_CHAR,
                expat.errors.XML_ERROR_UNCLOSED_CDATA_SECTION,
            }
            reason = "truncated" if ended else "xml"
            told = "is where the file breaks off" if ended else "is not XML"
            refuse(reason, told, error.lineno, "a whole XML document", what)
        except (UnicodeError, LookupError, ValueError) as error:
            refuse("encoding", "is in an encoding that cannot be read", None, "UTF-8", str(error))

    def _doctype(self, *_: object) -> NoReturn:
        at = self._expat.CurrentLineNumber
        refuse("doctype", "declares a document type", at, "XML without one", "<!DOCTYPE")

    def _started(self, name: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        if self._depth > DEEPEST:
            refuse("xml", "is nested too deeply", self._line(), DEEPEST, self._depth)
        if self._depth == 1:
            self._check_root(name)
        tag = self._tag(name)
        if self._depth == _AT:
            self._inside = tag == "Stmt"
        self._pieces.clear()
        if self._inside and self._depth > _AT:
            self._open.append(Node(tag, self._line(), attributes))

    def _ended(self, _: str) -> None:
        self._depth -= 1
        if self._open:
            node = self._open.pop()
            if not node.children:
                node.text = "".join(self._pieces)
            if self._open:
                self._open[-1].children.append(node)
            else:
                self._part(node)
        elif self._inside and self._depth == _AT - 1:
            self._inside = False
            self._end(self._line())
        self._pieces.clear()

    def _tag(self, name: str) -> str:
        tag = self._tags.get(name)
        if tag is None:
            tag = self._tags[name] = name.rpartition("\n")[2]
        return tag

    def _line(self) -> int:
        return int(self._expat.CurrentLineNumber)

    def _check_root(self, name: str) -> None:
        space, _, tag = name.rpartition("\n")
        found = _SPACE.search(space)
        if found is None or tag != "Document":
            refuse("format", "is another kind of XML", self._line(), _WANTED, space or tag)
        if found[1] != _STATEMENT:
            refuse("format", "is a report, not a statement", self._line(), _WANTED, found[0])
