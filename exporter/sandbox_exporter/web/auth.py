"""Basic authentication against bcrypt hashes."""

from __future__ import annotations

import asyncio
import binascii
import hmac
from base64 import b64decode
from collections.abc import Mapping
from secrets import token_bytes

import bcrypt

_KEY = token_bytes(32)
_LONGEST_PASSWORD = 72
"""Bytes of a password that bcrypt looks at; every implementation ignores the rest."""
_LONGEST_QUEUE = 16


class OverloadedError(Exception):
    """More passwords wait to be verified than will be looked at."""


class Authenticator:
    """Knows who may come in.

    A verification takes bcrypt some 100 ms of a CPU by design. So that a scraper which shows its
    password each time costs that once, a digest of each password found right is remembered; and so
    that guesses cannot take the machine, one is verified at a time, on a thread of its own.
    """

    def __init__(self, users: Mapping[bytes, bytes]) -> None:
        """Takes the bcrypt hash of each user's password."""
        self._users = dict(users)
        self._right: set[bytes] = set()
        self._one_at_a_time = asyncio.Lock()
        self._queue = 0

    async def allows(self, authorization: bytes) -> bool:
        """Whether an `Authorization` header names a user with the right password.

        Raises `OverloadedError` when too many verifications are already waiting.
        """
        credentials = _credentials(authorization)
        if credentials is None:
            return False
        user, password = credentials
        digest = hmac.digest(_KEY, user + b":" + password, "sha256")
        if digest in self._right:
            return True
        if self._queue >= _LONGEST_QUEUE:
            raise OverloadedError
        self._queue += 1
        try:
            async with self._one_at_a_time:
                return digest in self._right or await self._verify(user, password, digest)
        finally:
            self._queue -= 1

    async def _verify(self, user: bytes, password: bytes, digest: bytes) -> bool:
        # An unknown user costs the same time as a known one, or the time would tell who exists.
        expected = self._users.get(user, next(iter(self._users.values())))
        right = await asyncio.to_thread(bcrypt.checkpw, password, expected)
        if right and user in self._users:
            self._right.add(digest)
            return True
        return False


def _credentials(authorization: bytes) -> tuple[bytes, bytes] | None:
    scheme, _, encoded = authorization.partition(b" ")
    if scheme.lower() != b"basic":
        return None
    try:
        user, colon, password = b64decode(encoded.strip(), validate=True).partition(b":")
    except binascii.Error:
        return None
    return (user, password[:_LONGEST_PASSWORD]) if colon else None
