"""Messaging at the doors: who answers over HTTP, beside a gateway or without one."""
