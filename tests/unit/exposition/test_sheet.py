from __future__ import annotations

import asyncio
import zlib
from collections.abc import Iterable
from dataclasses import replace
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox_exporter.config.model import Account, SecretRef
from sandbox_exporter.exposition.pieces import Piece
from sandbox_exporter.exposition.publisher import Publisher
from sandbox_exporter.exposition.selfmetrics import SelfMetrics
from sandbox_exporter.model import KINDS, Field, Kind, Template
from sandbox_exporter.snapshot import AccountSnapshot, EndpointHealth, TemplateUsage, Usage
from tests.rendering import whole, write

NAMES = [f"account-{number}" for number in range(40)]
VALUES = (0.0, 1.5, 1e-9, 123456.789, 2.5e15)


def a_usage(random: Random) -> Usage:
    """Some quantities, or none."""
    fields = random.sample(list(Field), random.randrange(5))
    readings = {field: random.choice(VALUES) for field in fields}
    return Usage({f: v for f, v in readings.items() if KINDS[f] is not Kind.LEVEL}, readings)


def an_account(name: str, random: Random) -> AccountSnapshot:
    """An account in any state: not tried, stale, with no templates or with many."""
    maybe = (None, *VALUES)
    usage = a_usage(random)
    return AccountSnapshot(
        "seacloud",
        name,
        tried=random.random() < 0.5,
        endpoints=tuple(
            EndpointHealth(endpoint, random.random() < 0.5, random.choice(maybe))
            for endpoint in random.sample(["summary", "costs"], random.randrange(3))
        ),
        created=random.choice((0, 1_793_491_200)),
        usage=a_usage(random),
        templates=tuple(
            TemplateUsage(Template(f'te"m\\n-{number}'), usage)
            for number in range(random.choice((0, 0, 1, 2, 3, 40, 300)))
        ),
        budget_usd=random.choice(maybe),
    )


@given(st.data())
@settings(max_examples=40)
def test_each_publication_equals_one_from_nothing(data: st.DataObject) -> None:
    """Whatever changes in whatever order: accounts, what is counted of them, and who they are."""
    metrics = SelfMetrics()
    publisher = Publisher(metrics)

    def check() -> None:
        owners = [(account.provider, account.account) for account in publisher.snapshot.accounts]
        expected = zip(whole(publisher.snapshot), write(metrics.families(owners)), strict=True)
        bodies = (publisher.page.text, publisher.page.openmetrics)
        for body, parts in zip(bodies, expected, strict=True):
            head, found, _ = body.plain.decode().partition("# HELP sandbox_exporter_publish")
            assert found
            assert head == "".join(parts)

    def some(most: int) -> list[str]:
        return data.draw(st.lists(st.sampled_from(NAMES), unique=True, max_size=most))

    def drawn(names: Iterable[str]) -> list[AccountSnapshot]:
        random = data.draw(st.integers(0, 2**32).map(Random))
        return [an_account(name, random) for name in names]

    publisher.restart(drawn(some(40)))
    asyncio.run(publisher.render())
    check()
    for _ in range(data.draw(st.integers(1, 4))):
        if data.draw(st.integers(0, 5)) == 0:
            publisher.restart(drawn(some(20)))
        for account in drawn(some(3)):
            publisher.publish(account)
        for name in some(3):
            observer = metrics.account(configured(name))
            observer.request("summary", "200", 0.1)
            observer.corrected(1)
        for name in some(1):
            metrics.forget(configured(name))
        asyncio.run(publisher.render())
        check()


def configured(name: str) -> Account:
    """An account of the configuration."""
    return Account(name, "seacloud", "", SecretRef("env", "NONE"))


def snapshots(names: Iterable[str], cost: float = 1.0) -> list[AccountSnapshot]:
    """Accounts of three templates each."""
    usage = Usage({Field.COST_USD: cost}, {Field.COST_USD: cost})
    templates = tuple(TemplateUsage(Template(f"t{number}"), usage) for number in range(3))
    return [
        AccountSnapshot("seacloud", name, tried=True, created=1, usage=usage, templates=templates)
        for name in names
    ]


class Compressed:
    """Counts the texts that are compressed."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.texts: list[str] = []
        make = Piece.of

        def of(text: str, before: Piece | None = None) -> Piece:
            made = make(text, before)
            if made is not before and text.startswith("sandbox_"):
                self.texts.append(text)
            return made

        monkeypatch.setattr(Piece, "of", of)


@pytest.mark.parametrize("count", [20, 500])
def test_a_publication_costs_what_its_account_does(
    monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    """The same whatever the number of the others, and only what changed of it."""
    publisher = Publisher(SelfMetrics())
    names = [f"account-{number}" for number in range(count)]
    publisher.restart(snapshots(names))
    asyncio.run(publisher.render())
    compressed = Compressed(monkeypatch)
    (changed,) = snapshots(["account-17"], 2.0)
    publisher.publish(replace(changed, budget_usd=None))
    asyncio.run(publisher.render())
    families = {text.partition("{")[0] for text in compressed.texts}
    assert families == {
        f"sandbox_{level}_{name}"
        for level in ("account", "template")
        for name in ("cost_usd_total", "month_cost_usd")
    }
    # Of both counters the text with their start times, too.
    assert len(compressed.texts) == 6
    assert max(text.count("\n") for text in compressed.texts) <= 2 * 3 * 16


def test_a_publication_without_a_change_compresses_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An idle account is polled each minute."""
    publisher = Publisher(SelfMetrics())
    publisher.restart(snapshots(NAMES))
    asyncio.run(publisher.render())
    compressed = Compressed(monkeypatch)
    for account in snapshots(NAMES):
        publisher.publish(account)
    asyncio.run(publisher.render())
    assert compressed.texts == []


def test_small_accounts_are_compressed_as_well_as_one_large_one() -> None:
    """A page of many accounts is hardly larger than the same lines compressed as one."""
    publisher = Publisher(SelfMetrics())
    random = Random(1)
    publisher.restart(
        snapshots([f"account-{number}"], random.random() * 1e6)[0] for number in range(400)
    )
    asyncio.run(publisher.render())
    for body in (publisher.page.text, publisher.page.openmetrics):
        assert len(body.gzip) < 1.3 * len(zlib.compress(body.plain, 1))
