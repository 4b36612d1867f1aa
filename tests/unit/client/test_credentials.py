from __future__ import annotations

import pytest

from sandbox_exporter.client.credentials import Credentials
from sandbox_exporter.secret import Secret


class Store:
    """Where a secret is kept."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.reads = 0

    def read(self) -> Secret:
        self.reads += 1
        if not self.text:
            raise ValueError("the store is empty")
        return Secret(self.text)


def test_a_secret_is_read_once() -> None:
    """Calls do not touch the file each time."""
    store = Store("one")
    credentials = Credentials(store.read)
    assert credentials.current() == credentials.current() == Secret("one")
    assert store.reads == 1


def test_a_failed_rereading_keeps_the_old_secret() -> None:
    """A secret file that vanishes for a moment stops nothing that still works."""
    store = Store("one")
    credentials = Credentials(store.read)
    rejected = credentials.current()
    store.text = ""
    with pytest.raises(ValueError, match="the store is empty"):
        credentials.replaced(rejected)
    assert credentials.current() == Secret("one")


def test_the_secret_before_is_known_too() -> None:
    """A call that was under way with it may still bring an echo."""
    credentials = Credentials(Store("one").read)
    assert credentials.known() == ()
    credentials.current()
    for text in ("two", "two", "three"):
        credentials.use(Secret(text))
    assert credentials.known() == (Secret("three"), Secret("two"))


def test_a_rejected_secret_is_looked_up_again() -> None:
    """Only a rotated secret is worth another try."""
    store = Store("one")
    credentials = Credentials(store.read)
    old = credentials.current()
    assert not credentials.replaced(old)
    store.text = "two"
    assert credentials.replaced(old)
    assert credentials.current() == Secret("two")


def test_calls_rejected_together_read_the_new_secret_once() -> None:
    """Of many calls that fail with the old secret only the first reads anew."""
    store = Store("one")
    credentials = Credentials(store.read)
    old = credentials.current()
    store.text = "two"
    assert all(credentials.replaced(old) for _ in range(16))
    assert store.reads == 2
