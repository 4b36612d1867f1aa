"""Polling: what to ask when, and what is published of the answers."""
