"""Polling: what to ask when, and the ledger that turns answers into counters."""
