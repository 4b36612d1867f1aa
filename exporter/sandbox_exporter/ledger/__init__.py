"""Counters that never fall: months, their marks, and the state file that keeps them."""
