"""The benches: Khata beside a baseline that does the same work the usual way."""
