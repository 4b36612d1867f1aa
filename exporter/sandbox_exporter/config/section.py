"""One mapping of a configuration while it is read: keys asked for, mistakes kept. Knows no key."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Collection, Mapping
from typing import TypeVar

from sandbox_exporter.errors import ConfigError, Problem

T = TypeVar("T")

Check = Callable[[object], T]
"""Turns a plain value into what it stands for, or raises `ValueError` with the message to show."""


class Problems:
    """Mistakes in the order they were found. Past `LIMIT` they are counted and no longer kept."""

    LIMIT = 100

    def __init__(self) -> None:
        self.file = ""
        """The file that is read; empty for the environment."""
        self.lines: dict[str, int] = {}
        """The line of each path in the file; the whole has the path ""."""
        self._kept: list[Problem] = []
        self._dropped = 0

    @property
    def full(self) -> bool:
        """Whether another mistake would only be counted."""
        return len(self._kept) >= self.LIMIT

    def line(self, path: str) -> int:
        """The line of a path, or of the nearest one around it; 0 where nothing is in a file."""
        while path and path not in self.lines:
            path = path[: max(path.rfind("."), path.rfind("["), 0)]
        return self.lines.get(path, 0)

    def add(self, path: str, message: str, line: int = 0) -> None:
        """Note one mistake; `line` where the path does not lead to it."""
        if self.full:
            self._dropped += 1
            return
        line = line or self.line(path)
        self._kept.append(Problem(path, message, f"{self.file}:{line}" if line else self.file))

    def attempt(self, path: str, check: Check[T], value: object, fallback: T) -> T:
        """The checked value; `fallback` after noting a mistake."""
        try:
            return check(value)
        except ValueError as error:
            self.add(path, str(error))
            return fallback

    def raise_any(self) -> None:
        """Raise `ConfigError` with everything noted, if anything was."""
        if self._dropped:
            raise ConfigError([*self._kept, Problem("", f"and {self._dropped} more mistakes")])
        if self._kept:
            raise ConfigError(self._kept)


def show_key(key: str) -> str:
    """A key for a message: cut at what no key holds, since `api_key:secret` is a key to YAML."""
    shown = re.match(r"[\w-]{0,40}", key, re.ASCII)
    name = shown.group() if shown else ""
    return name if name == key and name else f"{name}…"


class Section:
    """A mapping at a path; what it reads wrong goes to `problems`.

    `names` are the places of keys that came from elsewhere, such as environment variables.
    """

    def __init__(
        self,
        values: Mapping[str, object],
        problems: Problems,
        path: str = "",
        names: Mapping[str, str] | None = None,
    ) -> None:
        self.values = values
        self.problems = problems
        self._path = path
        self._names = names or {}

    def where(self, key: str) -> str:
        """The place of a key, for a message."""
        return self._names.get(key) or (f"{self._path}.{key}" if self._path else key)

    def get(self, key: str, check: Check[T], default: T) -> T:
        """The checked value of an optional key; `default` without it or after a mistake."""
        return self.require(key, check, default) if key in self.values else default

    def require(self, key: str, check: Check[T], fallback: T) -> T:
        """The checked value of a key that must be there; `fallback` after a mistake."""
        return self.problems.attempt(self.where(key), check, self.values.get(key), fallback)

    def refuse_unknown(self, known: Collection[str]) -> None:
        """Note each key that is not one of `known`, with the closest one of them."""
        for key in self.values:
            if key not in known:
                line = self.problems.line(self.where(key))
                self.problems.add(self.where(show_key(key)), self._unknown(key, known), line)

    def _unknown(self, key: str, known: Collection[str]) -> str:
        # A hint is slow to find, and a file may hold thousands of odd keys.
        close = [] if self.problems.full else difflib.get_close_matches(show_key(key), known, 1)
        if close:
            return f"unknown key, did you mean {close[0]}?"
        return f"unknown key, allowed: {', '.join(known)}"
