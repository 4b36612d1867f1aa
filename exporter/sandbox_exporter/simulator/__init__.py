"""A stand-in for both vendors: their routes over HTTP, fed by a virtual fleet."""

from sandbox_exporter.simulator.app import build_app
from sandbox_exporter.simulator.clock import SimulatedClock
from sandbox_exporter.simulator.serve import ServedSimulator, serve
from sandbox_exporter.simulator.settings import (
    DreadnodeAccount,
    SeaCloudAccount,
    Settings,
    environment,
)

__all__ = [
    "DreadnodeAccount",
    "SeaCloudAccount",
    "ServedSimulator",
    "Settings",
    "SimulatedClock",
    "build_app",
    "environment",
    "serve",
]
