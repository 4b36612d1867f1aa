"""Basic authentication against bcrypt hashes."""

from __future__ import annotations

import asyncio
import binascii
import hmac
from base64 import b64decode
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv6Address, ip_address
from secrets import token_bytes

import bcrypt

from sandbox_exporter.web.limits import LONGEST_QUEUE

_KEY = token_bytes(32)
_LONGEST_PASSWORD = 72
"""Bytes of a password that bcrypt looks at; every implementation ignores the rest."""
MOST_REMEMBERED = 1024
"""Wrong passwords, and addresses and users of wrong ones, that are remembered."""


class OverloadedError(Exception):
    """More passwords wait to be verified than will be looked at."""


class Authenticator:
    """Knows who may come in.

    A verification takes bcrypt some 100 ms of a CPU by design. So that a scraper which shows its
    password each time costs that once, a digest of each password found right or wrong is
    remembered; and so that guesses cannot take the machine, one is verified at a time, on a thread
    of its own. Which one is next, `_rank` tells.
    """

    def __init__(self, users: Mapping[bytes, bytes]) -> None:
        """Takes the bcrypt hash of each user's password."""
        self._users = dict(users)
        self._dearest = max(map(_cost, users.values()))
        self._right: set[bytes] = set()
        self._wrong: dict[Hashable, None] = {}
        self._failed: dict[Hashable, None] = {}
        self._guessed: dict[Hashable, None] = {}
        self._waiting: list[_Attempt] = []
        self._busy = False

    async def allows(self, authorization: bytes, client: str) -> bool:
        """Whether an `Authorization` header names a user with the right password.

        `client` is the address that it came from. Raises `OverloadedError` when too many
        verifications are already waiting.
        """
        credentials = _credentials(authorization)
        if credentials is None:
            return False
        user, password = credentials
        attempt = _Attempt(
            hmac.digest(_KEY, user + b":" + password, "sha256"),
            hmac.digest(_KEY, user, "sha256"),
            _network(client),
        )
        if not self._is_known(attempt.digest):
            await self._wait_for_turn(attempt)
            try:
                if not self._is_known(attempt.digest):
                    right = await asyncio.to_thread(self._verify, user, password)
                    self._remember(attempt, right)
            finally:
                self._give_turn()
        return attempt.digest in self._right

    def _is_known(self, digest: bytes) -> bool:
        return digest in self._right or digest in self._wrong

    def _remember(self, attempt: _Attempt, right: bool) -> None:
        if right:
            self._right.add(attempt.digest)
            return
        for memory, item in (
            (self._wrong, attempt.digest),
            (self._failed, attempt.network),
            (self._guessed, attempt.user),
        ):
            memory[item] = None
            if len(memory) > MOST_REMEMBERED:
                del memory[next(iter(memory))]

    async def _wait_for_turn(self, attempt: _Attempt) -> None:
        if not self._busy:
            self._busy = True
            return
        if len(self._waiting) >= LONGEST_QUEUE:
            last = max(self._waiting, key=self._rank)
            if self._rank(last) <= self._rank(attempt):
                raise OverloadedError
            self._waiting.remove(last)
            last.pushed_out = True
            last.turn.set()
        self._waiting.append(attempt)
        try:
            await attempt.turn.wait()
        except asyncio.CancelledError:
            if attempt in self._waiting:
                self._waiting.remove(attempt)
            elif not attempt.pushed_out:
                self._give_turn()
            raise
        if attempt.pushed_out:
            raise OverloadedError

    def _give_turn(self) -> None:
        if not self._waiting:
            self._busy = False
            return
        # The newest of the best: who guesses waits for an answer before the next guess, so one that
        # comes later has nobody before it, however many wait.
        first = min(reversed(self._waiting), key=self._rank)
        self._waiting.remove(first)
        first.turn.set()

    def _rank(self, attempt: _Attempt) -> tuple[bool, bool, bool]:
        """The lower, the sooner.

        First what need not be verified any more, then addresses that have not failed yet, then
        users whose password nobody has guessed at, whether there are such users or not.
        """
        return (
            not self._is_known(attempt.digest),
            attempt.network in self._failed,
            attempt.user in self._guessed,
        )

    def _verify(self, user: bytes, password: bytes) -> bool:
        """Takes the same time for each user, known or not, or the time would tell who exists."""
        expected = self._users.get(user, _dummy(self._dearest))
        if bcrypt.checkpw(password, expected):
            return True
        # A step of the cost doubles the time: 2^4, and then 2^4 + 2^5 + 2^6, make 2^7.
        for cost in range(_cost(expected), self._dearest):
            bcrypt.checkpw(password, _dummy(cost))
        return False


@dataclass(slots=True, eq=False)
class _Attempt:
    """Credentials that nobody has verified yet."""

    digest: bytes
    user: bytes
    """A digest too, since a name may be as long as a header."""
    network: Hashable
    turn: asyncio.Event = field(default_factory=asyncio.Event)
    pushed_out: bool = False


def _cost(hashed: bytes) -> int:
    return int(hashed[4:6])


def _dummy(cost: int) -> bytes:
    """A hash of this cost that no password has."""
    return b"$2b$%02d$" % cost + b"." * 53


def _network(client: str) -> Hashable:
    """The address, or of IPv6 the network: whoever has one address there has 2^64."""
    address = ip_address(client.partition("%")[0])
    if isinstance(address, IPv6Address):
        return address.ipv4_mapped or address.packed[:8]
    return address


def _credentials(authorization: bytes) -> tuple[bytes, bytes] | None:
    scheme, _, encoded = authorization.partition(b" ")
    if scheme.lower() != b"basic":
        return None
    try:
        user, colon, password = b64decode(encoded.strip(), validate=True).partition(b":")
    except binascii.Error:
        return None
    return (user, password[:_LONGEST_PASSWORD]) if colon else None
