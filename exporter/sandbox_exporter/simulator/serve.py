"""The simulator on a socket, in the event loop that runs already."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Generator
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from sandbox_exporter.simulator.app import build_app
from sandbox_exporter.simulator.broken import TRANSPORT
from sandbox_exporter.simulator.clock import SimulatedClock
from sandbox_exporter.simulator.simulation import Settings, Simulation

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 9842


@dataclass(frozen=True, slots=True)
class ServedSimulator:
    """A simulator that answers at an address."""

    origin: str
    """Like `http://127.0.0.1:9842`."""
    simulation: Simulation

    def base_url(self, provider: str) -> str:
        """The base URL of a simulated vendor."""
        return f"{self.origin}{self.simulation.vendors[provider].base_path}"


@contextlib.asynccontextmanager
async def serve(
    settings: Settings,
    host: str = DEFAULT_HOST,
    port: int = DEFAULT_PORT,
    clock: SimulatedClock | None = None,
) -> AsyncIterator[ServedSimulator]:
    """Serves while the context lasts; port 0 takes a free one.

    No host means every IPv4 address. `OSError` if the address cannot be listened on.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.create_server((host, port), family=family)
    # Accepted connections inherit it; asyncio does not set it for sockets that it did not make,
    # and a small answer would then wait 40 ms for the client's delayed acknowledgement.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    app = build_app(settings, clock)
    server = _Server(
        uvicorn.Config(
            app,
            http=_Connection,
            log_config=None,
            log_level="error",
            access_log=False,
            lifespan="off",
            timeout_keep_alive=75,
            timeout_graceful_shutdown=1,
        )
    )
    task = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        await server.listening.wait()
        yield ServedSimulator(origin_of(*listener.getsockname()[:2]), app.state.simulation)
    finally:
        server.should_exit = True
        await task


def origin_of(address: str, port: int) -> str:
    """The URL, with no path, of a bound IP address; one that means every address is loopback's."""
    ip = ip_address(address)
    if ip.is_unspecified:
        ip = ip_address("::1" if ip.version == 6 else "127.0.0.1")
    return f"http://[{ip}]:{port}" if ip.version == 6 else f"http://{ip}:{port}"


class _Server(uvicorn.Server):
    """Tells when it listens, and leaves signals to the command that runs it."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.listening.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield


class _Connection(HttpToolsProtocol):
    """Hands the connection to the answers that break it."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        extensions: dict[str, Any] = {TRANSPORT: self.transport}
        self.scope["extensions"] = extensions
