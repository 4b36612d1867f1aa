"""Unit prices, found from what summaries say of usage and cost.

Cost is a linear function of vCPU time, memory time and data transfer, but no vendor endpoint tells
the prices. They only shape the cost within a window whose total is known exactly.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sandbox_exporter.model import Field, Readings

PRICED = (Field.VCPU_SECONDS, Field.MEMORY_BYTE_SECONDS, Field.DATA_TRANSFER_BYTES)
_RIDGE = 1e-12
"""Share of the diagonal that keeps the equations solvable when the rows say too little."""

Prices = Mapping[Field, float]
"""USD for one base unit."""


def solve(rows: Sequence[Readings]) -> Prices:
    """The prices that explain the rows best, in the sense of least squares; none is negative.

    Where the rows leave a choice, as a single one does, the smallest prices are taken.
    """
    scales = [max((row.get(field, 0.0) for row in rows), default=0.0) or 1.0 for field in PRICED]
    usages = [
        [row.get(field, 0.0) / scale for field, scale in zip(PRICED, scales, strict=True)]
        for row in rows
    ]
    costs = [row.get(Field.COST_USD, 0.0) for row in rows]
    size = len(PRICED)
    matrix = [[sum(u[i] * u[j] for u in usages) for j in range(size)] for i in range(size)]
    ridge = _RIDGE * sum(matrix[i][i] for i in range(size)) or 1.0
    for i in range(size):
        matrix[i][i] += ridge
        matrix[i].append(sum(u[i] * cost for u, cost in zip(usages, costs, strict=True)))
    solution = _eliminate(matrix)
    return {
        field: max(price / scale, 0.0)
        for field, price, scale in zip(PRICED, solution, scales, strict=True)
    }


def _eliminate(matrix: list[list[float]]) -> list[float]:
    """Solves a positive definite system, whose last column is the right-hand side."""
    size = len(matrix)
    for i in range(size):
        pivot = [value / matrix[i][i] for value in matrix[i]]
        for j in range(size):
            if j != i:
                factor = matrix[j][i]
                matrix[j] = [v - factor * p for v, p in zip(matrix[j], pivot, strict=True)]
        matrix[i] = pivot
    return [row[size] for row in matrix]
