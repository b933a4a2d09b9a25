"""The machine: commands, book, writer, stores, journal. It knows no business.

A command is decided by a pure function on a `Book` and committed with everything it changes in
one database transaction. Read `command`, `book`, `decide`, `writer` in that order.
"""
