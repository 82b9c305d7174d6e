"""Structured logging: pretty for a terminal, JSON for machines; `call_id` follows the task, secrets are masked."""

import logging
import re
import sys
import traceback
from collections.abc import MutableMapping
from typing import Any, Literal, TextIO

import structlog
from structlog.typing import Processor

_SECRET = re.compile(r"key_[0-9A-Za-z]{6,}|(?<=Bearer |/files/)[^\s'\"/]+", re.IGNORECASE)
_SECRET_NAMES = frozenset({"authorization", "api_key", "access_token", "token", "password"})
_MASK = "***"
IS_UNSTORED = "is_unstored"
"""Bound to the log lines of a call that may not be stored as it is; never shown."""
_QUOTING = frozenset({"error", "detail", "text"})
_NOT_SHOWN = "(not shown: it may quote what was said)"

LogLevel = Literal["debug", "info", "warning", "error"]
LogFormat = Literal["pretty", "json"]


def set_up_logging(level: LogLevel, style: LogFormat, stream: TextIO | None = None) -> None:
    """Send everything, also what libraries log, to `stream` (default: standard error); called once by a program."""
    target = stream or sys.stderr
    number = logging.getLevelNamesMapping()[level.upper()]
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        hide_what_was_said,
        structlog.processors.format_exc_info,
        mask_secrets,
    ]
    structlog.configure(
        processors=[*shared, _renderer(style, target)],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.PrintLoggerFactory(target),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(target)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, _renderer(style, target)],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    # Libraries are chatty: their life-cycle notes are ours to tell, their warnings are wanted.
    root.setLevel(max(number, logging.WARNING))


def hide_what_was_said(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Tell of a call that may not be stored no messages of errors: they quote what somebody said (a processor)."""
    if not event.pop(IS_UNSTORED, False):
        return event
    error = event.pop("exc_info", None)
    if error is True:
        error = sys.exc_info()[1]
    elif isinstance(error, tuple):
        error = error[1]
    if isinstance(error, BaseException):
        frames = traceback.extract_tb(error.__traceback__)
        lines = [f"{frame.filename}:{frame.lineno} in {frame.name}" for frame in frames]
        event["exception"] = "\n".join([*lines, type(error).__name__])
    for name in _QUOTING & event.keys():
        event[name] = _NOT_SHOWN
    return event


def mask_secrets(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Mask API keys and bearer tokens wherever they stand in a log line (a structlog processor)."""
    for name, value in event.items():
        event[name] = _MASK if name.lower() in _SECRET_NAMES and value else _masked(value)
    return event


def _masked(value: Any) -> Any:
    match value:
        case str():
            return _SECRET.sub(_MASK, value)
        case dict():
            return {
                name: _MASK if str(name).lower() in _SECRET_NAMES else _masked(inner) for name, inner in value.items()
            }
        case list() | tuple():
            return [_masked(inner) for inner in value]
        case _:
            return value


def _renderer(style: LogFormat, target: TextIO) -> Processor:
    if style == "json":
        return structlog.processors.JSONRenderer()
    # Plain tracebacks: the pretty ones print local variables, secrets among them.
    return structlog.dev.ConsoleRenderer(colors=target.isatty(), exception_formatter=structlog.dev.plain_traceback)
