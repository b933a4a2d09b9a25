"""What no database can hold: kept in a folder of the spool, sealed as it was, for a person."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from khata.messaging import records, segments
from khata.messaging.sealing import DataKey

FOLDER: Final = "aside"
"""Its files are segments like those of a spool, one for each key: `Reader` reads them."""


def keep(folder: Path, record: bytes, key: DataKey | None) -> None:
    """Add a record. It is on disk before this returns. Errors: `OSError`."""
    place = folder / FOLDER
    place.mkdir(mode=0o700, exist_ok=True)
    number = _number(place, key)
    path = segments.path_of(place, number)
    file = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)
    try:
        content = records.content((record,))
        os.write(file, segments.frame(content, 1, os.fstat(file).st_size, key))
        os.fsync(file)
    finally:
        os.close(file)
    segments.keep_names(place)


def _number(place: Path, key: DataKey | None) -> int:
    """The segment with this key: the last one, or a new one; the first has none."""
    if key is None:
        return 1
    found = [n for n in segments.numbers(place) if n > 1]
    if found and segments.key_text(place, found[-1]) == key.sealed:
        return found[-1]
    number = max(found, default=1) + 1
    segments.keep(segments.key_path(place, number), key.sealed)
    return number
