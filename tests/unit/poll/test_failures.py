from __future__ import annotations

import logging

import pytest

from sandbox_exporter.errors import Reason, UpstreamError
from sandbox_exporter.poll.failures import FailureLog

DOWN = UpstreamError(Reason.SERVER, "HTTP 500", status=500)
SLOW = UpstreamError(Reason.TIMEOUT, "silent")
REJECTED = UpstreamError(Reason.AUTH, "HTTP 401", status=401)


class Polls:
    """Polls of one account, a minute apart, and what each of them has logged."""

    def __init__(self, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.INFO, "sandbox_exporter.poll")
        self._caplog = caplog
        self._log = FailureLog("prod", "seacloud")
        self._clock = 0.0

    def poll(self, **failing: UpstreamError) -> list[tuple[str, str]]:
        """The message and the endpoints of each line."""
        self._caplog.clear()
        self._clock += 60
        self._log.polled(failing, self._clock)
        records = self._caplog.records
        return [(record.getMessage(), vars(record)["endpoint"]) for record in records]


def test_a_failure_is_told_when_it_begins_and_when_it_ends(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Not poll after poll; each endpoint has its own."""
    polls = Polls(caplog)
    assert polls.poll() == []
    assert polls.poll(storage=DOWN) == [("poll failed", "storage")]
    (record,) = caplog.records
    fields = vars(record)
    assert (fields["account"], fields["provider"], fields["reason"]) == (
        "prod",
        "seacloud",
        "server",
    )
    assert (fields["error"], fields["status"]) == ("HTTP 500", 500)
    assert polls.poll(storage=DOWN) == []
    assert polls.poll(storage=DOWN, costs=DOWN) == [("poll failed", "costs")]
    assert polls.poll(costs=DOWN) == [("recovered after 3 min", "storage")]
    assert polls.poll() == [("recovered after 2 min", "costs")]
    assert polls.poll() == []


def test_a_failure_of_all_endpoints_is_one_line(caplog: pytest.LogCaptureFixture) -> None:
    """A rejected key is one fault, whatever was asked with it."""
    polls = Polls(caplog)
    failing = dict.fromkeys(("summary", "storage", "templates"), REJECTED)
    assert polls.poll(**failing) == [("poll failed", "summary,storage,templates")]
    for _ in range(10):
        assert polls.poll(**failing) == []
    assert polls.poll() == [("recovered after 11 min", "summary,storage,templates")]


def test_another_reason_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    """An outage that shows now as errors, now as silence, is two lines."""
    polls = Polls(caplog)
    lines = [polls.poll(summary=SLOW if poll % 2 else DOWN) for poll in range(20)]
    assert [bool(line) for line in lines] == [True, True] + [False] * 18


def test_a_lasting_failure_is_told_again_each_hour(caplog: pytest.LogCaptureFixture) -> None:
    """Whoever reads a day's log finds it, and 24 lines at most."""
    polls = Polls(caplog)
    lines = [line for _ in range(24 * 60) for line in polls.poll(summary=REJECTED)]
    assert lines == [("poll failed", "summary")] + [("poll still fails", "summary")] * 23


def test_a_failure_that_comes_and_goes_does_not_flood(caplog: pytest.LogCaptureFixture) -> None:
    """Its end is told again only once it has been well for a quarter of an hour."""
    polls = Polls(caplog)
    assert polls.poll(summary=DOWN) == [("poll failed", "summary")]
    assert polls.poll() == [("recovered after 60 s", "summary")]
    assert polls.poll(summary=DOWN) == [("poll failed", "summary")]
    for _ in range(20):
        assert polls.poll() == []
        assert polls.poll(summary=DOWN) == []
    told = [line for _ in range(16) for line in polls.poll()]
    assert told == [("recovered after 43 min", "summary")]
    assert polls.poll(summary=DOWN) == [("poll failed", "summary")]


def test_long_failures_are_told_in_hours(caplog: pytest.LogCaptureFixture) -> None:
    """Nobody counts minutes by the hundred."""
    polls = Polls(caplog)
    for _ in range(150):
        polls.poll(summary=DOWN)
    assert polls.poll() == [("recovered after 2.5 h", "summary")]
