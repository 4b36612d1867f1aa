"""Checks of values that name files and secrets. Relative paths start at the file's folder."""

from __future__ import annotations

import os
import re
import ssl
from collections.abc import Mapping
from pathlib import Path

from sandbox_exporter.config.checks import refusal, text
from sandbox_exporter.config.model import SecretRef
from sandbox_exporter.config.section import Check

_SECRET = "{env: NAME} or {file: PATH}"  # noqa: S105  (what is allowed, no secret)
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")
_PLAIN_VARIABLE = re.compile(r"[A-Z]+(?:_[A-Z0-9]+)*")
_path_text = text(4096)


def ca_file(folder: Path) -> Check[str]:
    """The absolute path of a file with PEM certificates that TLS can load."""
    allowed = "a readable file with PEM certificates"

    def check(value: object) -> str:
        path = folder / _path_text(value)
        try:
            if not path.is_file():
                raise refusal(value, "is not a file", allowed)
            ssl.create_default_context(cafile=path)
        except ssl.SSLError:
            raise refusal(value, "holds no PEM certificate", allowed) from None
        except OSError as error:
            raise refusal(value, f"cannot be read ({error.strerror})", allowed) from None
        return str(path)

    return check


def state_file(folder: Path) -> Check[str]:
    """The absolute path of a file, there or not, in a folder that can be written to."""
    allowed = "a file in an existing, writable folder"

    def check(value: object) -> str:
        path = folder / _path_text(value)
        try:
            if not path.parent.is_dir():
                raise refusal(value, "is in a folder that does not exist", allowed)
            if path.exists() and not path.is_file():
                raise refusal(value, "is not a regular file", allowed)
        except OSError as error:
            raise refusal(value, f"cannot be used ({error.strerror})", allowed) from None
        if not os.access(path.parent, os.W_OK | os.X_OK):
            raise refusal(value, "is in a folder that cannot be written to", allowed)
        return str(path)

    return check


def secret(folder: Path, environ: Mapping[str, str]) -> Check[SecretRef]:
    """Where a secret is kept; it is read once here, so that a missing one is a mistake.

    No message shows what was written unless it is plainly the name of a place: a literal secret
    ends up in the oddest keys and values.
    """

    def check(value: object) -> SecretRef:
        if isinstance(value, str):
            raise ValueError(f"a secret must not be written here, allowed: {_SECRET}")
        if value is None:
            raise ValueError(f"is missing, allowed: {_SECRET}")
        if isinstance(value, dict) and len(value) == 1:
            key, name = next(iter(value.items()))
            if key == "env" and isinstance(name, str):
                return _variable(name, environ)
            if key == "file" and isinstance(name, str):
                return _file(name, folder)
        raise ValueError(f"is not a reference to a secret, allowed: {_SECRET}")

    return check


def _variable(name: str, environ: Mapping[str, str]) -> SecretRef:
    if not _VARIABLE.fullmatch(name):
        raise ValueError("env does not name a variable, allowed: letters, digits and underscores")
    ref = SecretRef("env", name)
    try:
        ref.read(environ)
    except ValueError:
        if _PLAIN_VARIABLE.fullmatch(name):
            raise
        raise ValueError("the environment variable named here is unset or unusable") from None
    return ref


def _file(name: str, folder: Path) -> SecretRef:
    if not (name and name.isprintable()):
        raise ValueError("file does not name a file, allowed: a path")
    ref = SecretRef("file", str(folder / name))
    try:
        ref.read()
    except ValueError:
        if "/" in name:
            raise
        raise ValueError("the file named here is missing, unreadable or unusable") from None
    return ref
