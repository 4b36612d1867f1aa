"""The daemon in this process, beside a task that sees how long the event loop was blocked.

SIGUSR1 begins to watch, SIGUSR2 prints what was seen since, as JSON. It runs from the outside as
`PYTHONPATH=CHECKOUT/exporter python FILE CONFIG PORT`, so that any version can be measured.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import time
from functools import partial
from pathlib import Path

import uvloop

from sandbox_exporter.commands.run import serve
from sandbox_exporter.commands.settings import load

_TICK = 0.002


class Watch:
    """Wakes up again and again; what comes late was held up."""

    def __init__(self) -> None:
        self._ticking: asyncio.Task[None] | None = None
        self._wall = self._cpu = 0.0

    def begin(self) -> None:
        """Begins to watch, from nothing."""
        self._wall = self._cpu = 0.0
        self._ticking = self._ticking or asyncio.create_task(self._tick())

    def end(self) -> None:
        """Prints the longest pauses: by the clock, and by the CPU that this thread used in one."""
        if self._ticking is not None:
            self._ticking.cancel()
            self._ticking = None
        print(json.dumps({"wall": self._wall, "cpu": self._cpu}), flush=True)

    async def _tick(self) -> None:
        wall, cpu = time.perf_counter(), time.thread_time()
        while True:
            await asyncio.sleep(_TICK)
            now, used = time.perf_counter(), time.thread_time()
            self._wall = max(self._wall, now - wall - _TICK)
            self._cpu = max(self._cpu, used - cpu)
            wall, cpu = now, used


async def main(config: Path, port: str) -> None:
    """Serves until SIGTERM."""
    watch = Watch()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGUSR1, watch.begin)
    loop.add_signal_handler(signal.SIGUSR2, watch.end)
    reread = partial(load, str(config))
    await serve(reread(), reread, f"127.0.0.1:{port}")


if __name__ == "__main__":
    uvloop.run(main(Path(sys.argv[1]), sys.argv[2]))
