"""A YAML file as plain values, with everything refused that a configuration has no use for.

Values follow the core schema of YAML 1.2, so that `no`, `on`, `1:30` and dates are text. Neither
tags nor merge keys are read, hence no file can run code or grow when it is read.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import yaml

from sandbox_exporter.config.section import Problems, show_key
from sandbox_exporter.errors import ConfigError, Problem

MAX_BYTES: Final = 1024 * 1024
_TAG = "tag:yaml.org,2002:"


class _Loader(yaml.SafeLoader):
    """Composes nodes with the types of YAML 1.2's core schema."""

    yaml_implicit_resolvers = {}  # noqa: RUF012  (a class attribute of the base class)


def _resolve(name: str, pattern: str, first: str) -> None:
    _Loader.add_implicit_resolver(_TAG + name, re.compile(f"(?:{pattern})$"), [*first, ""])


_resolve("null", "|~|null|Null|NULL", "~nN")
_resolve("bool", "true|True|TRUE|false|False|FALSE", "tTfF")
_resolve("int", "[-+]?[0-9]{1,18}", "-+0123456789")
_resolve(
    "float",
    r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?"
    r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)",
    "-+.0123456789",
)


def _float(text: str) -> float:
    return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))


_SCALARS: Mapping[str, Callable[[str], object]] = {
    _TAG + "null": lambda _: None,
    _TAG + "bool": lambda text: text.lower() == "true",
    _TAG + "int": int,
    _TAG + "float": _float,
    _TAG + "str": str,
}


class _Builder:
    """Turns nodes into values. Each node once, so that aliases cost nothing however nested."""

    def __init__(self, problems: Problems) -> None:
        self._problems = problems
        self._built: dict[int, object] = {}

    def build(self, node: yaml.Node, path: str) -> object:
        """The value of `node`; a node inside itself reads as no value."""
        self._problems.lines.setdefault(path, _line(node))
        if id(node) not in self._built:
            self._built[id(node)] = None
            self._built[id(node)] = self._new(node, path)
        return self._built[id(node)]

    def _new(self, node: yaml.Node, path: str) -> object:
        if isinstance(node, yaml.MappingNode) and node.tag == _TAG + "map":
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode) and node.tag == _TAG + "seq":
            return [self.build(item, f"{path}[{i}]") for i, item in enumerate(node.value)]
        if isinstance(node, yaml.ScalarNode) and node.tag in _SCALARS:
            try:
                return _SCALARS[node.tag](node.value)
            except ValueError:
                raise _misuse(node, "a value that does not fit its tag") from None
        raise _misuse(node, "a tag that is not allowed")

    def _mapping(self, node: yaml.MappingNode, path: str) -> dict[str, object]:
        values: dict[str, object] = {}
        before = f"{path}." if path else ""
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                raise _misuse(key_node, "a key that is not text")
            key, shown = key_node.value, before + show_key(key_node.value)
            if key in values:
                message = f"is a duplicate key, before in line {self._problems.line(before + key)}"
                self._problems.add(shown, message, _line(key_node))
                continue
            self._problems.lines[before + key] = _line(key_node)
            values[key] = self.build(value_node, shown)
        return values


def _misuse(node: yaml.Node, problem: str) -> yaml.YAMLError:
    return yaml.MarkedYAMLError(problem=problem, problem_mark=node.start_mark)


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1


class _UnreadableError(ValueError):
    """A file that holds no values; the message is fit for the user."""

    def __init__(self, message: str, line: int = 0) -> None:
        super().__init__(message)
        self.line = line


def _syntax_error(error: yaml.YAMLError, text: str) -> _UnreadableError:
    """What the parser found and where, without names from the file: one might be a secret."""
    if isinstance(error, yaml.reader.ReaderError):
        line = text.count("\n", 0, error.position) + 1
        return _UnreadableError("not valid YAML: a character that YAML does not allow", line)
    if not isinstance(error, yaml.MarkedYAMLError) or error.problem_mark is None:
        return _UnreadableError("not valid YAML")
    found = re.sub(r" '[\w!-]{2,}'.*", "", error.problem or "unreadable")
    mark = error.problem_mark
    return _UnreadableError(f"column {mark.column + 1}: not valid YAML: {found}", mark.line + 1)


def _read_text(path: Path) -> str:
    try:
        if path.exists() and not path.is_file():
            raise _UnreadableError("is not a regular file, allowed: a YAML file")
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise _UnreadableError(f"cannot be read: {error.strerror}") from None
    if len(data) > MAX_BYTES:
        raise _UnreadableError("is too large, allowed: at most 1 MiB")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise _UnreadableError("not UTF-8 text", line) from None


def read(path: Path, problems: Problems, *, may_be_empty: bool = False) -> dict[str, object]:
    """The mapping that the file holds.

    Duplicate keys, and in which line each key is, go to `problems`. Raises `ConfigError` where
    there is no mapping to go on with: unreadable, too large, not YAML, empty, something else.
    """
    problems.file = str(path)
    try:
        value = _compose(_read_text(path), problems)
        if value is None and may_be_empty:
            return {}
        if not isinstance(value, dict):
            wrong = "is empty" if value is None else "is not a mapping"
            raise _UnreadableError(f"{wrong}, allowed: a mapping of keys to values")
    except _UnreadableError as error:
        place = f"{path}:{error.line}" if error.line else str(path)
        raise ConfigError([Problem("", str(error), place)]) from None
    return value


def _compose(text: str, problems: Problems) -> object:
    try:
        node = yaml.compose(text, _Loader)
        return None if node is None else _Builder(problems).build(node, "")
    except yaml.YAMLError as error:
        raise _syntax_error(error, text) from None
    except RecursionError:
        raise _UnreadableError("is nested too deeply") from None
    except (ValueError, OverflowError):
        # PyYAML lets an escape such as "\UFFFFFFFF" fail in chr().
        raise _UnreadableError("not valid YAML: an escape that stands for no character") from None
