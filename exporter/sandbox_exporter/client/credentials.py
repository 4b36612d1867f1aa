"""An account's secret, kept between calls and read anew when it was rejected."""

from __future__ import annotations

from collections.abc import Callable

from sandbox_exporter.secret import Secret


class Credentials:
    """Keeps what `read` gave; every method raises the `ValueError` that `read` raises."""

    def __init__(self, read: Callable[[], Secret]) -> None:
        self._read = read
        self._secret: Secret | None = None

    def current(self) -> Secret:
        """The secret to use, read the first time."""
        if self._secret is None:
            self._secret = self._read()
        return self._secret

    def refresh(self) -> None:
        """Read the secret anew; the old one stays when that fails."""
        self._secret = self._read()

    def replaced(self, rejected: Secret) -> bool:
        """Whether there is another secret than the rejected one, read anew if need be."""
        if self._secret == rejected:
            self.refresh()
        return self._secret != rejected
