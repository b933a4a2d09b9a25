"""What SQLite's planner is told about the tables.

Every key begins with `book_id`, of which a file has few. A planner that knows no figures takes it
for selective, and walks a whole book by its primary key where an index would find one row. So a
new file is given figures; `ANALYZE` may replace them with counted ones at any time.
"""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa

_ROWS: Final = 1_000_000
_ALIKE: Final = 100
_NO_BOOK: Final = ("alembic_version", "books")


def write_figures(connection: sa.Connection) -> None:
    """Tell SQLite how many rows share the first columns of each index: a whole book for one."""
    connection.exec_driver_sql("ANALYZE")
    connection.exec_driver_sql("DELETE FROM sqlite_stat1")
    found = sa.inspect(connection)
    for table in found.get_table_names():
        if table in _NO_BOOK:
            continue
        rowless = not _has_rowid(connection, table)
        indexes = connection.exec_driver_sql(f'PRAGMA index_list("{table}")').fetchall()
        for _, index, unique, origin, *_ in indexes:
            columns = connection.exec_driver_sql(f'PRAGMA index_info("{index}")').fetchall()
            name = table if origin == "pk" and rowless else index
            connection.exec_driver_sql(
                "INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES (?, ?, ?)",
                (table, name, _figures(len(columns), unique=bool(unique))),
            )
    connection.exec_driver_sql("ANALYZE sqlite_schema")


def _figures(columns: int, *, unique: bool) -> str:
    """Rows in all, then rows alike in the first column, in the first two, and so on."""
    alike = [max(_ALIKE // 10**depth, 1) for depth in range(columns - 1)]
    if unique:
        alike[-1:] = [1]
    return " ".join(map(str, (_ROWS, _ROWS, *alike)))


def _has_rowid(connection: sa.Connection, table: str) -> bool:
    sql = connection.exec_driver_sql("SELECT sql FROM sqlite_schema WHERE name = ?", (table,))
    return "WITHOUT ROWID" not in str(sql.scalar())
