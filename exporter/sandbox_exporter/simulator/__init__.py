"""Stand-ins for vendors: their routes over HTTP, fed by virtual fleets. Each is in its folder."""

from sandbox_exporter.simulator.app import build_app
from sandbox_exporter.simulator.clock import SimulatedClock
from sandbox_exporter.simulator.serve import ServedSimulator, serve
from sandbox_exporter.simulator.simulation import Settings, Simulation
from sandbox_exporter.simulator.stand_in import SimulatedAccount, StandIn

__all__ = [
    "ServedSimulator",
    "Settings",
    "SimulatedAccount",
    "SimulatedClock",
    "Simulation",
    "StandIn",
    "build_app",
    "serve",
]
