from __future__ import annotations

import asyncio
import threading
from base64 import b64encode
from collections.abc import Mapping

import bcrypt
import pytest

from sandbox_exporter.web import auth
from sandbox_exporter.web.auth import Authenticator, OverloadedError

CLIENT = "192.0.2.1"
LONG = b"long " * 20
USERS = {
    b"alice": bcrypt.hashpw(b"secret", bcrypt.gensalt(4)),
    "zoë".encode(): bcrypt.hashpw(b"a:b", bcrypt.gensalt(4)),
    b"long": bcrypt.hashpw(LONG[:72], bcrypt.gensalt(4)),
}


class _Bcrypt:
    """Notes what is verified and how many run at once; while `gate` is clear, they take longer."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.passwords: list[bytes] = []
        self.work = self.running = self.most = 0
        self.gate = threading.Event()
        self.gate.set()
        self._verify = bcrypt.checkpw
        monkeypatch.setattr(bcrypt, "checkpw", self)

    def __call__(self, password: bytes, expected: bytes) -> bool:
        self.passwords.append(password)
        self.work += 2 ** int(expected.split(b"$")[2])
        self.running += 1
        self.most = max(self.most, self.running)
        self.gate.wait(10)
        right = self._verify(password, expected)
        self.running -= 1
        return right


@pytest.fixture
def verifications(monkeypatch: pytest.MonkeyPatch) -> _Bcrypt:
    """Watches bcrypt."""
    return _Bcrypt(monkeypatch)


def _basic(credentials: bytes) -> bytes:
    return b"Basic " + b64encode(credentials)


def _allows(*headers: bytes, users: Mapping[bytes, bytes] = USERS) -> list[bool]:
    """The answers to headers that come one after the other."""

    async def ask() -> list[bool]:
        authenticator = Authenticator(users)
        return [await authenticator.allows(header, CLIENT) for header in headers]

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


def test_passwords_are_verified_once(verifications: _Bcrypt) -> None:
    """Scrapes with a password cost bcrypt once, whether it is right or wrong."""
    right, wrong = _basic(b"alice:secret"), _basic(b"alice:guess")
    assert _allows(right, right, right, wrong, wrong) == [True, True, True, False, False]
    assert len(verifications.passwords) == 2


def test_guesses_are_forgotten(verifications: _Bcrypt, monkeypatch: pytest.MonkeyPatch) -> None:
    """Endless guesses fill no memory and push out no password that was right."""
    monkeypatch.setattr(auth, "MOST_REMEMBERED", 3)
    right = _basic(b"alice:secret")
    guesses = [_basic(b"alice:%d" % number) for number in range(5)]
    _allows(right, *guesses, right, guesses[-1], guesses[0])
    assert verifications.passwords == [b"secret", b"0", b"1", b"2", b"3", b"4", b"0"]


def test_each_refusal_takes_the_same_work(verifications: _Bcrypt) -> None:
    """Neither the work for a user with a cheaper hash nor that for an unknown one tells them."""
    users = {
        name: bcrypt.hashpw(b"secret", bcrypt.gensalt(cost))
        for name, cost in ((b"cheap", 4), (b"middle", 5), (b"dear", 7))
    }
    for name in (b"cheap", b"middle", b"dear", b"unknown"):
        verifications.work = 0
        assert _allows(_basic(name + b":guess"), users=users) == [False]
        assert verifications.work == 2**7


@pytest.mark.parametrize(
    "clients",
    [["192.0.2.1"] * 100, [f"198.51.100.{number}" for number in range(100)]],
    ids=["one address", "many addresses"],
)
def test_a_newcomer_need_not_wait_for_guesses(
    verifications: _Bcrypt, monkeypatch: pytest.MonkeyPatch, clients: list[str]
) -> None:
    """One hundred clients with wrong passwords wait, and who comes after them is next."""
    verifications.gate.clear()

    async def ask() -> None:
        authenticator = Authenticator(USERS)
        guesses = [
            asyncio.create_task(authenticator.allows(_basic(b"alice:%d" % number), client))
            for number, client in enumerate(clients)
        ]
        await asyncio.sleep(0)
        newcomer = asyncio.create_task(authenticator.allows(_basic(b"alice:secret"), CLIENT))
        await asyncio.sleep(0)
        verifications.gate.set()
        assert await newcomer
        assert not any(await asyncio.gather(*guesses))

    asyncio.run(ask())
    assert verifications.passwords[:2] == [b"0", b"secret"]
    assert verifications.most == 1


@pytest.mark.parametrize(
    ("failed", "other", "passwords"),
    [
        ("192.0.2.1", "192.0.2.2", [b"0", b"1", b"other", b"again"]),
        ("2001:db8::1", "2001:db8::2", [b"0", b"1", b"again", b"other"]),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.2", [b"0", b"1", b"other", b"again"]),
    ],
)
def test_who_failed_before_comes_last(
    verifications: _Bcrypt, failed: str, other: str, passwords: list[bytes]
) -> None:
    """Guesses from one address, or network of IPv6, do not hold up other addresses."""

    async def ask() -> None:
        authenticator = Authenticator(USERS)
        await authenticator.allows(_basic(b"alice:0"), failed)
        verifications.gate.clear()
        asking = []
        for password, client in ((b"1", failed), (b"other", other), (b"again", failed)):
            credentials = _basic(b"alice:" + password)
            asking.append(asyncio.create_task(authenticator.allows(credentials, client)))
            await asyncio.sleep(0)
        verifications.gate.set()
        await asyncio.gather(*asking)

    asyncio.run(ask())
    assert verifications.passwords == passwords


def test_too_many_at_once(verifications: _Bcrypt, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full queue turns guesses away; who has not failed yet takes the place of one who has."""
    monkeypatch.setattr(auth, "LONGEST_QUEUE", 2)

    async def ask() -> None:
        authenticator = Authenticator(USERS)
        right = _basic(b"alice:secret")
        await authenticator.allows(_basic(b"alice:guess"), CLIENT)
        verifications.gate.clear()
        guesses = []
        for number in range(4):
            credentials = _basic(b"alice:%d" % number)
            guesses.append(asyncio.create_task(authenticator.allows(credentials, CLIENT)))
            await asyncio.sleep(0)
        newcomer = asyncio.create_task(authenticator.allows(right, "192.0.2.2"))
        await asyncio.sleep(0)
        verifications.gate.set()
        assert await newcomer
        first, *rest = await asyncio.gather(*guesses, return_exceptions=True)
        assert first is False
        assert [isinstance(answer, OverloadedError) for answer in rest].count(True) == 2

    asyncio.run(ask())


def test_who_goes_away_holds_nobody_up(verifications: _Bcrypt) -> None:
    """An attempt that is given up, waiting or with its turn just come, leaves its place."""

    async def ask() -> None:
        authenticator = Authenticator(USERS)
        verifications.gate.clear()
        first, second, third, last = (
            asyncio.create_task(authenticator.allows(_basic(b"alice:%d" % number), CLIENT))
            for number in range(4)
        )
        await asyncio.sleep(0)
        third.cancel()
        await asyncio.wait([third])
        verifications.gate.set()
        await first
        last.cancel()
        assert not await second

    asyncio.run(ask())
    assert b"2" not in verifications.passwords


def test_same_password_at_once(verifications: _Bcrypt) -> None:
    """Connections that a scraper opens together share one verification."""

    async def ask() -> None:
        authenticator = Authenticator(USERS)
        right = _basic(b"alice:secret")
        assert all(await asyncio.gather(*(authenticator.allows(right, CLIENT) for _ in range(10))))

    asyncio.run(ask())
    assert verifications.passwords == [b"secret"]
