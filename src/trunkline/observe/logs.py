"""How the service writes what happened: one line an event, on stderr, with personal data and secrets cut out.

`structlog.get_logger()` works everywhere once `configure_logs` ran; the standard library's loggers (aiohttp, alembic)
leave by the same door.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping, Sequence
from typing import Final, TextIO

import structlog
from pydantic import SecretStr
from structlog.types import EventDict, Processor, WrappedLogger

from trunkline.core.secret import Secret
from trunkline.settings import Logs

PERSONAL_PREFIX: Final = "pii_"
"""Fields that start with this hold numbers, names or transcripts."""

_HIDDEN: Final = "••••"
_QUIET: Final = ("aiohttp.access", "asyncio", "alembic", "panoramisk", "httpx", "openai")


def configure_logs(settings: Logs, stream: TextIO | None = None) -> None:
    """Sets logging up for this process; may be called again, the last call counts.

    Args:
        settings: level, format, and whether personal data may be written.
        stream: where lines go; stderr unless a test says otherwise.
    """
    out = stream or sys.stderr
    level = logging.getLevelNamesMapping()[settings.level.upper()]
    shared = shared_processors(personal_data=settings.personal_data)
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *_renderers(settings.format, out),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in _QUIET:
        logging.getLogger(name).setLevel(max(level, logging.WARNING))


def shared_processors(*, personal_data: bool) -> list[Processor]:
    """What every line passes through, ours and the libraries'."""
    cut: list[Processor] = [] if personal_data else [drop_personal_data]
    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        *cut,
        hide_secrets,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]


def _renderers(wanted: str, out: TextIO) -> list[Processor]:
    if wanted == "console" or (wanted == "auto" and out.isatty()):
        return [structlog.dev.ConsoleRenderer(colors=out.isatty())]
    return [
        structlog.processors.format_exc_info,
        structlog.processors.JSONRenderer(default=str, ensure_ascii=False),
    ]


def drop_personal_data(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Removes every field whose name starts with `pii_`, nested ones too."""
    return {
        name: _without_personal(value)
        for name, value in event.items()
        if not name.startswith(PERSONAL_PREFIX)
    }


def _without_personal(value: object) -> object:
    if isinstance(value, Mapping):
        return {
            key: _without_personal(inner)
            for key, inner in value.items()
            if not str(key).startswith(PERSONAL_PREFIX)
        }
    return value


def hide_secrets(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Replaces secret values by dots, however deep they sit in mappings and sequences."""
    return {name: _hidden(value) for name, value in event.items()}


def _hidden(value: object) -> object:
    if isinstance(value, Secret | SecretStr):
        return _HIDDEN
    if isinstance(value, Mapping):
        return {key: _hidden(inner) for key, inner in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str | bytes | tuple):
        return [_hidden(inner) for inner in value]
    return value
