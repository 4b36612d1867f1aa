from __future__ import annotations

import logging
import os
import ssl
from pathlib import Path

import pytest

from sandbox_exporter.errors import ConfigError
from sandbox_exporter.web.live import LOOK_EVERY, LiveWebConfig

DENY = "http_server_config: {headers: {X-Frame-Options: deny}}\n"
SAME = "http_server_config: {headers: {X-Frame-Options: sameorigin}}\n"
BAD = "http_server_config: {headers: {X-Frame-Options: allow}}\n"


class _File:
    """A web configuration file, and a clock."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.now = 0.0
        self.version = 0
        self.told: list[bool] = []

    def write(self, text: str) -> None:
        """Replaces the file as an editor does, in a time that no clock can tell from the last."""
        self.version += 1
        self.path.write_text(text)
        os.utime(self.path, ns=(self.version, self.version))

    def value(self, live: LiveWebConfig) -> bytes:
        """The configured header, as a request one look later sees it."""
        self.now += LOOK_EVERY
        return live.current().headers[0][1]


@pytest.fixture
def file(tmp_path: Path) -> _File:
    """A file that asks for the header `deny`."""
    made = _File(tmp_path / "web.yml")
    made.write(DENY)
    return made


@pytest.fixture
def live(file: _File) -> LiveWebConfig:
    """Follows the file by its clock."""
    return LiveWebConfig(file.path, reloaded=file.told.append, clock=lambda: file.now)


def test_change(file: _File, live: LiveWebConfig) -> None:
    """A changed file takes effect with the next look."""
    assert file.value(live) == b"deny"
    file.write(SAME)
    assert file.value(live) == b"sameorigin"


def test_looks_once_a_second(file: _File, live: LiveWebConfig) -> None:
    """Requests between two looks cost no file access."""
    assert file.value(live) == b"deny"
    file.write(SAME)
    file.now += LOOK_EVERY / 2
    assert live.current().headers[0][1] == b"deny"
    file.now += LOOK_EVERY / 2
    assert live.current().headers[0][1] == b"sameorigin"


def test_mistake(file: _File, live: LiveWebConfig, caplog: pytest.LogCaptureFixture) -> None:
    """A mistake leaves the old configuration in force and is logged once, until it is another."""
    caplog.set_level(logging.WARNING)
    for text, warnings in ((BAD, 1), (BAD, 1), ("other: 1", 2), (DENY, 2), (BAD, 3)):
        file.write(text)
        assert file.value(live) == b"deny"
        assert file.value(live) == b"deny"
        assert len(caplog.messages) == warnings
    assert "X-Frame-Options" in caplog.messages[0]


def test_mistake_taken_back(file: _File, live: LiveWebConfig) -> None:
    """A file that is away for a moment and comes back unchanged is no change."""
    away = file.path.rename(file.path.with_suffix(".away"))
    assert file.value(live) == b"deny"
    away.rename(file.path)
    assert file.value(live) == b"deny"


def test_tls_switched_on(
    file: _File, live: LiveWebConfig, caplog: pytest.LogCaptureFixture, server_files: str
) -> None:
    """Plain HTTP does not turn into HTTPS under the feet of its clients."""
    file.write(SAME + server_files)
    assert file.value(live) == b"deny"
    assert "TLS cannot be switched on or off while the server runs" in caplog.text


def test_mistake_at_the_start(file: _File) -> None:
    """A server with a wrong file does not come up."""
    file.write(BAD)
    with pytest.raises(ConfigError):
        LiveWebConfig(file.path)


HASH = "$2y$04$WvQ0xhmNYhDJfdJ3s4KCnutpqCeZK2nOkqk0WTdKQW7/CvPkLCtJu"


@pytest.mark.parametrize("less", [DENY, "", "# nothing\n"], ids=["no users", "empty", "comments"])
def test_users_do_not_vanish(file: _File, caplog: pytest.LogCaptureFixture, less: str) -> None:
    """A file that loses its users, as when it is emptied, opens nothing; it is told, and mended."""
    users = f"basic_auth_users: {{alice: {HASH}}}\n"
    file.write(DENY + users)
    live = LiveWebConfig(file.path, file.told.append, lambda: file.now)
    file.write(less)
    file.value(live)
    assert live.current().authenticator is not None
    assert "web.yml: basic_auth_users: cannot be taken away while the server runs" in caplog.text
    assert file.told == [False]
    file.write(SAME + users)
    assert file.value(live) == b"sameorigin"
    assert file.told == [False, True]


@pytest.mark.parametrize("less", ["VerifyClientCertIfGiven", "NoClientCert", "no TLS"])
def test_tls_does_not_vanish(
    file: _File, caplog: pytest.LogCaptureFixture, server_files: str, less: str
) -> None:
    """Neither TLS nor the certificates that clients must show can be taken away."""
    required = "  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: authority.crt\n"
    file.write(DENY + server_files + required)
    live = LiveWebConfig(file.path, file.told.append, lambda: file.now)
    changed = {
        "no TLS": DENY,
        "NoClientCert": DENY + server_files,
    }.get(less, DENY + server_files + required.replace("RequireAndVerifyClientCert", less))
    file.write(changed)
    file.value(live)
    tls = live.current().tls
    assert tls is not None
    assert tls.verify_mode is ssl.CERT_REQUIRED
    assert "while the server runs" in caplog.text
    assert file.told == [False]
