from __future__ import annotations

import pytest

from sandbox_exporter.backfill.prices import PRICED, solve
from sandbox_exporter.model import GIB, Field

PRICES = dict(zip(PRICED, (0.000014, 0.0000045 / GIB, 5e-11), strict=True))


def _row(*usages: float) -> dict[Field, float]:
    row = dict(zip(PRICED, usages, strict=True))
    return {**row, Field.COST_USD: sum(PRICES[field] * row[field] for field in PRICED)}


def test_prices_are_found_from_templates_of_different_sizes() -> None:
    """Three independent rows are enough."""
    rows = [_row(3600, 2 * GIB * 3600, 1e9), _row(7200, 8 * GIB * 3600, 1e8), _row(10, GIB, 5e9)]
    found = solve([*rows, _row(0, 0, 0)])
    assert found == {field: pytest.approx(price, rel=1e-6) for field, price in PRICES.items()}


@pytest.mark.parametrize(
    "rows", [[_row(3600, GIB * 3600, 1e9)], [_row(1, GIB, 0), _row(2, 2 * GIB, 0)]]
)
def test_too_few_rows_still_explain_themselves(rows: list[dict[Field, float]]) -> None:
    """One row, or templates of one size: any prices do that explain the rows, and none is < 0."""
    found = solve(rows)
    assert min(found.values()) >= 0
    for row in rows:
        cost = sum(found[field] * row[field] for field in PRICED)
        assert cost == pytest.approx(row[Field.COST_USD], rel=1e-6)


def test_no_usage_means_no_prices() -> None:
    """Nothing to explain."""
    assert set(solve([]).values()) == {0.0}
