"""The runtime model of a configuration: what the rest is given. Imports only leaves."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from sandbox_exporter.ledger.month import MonthClose
from sandbox_exporter.secret import Secret

DISCOVER = "discover"
NONE = "none"
_MAX_SECRET_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class SecretRef:
    """Where a secret is kept: an environment variable or a file, read anew each time."""

    kind: Literal["env", "file"]
    name: str

    def read(self, environ: Mapping[str, str] = os.environ) -> Secret:
        """The secret, without surrounding white space.

        Raises `ValueError` with a message that names the place and never the value: unset or
        empty, unreadable, or with characters that no HTTP header can carry.
        """
        in_file = self.kind == "file"
        text = (self._read_file() if in_file else environ.get(self.name, "")).strip()
        place = self.name if in_file else f"environment variable {self.name}"
        if not text:
            raise ValueError(f"{place} is {'empty' if in_file else 'unset or empty'}")
        if not (text.isascii() and text.isprintable()):
            raise ValueError(f"{place} holds characters that an HTTP header cannot carry")
        return Secret(text)

    def _read_file(self) -> str:
        path = Path(self.name)
        try:
            if path.exists() and not path.is_file():
                # A pipe would block the whole program until somebody writes to it.
                raise ValueError(f"{self.name} is not a regular file")
            with path.open("rb") as file:
                data = file.read(_MAX_SECRET_BYTES + 1)
        except OSError as error:
            raise ValueError(f"cannot read {self.name}: {error.strerror}") from None
        if len(data) > _MAX_SECRET_BYTES:
            raise ValueError(f"{self.name} is too large for a secret")
        try:
            return data.decode("utf-8-sig")
        except UnicodeDecodeError:
            raise ValueError(f"{self.name} is not text") from None


@dataclass(frozen=True, slots=True)
class Account:
    """One vendor account to poll. Durations are seconds."""

    name: str
    provider: str
    """The vendor's name."""
    base_url: str
    api_key: SecretRef
    options: Mapping[str, object] = field(default_factory=dict)
    """The values of the vendor's own keys that are given; `Key.of` has the defaults too."""
    templates: Literal["discover", "none"] | tuple[str, ...] = "discover"
    max_templates: int = 1000
    budget_usd: float | None = None
    max_requests_per_minute: int = 120
    poll_interval: float = 60.0
    ca_file: str = ""


@dataclass(frozen=True, slots=True)
class Config:
    """A whole, valid configuration. Durations are seconds."""

    accounts: tuple[Account, ...]
    stale_after: float = 300.0
    month_close: MonthClose = field(default_factory=MonthClose)
    state_file: str = ""
    otlp: bool = False
    """Whether metrics are sent over OTLP though the environment names no endpoint."""
