"""What a receipt may be: found from its bytes, never believed from its name. Pure.

A file is taken whole or not: each kind has a beginning and an end, and what lacks its end was cut
off on its way.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from typing import Final, NamedTuple

from khata.errors.operations import ReceiptRefused

_MOST_NAME: Final = 200
_TAIL: Final = 2048
_PNG: Final = b"\x89PNG\r\n\x1a\n"
_PNG_END: Final = b"IEND\xaeB\x60\x82"
_HEIC: Final = frozenset({b"heic", b"heix", b"heim", b"heis", b"mif1", b"msf1"})
_MARK: Final = re.compile(rb"\xff+([^\x00\xff])(..)", re.DOTALL)
_LEAST_BOX: Final = 8
_MOST_PARTS: Final = 2000
"""More than any camera writes; a file of nothing but headers is not walked to its end."""
_OVERRIDES: Final = frozenset("\u202a\u202b\u202d\u202e\u2066\u2067\u2068")
"""Characters that make `fdp.exe` read as `exe.pdf`. Joiners, which Persian needs, are none."""


def _pdf(data: bytes) -> bool | None:
    if not data.startswith(b"%PDF-"):
        return None
    return b"%%EOF" in data[-_TAIL:]


def _png(data: bytes) -> bool | None:
    if not data.startswith(_PNG):
        return None
    return data[12:16] == b"IHDR" and _PNG_END in data[-_TAIL:]


def _jpeg(data: bytes) -> bool | None:
    """A preview inside the header has an end of its own, so the header is walked over."""
    if not data.startswith(b"\xff\xd8\xff"):
        return None
    at = 2
    for _ in range(_MOST_PARTS):
        mark = _MARK.match(data, at)
        if mark is None:
            return False
        at = mark.end()
        length = int.from_bytes(mark[2])
        if mark[1] == b"\xda":  # the picture itself begins
            return data.find(b"\xff\xd9", at + length - 2) > 0
        at += max(length, 2) - 2
    return False


def _webp(data: bytes) -> bool | None:
    if not (data.startswith(b"RIFF") and data[8:12] == b"WEBP"):
        return None
    has_picture = data[12:16] in {b"VP8 ", b"VP8L", b"VP8X"}
    return has_picture and int.from_bytes(data[4:8], "little") + 8 <= len(data)


def _heic(data: bytes) -> bool | None:
    if data[4:8] != b"ftyp" or data[8:12] not in _HEIC:
        return None
    at, seen = 0, set[bytes]()
    for _ in range(_MOST_PARTS):
        if at == len(data):
            return {b"meta", b"mdat"} <= seen
        size, kind = int.from_bytes(data[at : at + 4]), data[at + 4 : at + 8]
        if size == 1:
            size = int.from_bytes(data[at + 8 : at + 16])
        elif size == 0:  # as far as the file goes
            size = len(data) - at
        at += size
        if size < _LEAST_BOX or at > len(data):
            return False
        seen.add(kind)
    return False


class Kind(NamedTuple):
    """A type of file. `ends`: how names may end. `whole`: of bytes: None when they are of another
    kind, else whether nothing is missing.
    """

    media: str
    ends: tuple[str, ...]
    whole: Callable[[bytes], bool | None]


KINDS: Final = (
    Kind("application/pdf", (".pdf",), _pdf),
    Kind("image/png", (".png",), _png),
    Kind("image/jpeg", (".jpg", ".jpeg"), _jpeg),
    Kind("image/webp", (".webp",), _webp),
    Kind("image/heic", (".heic", ".heif"), _heic),
)
"""Every kind of file that is taken."""


def kind_of(data: bytes) -> Kind:
    """What kind of file these bytes are. Errors: `ReceiptRefused` for no known one, or a part of
    one.
    """
    for kind in KINDS:
        whole = kind.whole(data)
        if whole:
            return kind
        if whole is False:
            raise ReceiptRefused(
                "The file is damaged, or a part of it is missing.",
                reason="truncated",
                expected=f"a whole file of type {kind.media}",
            )
    raise ReceiptRefused(
        "This is no file that can be a receipt.",
        reason="unknown_type",
        expected=[kind.media for kind in KINDS],
    )


def check_declared(kind: Kind, declared: str | None) -> None:
    """Refuse what was said to be something else; None says nothing. Errors: `ReceiptRefused`."""
    said = (declared or kind.media).partition(";")[0].strip().lower()
    if said not in {kind.media, kind.media.replace("heic", "heif"), "application/octet-stream"}:
        raise ReceiptRefused(
            "The file is not of the type that it was sent as.",
            reason="type_mismatch",
            expected=kind.media,
            got=said[:100],
        )


def checked_name(kind: Kind, name: str | None) -> str:
    """The name that people gave the file, in NFC; None gives it one.

    It is shown to people and never a path. Errors: `ReceiptRefused`.
    """
    if name is None:
        return f"receipt{kind.ends[0]}"
    made = unicodedata.normalize("NFC", name).strip()
    if not _is_shown(made):
        raise ReceiptRefused(
            "The file's name cannot be kept.",
            reason="bad_name",
            expected=f"a name of 1 to {_MOST_NAME} visible characters without / and \\",
            got=ascii(made[:60]),
        )
    if not made.lower().endswith(kind.ends):
        raise ReceiptRefused(
            "The file's name ends as that of another type.",
            reason="name_mismatch",
            expected=list(kind.ends),
            got=made[-20:],
        )
    return made


def _is_shown(name: str) -> bool:
    if not 0 < len(name) <= _MOST_NAME or _OVERRIDES & set(name):
        return False
    return not any(
        letter in "/\\" or unicodedata.category(letter) in {"Cc", "Cs"} for letter in name
    )
