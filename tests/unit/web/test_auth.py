from __future__ import annotations

import asyncio
from base64 import b64encode

import bcrypt
import pytest

from sandbox_exporter.web.auth import Authenticator, OverloadedError

LONG = b"long " * 20
USERS = {
    b"alice": bcrypt.hashpw(b"secret", bcrypt.gensalt(4)),
    "zoë".encode(): bcrypt.hashpw(b"a:b", bcrypt.gensalt(4)),
    b"long": bcrypt.hashpw(LONG[:72], bcrypt.gensalt(4)),
}


class _Bcrypt:
    """Counts verifications, and how many run at once."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.calls = self.running = self.most = 0
        self._verify = bcrypt.checkpw
        monkeypatch.setattr(bcrypt, "checkpw", self)

    def __call__(self, password: bytes, expected: bytes) -> bool:
        self.calls += 1
        self.running += 1
        self.most = max(self.most, self.running)
        right = self._verify(password, expected)
        self.running -= 1
        return right


@pytest.fixture
def verifications(monkeypatch: pytest.MonkeyPatch) -> _Bcrypt:
    """Watches bcrypt."""
    return _Bcrypt(monkeypatch)


def _basic(credentials: bytes) -> bytes:
    return b"Basic " + b64encode(credentials)


def _allows(*headers: bytes) -> list[bool]:
    """The answers to headers that come one after the other."""

    async def ask() -> list[bool]:
        authenticator = Authenticator(USERS)
        return [await authenticator.allows(header) for header in headers]

    return asyncio.run(ask())


@pytest.mark.parametrize(
    "header",
    [
        _basic(b"alice:secret"),
        _basic(b"alice:secret").replace(b"Basic", b"bAsIc"),
        _basic("zoë:a:b".encode()),
        _basic(b"long:" + LONG),
    ],
)
def test_right(header: bytes) -> None:
    """A user with the right password comes in."""
    assert _allows(header) == [True]


@pytest.mark.parametrize(
    "header",
    [
        b"",
        b"Basic",
        b"Basic !!!",
        b"Bearer " + b64encode(b"alice:secret"),
        _basic(b"alice"),
        _basic(b"alice:"),
        _basic(b"alice:Secret"),
        _basic(b"alice:secret\0"),
        _basic(b"Alice:secret"),
        _basic(b"mallory:secret"),
        _basic(b":"),
        _basic(b"\xff:\xff"),
    ],
)
def test_wrong(header: bytes) -> None:
    """Anybody else does not."""
    assert _allows(header) == [False]


def test_right_passwords_are_verified_once(verifications: _Bcrypt) -> None:
    """Scrapes with a password cost bcrypt once, and wrong ones cost it each time."""
    right, wrong = _basic(b"alice:secret"), _basic(b"alice:guess")
    assert _allows(right, right, right, wrong, wrong) == [True, True, True, False, False]
    assert verifications.calls == 3


def test_unknown_users_cost_the_same(verifications: _Bcrypt) -> None:
    """Whether a user exists does not show in the work done, even with a password of another's."""
    assert _allows(_basic(b"mallory:secret"), _basic(b"alice:guess")) == [False, False]
    assert verifications.calls == 2


def test_many_at_once(verifications: _Bcrypt) -> None:
    """Guesses are verified one at a time, and too many are turned away while known users pass."""

    async def ask() -> None:
        authenticator = Authenticator(USERS)
        right = _basic(b"alice:secret")
        assert await authenticator.allows(right)
        guesses = [_basic(b"alice:%d" % number) for number in range(40)]
        asking = [asyncio.create_task(authenticator.allows(guess)) for guess in guesses]
        await asyncio.sleep(0)
        assert await authenticator.allows(right)
        answers = await asyncio.gather(*asking, return_exceptions=True)
        turned_away = [answer for answer in answers if isinstance(answer, OverloadedError)]
        assert 0 < len(turned_away) < 40
        assert answers.count(False) == 40 - len(turned_away)
        assert not await authenticator.allows(guesses[0])

    asyncio.run(ask())
    assert verifications.most == 1


def test_same_password_at_once(verifications: _Bcrypt) -> None:
    """Connections that a scraper opens together share one verification."""

    async def ask() -> None:
        authenticator = Authenticator(USERS)
        right = _basic(b"alice:secret")
        assert all(await asyncio.gather(*(authenticator.allows(right) for _ in range(10))))

    asyncio.run(ask())
    assert verifications.calls == 1
