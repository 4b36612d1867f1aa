"""Several coroutines at once, none of which outlives a failure."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable
from typing import Any, TypeVar

_T = TypeVar("_T")


async def together(works: Iterable[Coroutine[Any, Any, _T]]) -> list[_T]:
    """All results, in order; at the first failure the rest is cancelled and the failure raised."""
    tasks = [asyncio.create_task(work) for work in works]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
