from __future__ import annotations

import os
from pathlib import Path

import pytest

from sandbox_exporter.config.model import SecretRef


def test_a_rotated_secret_is_read_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each reading gives what the file or the variable holds at that moment, trimmed."""
    path = tmp_path / "key"
    for value in ("old", "new"):
        path.write_text(f" {value}\r\n")
        monkeypatch.setenv("ROTATED", value + "\n")
        assert SecretRef("file", str(path)).read().reveal() == value
        assert SecretRef("env", "ROTATED").read().reveal() == value


def test_a_file_that_is_too_large_is_refused(tmp_path: Path) -> None:
    """A path to something else than a secret does not fill the memory."""
    path = tmp_path / "key"
    path.write_text("x" * 65_537)
    with pytest.raises(ValueError, match=r"/key is too large for a secret$"):
        SecretRef("file", str(path)).read()


def test_a_pipe_is_refused(tmp_path: Path) -> None:
    """A pipe that nobody writes to does not stop the program."""
    os.mkfifo(tmp_path / "key")
    with pytest.raises(ValueError, match=r"/key is not a regular file$"):
        SecretRef("file", str(tmp_path / "key")).read()
