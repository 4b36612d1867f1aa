"""Log lines as logfmt or JSON, on standard error. A leaf."""

from __future__ import annotations

import json
import logging
import sys
import time
from collections.abc import Mapping
from typing import Literal

Format = Literal["logfmt", "json"]
LEVELS = ("debug", "info", "warn", "error")

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


def configure(level: str, form: Format) -> None:
    """Sends the package's log lines from `level` on, and other packages' warnings, to stderr."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Formatter(form))
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    logging.getLogger("sandbox_exporter").setLevel("WARNING" if level == "warn" else level.upper())


class _Formatter(logging.Formatter):
    """Time, level, logger, message, and then whatever fields the call gave as `extra`."""

    def __init__(self, form: Format) -> None:
        super().__init__()
        self._encode = _logfmt if form == "logfmt" else _json

    def format(self, record: logging.LogRecord) -> str:
        moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        fields: dict[str, object] = {
            "ts": f"{moment}.{int(record.msecs):03d}Z",
            "level": record.levelname.lower().replace("warning", "warn"),
            "logger": record.name,
            "msg": record.getMessage(),
        }
        fields |= {
            name: value
            for name, value in vars(record).items()
            if name not in _STANDARD and value not in (None, "")
        }
        if record.exc_info:
            fields["traceback"] = self.formatException(record.exc_info)
        return self._encode(fields)


def _json(fields: Mapping[str, object]) -> str:
    return json.dumps(fields, default=str, ensure_ascii=False)


def _logfmt(fields: Mapping[str, object]) -> str:
    return " ".join(f"{name}={_quote(str(value))}" for name, value in fields.items())


def _quote(value: str) -> str:
    if value and value.isprintable() and not any(c in value for c in ' "=\\'):
        return value
    return json.dumps(value, ensure_ascii=False)
