"""Logs: one JSON object a line on standard output. Headers, bodies and queries are never in it.

A fault is told with the lines it came through and never with their variables, which would be
amounts, commands and keys.
"""

from __future__ import annotations

import logging
import sys
from typing import Any

import msgspec
import structlog


def set_up(level: str) -> None:
    """Let every part of Khata log from this level on. For processes that serve, not for tests."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.ExceptionRenderer(
                structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
            ),
            structlog.processors.JSONRenderer(serializer=_json),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level.upper())),
        logger_factory=structlog.BytesLoggerFactory(sys.stdout.buffer),
        cache_logger_on_first_use=True,
    )


def _json(event: Any, **_: Any) -> bytes:
    return msgspec.json.encode(event, enc_hook=str)
