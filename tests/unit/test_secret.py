from __future__ import annotations

import copy
import logging
import pickle

import pytest

from sandbox_exporter.secret import Secret

VALUE = "sk-live-4f9c0a77"


def test_a_secret_never_shows_itself(caplog: pytest.LogCaptureFixture) -> None:
    """Printed, formatted, put into a container or logged, it is three stars."""
    secret = Secret(VALUE)
    logging.getLogger(__name__).warning("key %s %r", secret, [secret])
    shown = [
        str(secret),
        repr(secret),
        f"{secret}",
        f"{secret:>20}",
        f"{secret!r}",
        str({1: secret}),
    ]
    assert shown == ["***", "***", "***", "***", "***", "{1: ***}"]
    assert caplog.messages == ["key *** [***]"]


def test_reveal_gives_the_text() -> None:
    """The one way to the text is to ask for it by name."""
    assert Secret(VALUE).reveal() == VALUE


@pytest.mark.parametrize("duplicate", [pickle.dumps, copy.copy, copy.deepcopy])
def test_a_secret_is_not_written_out(duplicate: object) -> None:
    """Neither pickled nor copied, so that it does not end up in a file or a queue."""
    assert callable(duplicate)
    with pytest.raises(TypeError, match=r"^a secret cannot be pickled$"):
        duplicate(Secret(VALUE))


def test_secrets_compare_by_their_text() -> None:
    """A reload can tell a rotated secret from the same one."""
    assert Secret(VALUE) == Secret(VALUE)
    assert len({Secret(VALUE), Secret(VALUE), Secret("other")}) == 2
    assert Secret(VALUE) != VALUE
