from __future__ import annotations

import contextlib
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox_exporter.config import document
from sandbox_exporter.config.section import Problems
from sandbox_exporter.errors import ConfigError


def _read(path: Path, text: str) -> dict[str, object]:
    path.write_text(text, encoding="utf-8")
    return document.read(path, Problems())


def _message(path: Path) -> str:
    with pytest.raises(ConfigError) as caught:
        document.read(path, Problems())
    return str(caught.value)


def test_scalars_have_the_types_of_the_core_schema(tmp_path: Path) -> None:
    """Only null, true, false and decimal numbers are anything else than text."""
    text = "[~, '', true, False, 5, -7, 1.5, 1e3, yes, 0x1f, 1_0, 1:30, 2026-01-02, '5', !!str 5]"
    assert _read(tmp_path / "f", f"a: {text}\nb:\n")["a"] == [
        *(None, "", True, False, 5, -7, 1.5, 1000.0),
        *("yes", "0x1f", "1_0", "1:30", "2026-01-02", "5", "5"),
    ]


def test_long_numbers_are_no_trap(tmp_path: Path) -> None:
    """A number of any length is read as a number, if need be an infinite one."""
    assert _read(tmp_path / "f", f"a: {'9' * 5000}") == {"a": float("inf")}


def test_a_byte_order_mark_is_ignored(tmp_path: Path) -> None:
    """Files from editors that write one load."""
    assert _read(tmp_path / "f", "\ufeffa: 1") == {"a": 1}


def test_nested_aliases_cost_nothing(tmp_path: Path) -> None:
    """A file of aliases of aliases is read in no time and memory."""
    lines = ["a0: &a0 [x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 60)]
    assert len(_read(tmp_path / "f", "\n".join(lines))) == 60


def test_a_value_inside_itself_ends(tmp_path: Path) -> None:
    """A list that holds itself reads as holding nothing there."""
    assert _read(tmp_path / "f", "a: &a [x, *a]") == {"a": ["x", None]}


def test_deep_nesting_is_refused(tmp_path: Path) -> None:
    """Brackets without end are a mistake, not a crash."""
    (tmp_path / "f").write_text("a: " + "[" * 100_000)
    assert _message(tmp_path / "f") == f"{tmp_path}/f: is nested too deeply"


def test_a_large_file_is_refused(tmp_path: Path) -> None:
    """A file beyond the limit is refused before it is parsed."""
    (tmp_path / "f").write_bytes(b"#" * (document.MAX_BYTES + 1))
    assert _message(tmp_path / "f") == f"{tmp_path}/f: is too large, allowed: at most 1 MiB"


def test_an_unreadable_file_is_one_clear_line(tmp_path: Path) -> None:
    """A path to nothing, to a folder or to a pipe is named with what is wrong."""
    os.mkfifo(tmp_path / "pipe")
    missing, pipe = tmp_path / "missing", tmp_path / "pipe"
    regular = "is not a regular file, allowed: a YAML file"
    assert _message(missing) == f"{missing}: cannot be read: No such file or directory"
    assert _message(tmp_path) == f"{tmp_path}: {regular}"
    assert _message(pipe) == f"{pipe}: {regular}"


def test_the_first_of_duplicate_keys_counts(tmp_path: Path) -> None:
    """Reading goes on after a duplicate, so that other mistakes are found too."""
    problems = Problems()
    (tmp_path / "f").write_text("a: {b: 1, b: 2}\na: 3\n")
    assert document.read(tmp_path / "f", problems) == {"a": {"b": 1}}
    with pytest.raises(ConfigError) as caught:
        problems.raise_any()
    assert str(caught.value).splitlines() == [
        f"{tmp_path}/f:1: a.b: is a duplicate key, before in line 1",
        f"{tmp_path}/f:2: a: is a duplicate key, before in line 1",
    ]


@given(st.text(alphabet="ab1 \n\t:-?,[]{}#&*!|>'\"%@`\\~<.Ux\x00\x85\ud7ff", max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    """No text makes reading fail in another way than with a message."""
    with contextlib.suppress(ValueError):
        document._compose(text, Problems())
