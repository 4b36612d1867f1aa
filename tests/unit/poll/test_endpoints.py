from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest

from sandbox_exporter.errors import AnswerError, Reason, UpstreamError
from sandbox_exporter.model import Field
from tests.unit.poll.published import costs, up

if TYPE_CHECKING:
    from tests.unit.poll.conftest import FakeVendor, MakePolled

DOWN = UpstreamError(Reason.SERVER, "HTTP 500", status=500)
LACKING = UpstreamError(Reason.NOT_FOUND, "HTTP 404", status=404)
COST = Field.COST_USD


@pytest.mark.parametrize("failing", ["storage", "costs_previous", "templates", "a"])
def test_one_failing_endpoint_leaves_the_others(
    fake_vendor: type[FakeVendor],
    make_polled: MakePolled,
    failing: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Its health says so, one line is logged, and what the others bring is published."""
    vendor = fake_vendor("a", "b")
    polled = make_polled(vendor)
    polled.poll()
    vendor.failures[failing] = DOWN
    vendor.use("a", 5.0)
    vendor.use("b", 2.0)
    polled.poll(after=3600)
    snapshot = polled.poller.snapshot()
    endpoint = "template_summary" if failing == "a" else failing
    assert [name for name, is_up in up(snapshot).items() if not is_up] == [endpoint]
    told = "template a: HTTP 500" if failing == "a" else "HTTP 500"
    assert snapshot.error == f"{endpoint}: server: {told}"
    assert snapshot.usage.counters == {COST: 7.0}
    assert costs(snapshot)["b"] == 2.0
    (record,) = caplog.records
    fields = vars(record)
    assert record.levelno == logging.WARNING
    assert (fields["account"], fields["endpoint"], fields["reason"]) == ("prod", endpoint, "server")


def test_an_endpoint_that_the_deployment_lacks_is_tried_again_hourly(
    fake_vendor: type[FakeVendor], make_polled: MakePolled, caplog: pytest.LogCaptureFixture
) -> None:
    """It is no failure, and when it appears it is used."""
    vendor = fake_vendor("a")
    vendor.failures["storage"] = LACKING
    polled = make_polled(vendor)
    with caplog.at_level(logging.INFO):
        polled.poll()
    assert "not supported by the deployment" in caplog.text
    assert polled.poller.snapshot().up
    assert "storage" not in up(polled.poller.snapshot())
    vendor.asked()
    polled.poll(after=3599)
    assert "storage" not in vendor.asked()
    vendor.failures.clear()
    polled.poll(after=1)
    assert up(polled.poller.snapshot())["storage"]


def test_a_misfit_answer_is_counted(fake_vendor: type[FakeVendor], make_polled: MakePolled) -> None:
    """Each answer that is not what the API promises counts, of templates too."""
    vendor = fake_vendor("a", "b")
    vendor.failures |= dict.fromkeys(("storage", "a", "b"), AnswerError("month: misfit"))
    polled = make_polled(vendor)
    polled.poll()
    assert sorted(polled.observer.errors) == [
        ("storage", Reason.SCHEMA),
        ("template_summary", Reason.SCHEMA),
        ("template_summary", Reason.SCHEMA),
    ]


def test_a_corrected_total_is_counted(
    fake_vendor: type[FakeVendor], make_polled: MakePolled
) -> None:
    """The account's total and the template's fell: two answers, and the counters hold."""
    vendor = fake_vendor("a")
    vendor.use("a", 5.0, running_sandboxes=1)
    polled = make_polled(vendor)
    polled.poll()
    vendor.use("a", -2.0)
    polled.poll(after=60)
    assert polled.observer.corrections == 2
    snapshot = polled.poller.snapshot()
    assert (snapshot.usage.counters[COST], snapshot.usage.readings[COST]) == (5.0, 3.0)


def test_a_rejected_key_is_one_line(
    fake_vendor: type[FakeVendor], make_polled: MakePolled, caplog: pytest.LogCaptureFixture
) -> None:
    """For all endpoints and all polls until it is mended."""
    vendor = fake_vendor("a")
    rejected = UpstreamError(Reason.AUTH, "HTTP 401", status=401)
    names = ("summary", "storage", "costs_previous", "templates")
    vendor.failures |= dict.fromkeys(names, rejected)
    polled = make_polled(vendor)
    with caplog.at_level(logging.INFO):
        for _ in range(50):
            polled.poll(after=60)
        (record,) = caplog.records
        assert vars(record)["endpoint"] == ",".join((*names, "template_summary"))
        vendor.failures.clear()
        polled.poll(after=60)
    assert caplog.records[1].getMessage() == "recovered after 50 min"
