"""The state file: the ledger's marks, so that a counter holds across restarts too.

Beside them stands what a provider has to remember. It holds totals and ids, no secret. It is
replaced as a whole, locked while the exporter runs, and set aside when it cannot be understood.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import glob
import json
import logging
import math
import os
import tempfile
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import cast

from sandbox_exporter.ledger.month import Month
from sandbox_exporter.ledger.scope import LIFETIME, SHOWN, Marks
from sandbox_exporter.model import Field

FORMAT = "sandbox-usage-exporter state"
VERSION = 1

_NONE: Mapping[str, str] = {}

log = logging.getLogger("sandbox_exporter.poll")


class StateFile:
    """One state file, held by this process until it is closed.

    It, its lock and its temporary files are for their owner alone, and none is ever a symbolic
    link: whoever may write to the folder could have another file written in its place.
    """

    def __init__(self, path: str) -> None:
        """Locks the file; raises `OSError` with one clear line when it cannot be had."""
        self.path = Path(path)
        if self.path.is_symlink():
            raise OSError(f"state_file: {path} is a symbolic link, name the file itself")
        # The lock has a file of its own, for the state file is replaced with each save.
        lock = self.path.with_name(f"{self.path.name}.lock")
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            self._lock = os.fdopen(os.open(lock, flags, 0o600), "r+")
        except OSError as error:
            why = "is a symbolic link" if error.errno == errno.ELOOP else error.strerror
            raise OSError(f"state_file: cannot write {lock}: {why}") from None
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self.close()
            raise OSError(f"state_file: {path} is in use by another process") from None
        with contextlib.suppress(OSError):  # another user's, who lets us write it
            os.fchmod(self._lock.fileno(), 0o600)
        for left in self.path.parent.glob(f"{glob.escape(self._prefix)}*"):
            with contextlib.suppress(OSError):
                left.unlink()  # by a process that was killed in the middle of a save
        self._saving = threading.Lock()
        self.memories: Mapping[str, object] = {}
        """What providers have to remember, by the account's identity; known once it is loaded."""

    @property
    def _prefix(self) -> str:
        return f".{self.path.name}.new."

    def load(self) -> dict[str, Marks]:
        """The marks of each account, by its identity; empty when there are none to be had.

        A file that is no state file of this version is set aside, with a warning.
        """
        try:
            flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
            with os.fdopen(os.open(self.path, flags), "rb") as file:
                text = file.read()
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise OSError(f"state_file: cannot read {self.path}: {error.strerror}") from None
        try:
            document = json.loads(text)
            accounts = _parse(document)
            self.memories = _object(document.get("providers", {}), "providers")
            return accounts
        except (ValueError, OverflowError, RecursionError) as error:
            aside = self.path.with_name(f"{self.path.name}.{int(time.time())}.bad")
            self.path.replace(aside)
            aside.chmod(0o600)
            log.warning(
                "state file not understood, set aside; counters start from the vendor's totals",
                extra={"state_file": str(self.path), "aside": str(aside), "error": str(error)},
            )
            return {}

    def save(self, accounts: Mapping[str, str], memories: Mapping[str, str] = _NONE) -> None:
        """Replaces the file, or leaves it as it was; raises `OSError`.

        Takes each account's marks as `encode` has written them, and memories as JSON.
        """
        # A save whose task was cancelled goes on in its thread, while the last one begins.
        with self._saving:
            descriptor, new = tempfile.mkstemp(prefix=self._prefix, dir=self.path.parent)
            try:
                with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                    file.write(f'{{"format":"{FORMAT}","version":{VERSION},"accounts":{{')
                    file.write(",".join(f"{json.dumps(a)}:{text}" for a, text in accounts.items()))
                    file.write('},"providers":{' if memories else "}")
                    file.write(",".join(f"{json.dumps(a)}:{text}" for a, text in memories.items()))
                    file.write("}}" if memories else "}")
                    file.flush()
                    os.fsync(file.fileno())
                Path(new).replace(self.path)
            except BaseException:
                Path(new).unlink(missing_ok=True)
                raise
            self._sync_folder()

    def _sync_folder(self) -> None:
        """Makes the file's new name outlast a power cut too."""
        folder = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def close(self) -> None:
        """Lets another process have the file."""
        self._lock.close()


def encode(marks: Marks) -> str:
    """An account's marks as JSON, scope by scope: the interpreter is not held for long."""
    periods = []
    for period, scopes in marks.items():
        texts = [f"{json.dumps(name)}:{_dumps(scope)}" for name, scope in scopes.items()]
        periods.append(f"{json.dumps(period)}:{{{','.join(texts)}}}")
    return f"{{{','.join(periods)}}}"


def _dumps(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))


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
