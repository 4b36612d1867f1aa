"""HTTP to a vendor: bounded, retried, rate-limited, and counted."""

from __future__ import annotations

from sandbox_exporter.client.client import Client
from sandbox_exporter.client.exchange import Observer
from sandbox_exporter.client.limiter import Limiter
from sandbox_exporter.client.status import Failure, classify

__all__ = ["Client", "Failure", "Limiter", "Observer", "classify"]
