"""A client that answers from a script, in place of HTTP."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import cast

import pytest

from sandbox_exporter.client import Client
from sandbox_exporter.secret import Secret

Params = Mapping[str, str | int] | None


class FakeClient:
    """Answers each call with the next of its answers, and remembers the calls."""

    def __init__(self, *answers: object) -> None:
        self._answers = list(answers)
        self.secret = "not-to-be-shown-anywhere"
        self.calls: list[tuple[str, str, Params]] = []

    async def get(self, endpoint: str, path: str, params: Params = None) -> object:
        self.calls.append((endpoint, path, params))
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]

    def mask(self, text: str) -> str:
        return Secret(self.secret).mask(text)

    @property
    def client(self) -> Client:
        """Itself, as providers want it."""
        return cast(Client, self)


@pytest.fixture(scope="session")
def answering() -> Callable[..., FakeClient]:
    """Makes a client that gives these answers in turn, and the last one over and over."""
    return FakeClient
