"""The state file: the ledger's marks, so that a counter holds across restarts too.

It holds totals and template ids, no secret. It is replaced as a whole, locked while the exporter
runs, and set aside when it cannot be understood.
"""

from __future__ import annotations

import fcntl
import json
import logging
import math
import os
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import IO, cast

from sandbox_exporter.billing import Month
from sandbox_exporter.model import Field

LIFETIME = "lifetime"
"""The period of totals that never start again."""
SHOWN = "shown"
"""The period that holds no totals, but when those of a closed month were first shown (Unix s)."""
FORMAT = "sandbox-usage-exporter state"
VERSION = 1

Marks = Mapping[str, Mapping[str, Mapping[Field, float]]]
"""Period (a month as YYYY-MM, `lifetime` or `shown`) to scope to a number for each field."""

log = logging.getLogger("sandbox_exporter.poll")


class StateFile:
    """One state file, held by this process until it is closed."""

    def __init__(self, path: str) -> None:
        """Locks the file; raises `OSError` with one clear line when it cannot be had."""
        self.path = Path(path)
        # The lock has a file of its own, for the state file is replaced with each save.
        lock = self.path.with_name(f"{self.path.name}.lock")
        try:
            self._lock: IO[str] = lock.open("a")
        except OSError as error:
            raise OSError(f"state_file: cannot write {lock}: {error.strerror}") from None
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._lock.close()
            raise OSError(f"state_file: {path} is in use by another process") from None
        self._saving = threading.Lock()

    def load(self) -> dict[str, Marks]:
        """The marks of each account, by its identity; empty when there are none to be had.

        A file that is no state file of this version is set aside, with a warning.
        """
        try:
            text = self.path.read_bytes()
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise OSError(f"state_file: cannot read {self.path}: {error.strerror}") from None
        try:
            return _parse(json.loads(text))
        except (ValueError, OverflowError, RecursionError) as error:
            aside = self.path.with_name(f"{self.path.name}.{int(time.time())}.bad")
            self.path.replace(aside)
            log.warning(
                "state file not understood, set aside; counters start from the vendor's totals",
                extra={"state_file": str(self.path), "aside": str(aside), "error": str(error)},
            )
            return {}

    def save(self, accounts: Mapping[str, Marks]) -> None:
        """Replaces the file, or leaves it as it was; raises `OSError`."""
        document = {"format": FORMAT, "version": VERSION, "accounts": accounts}
        new = self.path.with_name(f"{self.path.name}.new")
        text = json.dumps(document, separators=(",", ":"))
        # A save whose task was cancelled goes on in its thread, while the last one begins.
        with self._saving:
            with new.open("w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            new.replace(self.path)

    def close(self) -> None:
        """Lets another process have the file."""
        self._lock.close()


def _parse(document: object) -> dict[str, Marks]:
    """Checks everything: what is read here is shown as usage for the rest of the month."""
    top = _object(document, "the file")
    if top.get("format") != FORMAT:
        raise ValueError("not a state file of this exporter")
    if top.get("version") != VERSION:
        raise ValueError(f"version {top.get('version')!r}, this exporter reads {VERSION}")
    return {
        account: {
            _period(period): {
                scope: _marks(marks, f"{account}: {period}: {scope}")
                for scope, marks in _object(scopes, f"{account}: {period}").items()
            }
            for period, scopes in _object(periods, account).items()
        }
        for account, periods in _object(top.get("accounts"), "accounts").items()
    }


def _period(text: str) -> str:
    return text if text in (LIFETIME, SHOWN) else str(Month.parse(text))


def _marks(value: object, path: str) -> dict[Field, float]:
    marks: dict[Field, float] = {}
    for name, number in _object(value, path).items():
        if isinstance(number, bool) or not isinstance(number, int | float):
            raise ValueError(f"{path}: {name}: expected a number")
        if not (math.isfinite(number) and number >= 0):
            raise ValueError(f"{path}: {name}: expected a finite number >= 0")
        marks[Field(name)] = float(number)
    return marks


def _object(value: object, path: str) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise ValueError(f"{path}: expected an object")
    return cast(Mapping[str, object], value)
