"""The web configuration file as it is now: read again when it or a certificate changes."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from time import monotonic

from sandbox_exporter.errors import ConfigError, Problem
from sandbox_exporter.web.config import WebConfig, read_web_config, stamp

_log = logging.getLogger(__name__)

LOOK_EVERY = 1.0
"""Seconds between two looks at the files."""


class LiveWebConfig:
    """Follows a web configuration file. Looks at it only when asked, at most once a second."""

    def __init__(
        self,
        path: Path,
        reloaded: Callable[[bool], None] = lambda _: None,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        """`reloaded` is told whether what the file asks for now is in force.

        Raises `ConfigError` with every mistake in the file.
        """
        self._path = path
        self._reloaded = reloaded
        self._clock = clock
        self._config = read_web_config(path)
        self._next_look = clock() + LOOK_EVERY
        self._refused = ""

    def current(self) -> WebConfig:
        """The newest configuration without mistakes."""
        now = self._clock()
        if now >= self._next_look:
            self._next_look = now + LOOK_EVERY
            self._look()
        return self._config

    def _look(self) -> None:
        if all(stamp(path) == seen for path, seen in self._config.files.items()):
            self._accepted()
            return
        try:
            config = read_web_config(self._path)
            self._refuse_less(config)
        except ConfigError as error:
            # Asked again at each look: what is missing may be a file that nothing here follows.
            if str(error) != self._refused:
                self._refused = str(error)
                self._reloaded(False)
                reasons = "; ".join(map(str, error.problems))
                _log.warning("web configuration refused, the old one stays: %s", reasons)
            return
        self._config = config
        self._accepted()
        _log.info("web configuration read again: %s", self._path)

    def _accepted(self) -> None:
        if self._refused:
            self._refused = ""
            self._reloaded(True)

    def _refuse_less(self, new: WebConfig) -> None:
        """Raises `ConfigError` when a change would let strangers in, as an emptied file would.

        Nor does plain HTTP turn into HTTPS under the feet of its clients.
        """
        old, file = self._config, str(self._path)
        if (old.tls is None) is not (new.tls is None):
            message = "TLS cannot be switched on or off while the server runs, restart it"
            raise ConfigError([Problem("tls_server_config", message, file)])
        lost = [name for name, on in old.protections.items() if on and not new.protections[name]]
        if lost:
            message = "cannot be taken away while the server runs, restart it"
            raise ConfigError([Problem(name, message, file) for name in lost])
