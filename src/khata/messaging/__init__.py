"""Messaging: the realtime service, beside the books. It knows people, messages and no money.

A message comes in through the *gateway* (`gateway.py`), is put on the *spool* (`spool.py`), a log
on disk that is the truth until a database has it, and goes to whoever it is for by the *router*
(`router.py`); who is not there, or does not read, has a *queue* (`queues.py`). The *persister*
(`persister.py`) carries the spool into the database. Nothing is acknowledged before it is on disk.
"""
