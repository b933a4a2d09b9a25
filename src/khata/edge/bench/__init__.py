"""The benches: Khata beside a baseline that does the same work the usual way.

`ledger`, `bulk`, `serving`, `importing`, `orchestrating` and `checkout` each measure one thing on a
`ground` of their own (an empty database that is gone afterwards) and verify the book in the end;
`cli` shows what they found.
"""
