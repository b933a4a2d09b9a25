"""The writer's own reading: rows come by their whole key, however large the book has become."""

import sqlite3

import khata.app  # noqa: F401 - every record class there is
from khata.engine.records import Record, spec
from khata.engine.sqlite import SqliteStore
from tests.servers import sqlite_at

WHAT = {str: "x", int: 7, bytes: b"x", bool: True}


def test_sqlite_looks_rows_up_by_their_whole_key(tmp_path):
    """No class of rows with a key of several columns is loaded by walking over a book."""
    sent = []
    path = tmp_path / "khata.db"
    sqlite_at(path)
    store = SqliteStore(str(path), 1)
    store._db.set_trace_callback(sent.append)
    plans = sqlite3.connect(path)
    looked = 0
    for cls in Record.__subclasses__():
        shape = spec(cls)
        if not cls.__module__.startswith("khata."):
            continue
        kinds = {column.name: column.type for column in shape.columns}
        one = tuple(WHAT[kinds[name]] for name in cls.TABLE.key)
        assert store.load(cls, [one if len(one) > 1 else one[0]] * 3) == []
        plan = " / ".join(row[3] for row in plans.execute(f"EXPLAIN QUERY PLAN {sent[-1]}"))
        wanted = " AND ".join(f"{name}=?" for name in ("book_id", *cls.TABLE.key))
        assert f"({wanted})" in plan, (cls, plan)
        looked += len(one) > 1
    assert looked > 5
    store.close()
    plans.close()
