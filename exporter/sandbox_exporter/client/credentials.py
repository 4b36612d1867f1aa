"""An account's secret, kept between calls and read anew when it was rejected."""

from __future__ import annotations

from collections.abc import Callable

from sandbox_exporter.secret import Secret


class Credentials:
    """Keeps what `read` gave; every method but `use` and `known` raises its `ValueError`."""

    def __init__(self, read: Callable[[], Secret]) -> None:
        self.read = read
        self._secret: Secret | None = None
        self._before: Secret | None = None

    def current(self) -> Secret:
        """The secret to use, read the first time."""
        if self._secret is None:
            self._secret = self.read()
        return self._secret

    def use(self, secret: Secret) -> None:
        """Take another secret in place of the one so far."""
        if secret != self._secret:
            self._before, self._secret = self._secret, secret

    def known(self) -> tuple[Secret, ...]:
        """The secret and the one before it, of which calls under way may still bring echoes."""
        return tuple(secret for secret in (self._secret, self._before) if secret is not None)

    def replaced(self, rejected: Secret) -> bool:
        """Whether there is another secret than the rejected one, read anew if need be."""
        if self._secret == rejected:
            self.use(self.read())
        return self._secret != rejected
