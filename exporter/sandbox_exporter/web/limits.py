"""How many clients the server takes at once."""

from __future__ import annotations

import resource

_MOST = 500


def _connections() -> int:
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return _MOST if files == resource.RLIM_INFINITY else max(min(_MOST, files // 2), 10)


MOST_CONNECTIONS = _connections()
"""Connections that may be open: 500, or half of the files that the process may open, if that is
less, so that idle clients leave some to the polls. With so many, a new one takes the place of the
one that idles longest."""
MOST_HANDSHAKES = MOST_CONNECTIONS // 5
"""Connections that may be in their TLS handshake; with more, the oldest gives way."""
LONGEST_QUEUE = MOST_CONNECTIONS // 2
"""Passwords that may wait to be verified: so that the other connections can still be served."""
