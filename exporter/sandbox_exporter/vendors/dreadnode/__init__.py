"""Dreadnode: an organization's sandbox runtime and sessions."""
