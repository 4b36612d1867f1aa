"""What came after an answer, which the next call of its connection would read as its own.

httpcore looks only at the bare socket before it uses a connection again. What was already read
from it stays in three places, none of which the libraries show: in h11 what came with the answer's
end, in anyio what httpcore has not asked for yet, and in its TLS layer what is not decrypted yet.
"""

from __future__ import annotations

from operator import attrgetter

import httpx

_CONNECTION = attrgetter("stream._httpcore_stream._stream._connection")
_PARSER = attrgetter("_h11_state")
_STREAM = attrgetter("_network_stream._stream")
_TLS_BUFFERS = attrgetter("_read_bio", "_ssl_object")
_QUEUE = attrgetter("_protocol.read_queue")


def is_left(response: httpx.Response) -> bool:
    """Whether anything follows the answer whose body was read; `response` is still open.

    True as well when a library no longer keeps it where it did: then it cannot be ruled out.
    """
    try:
        connection = _CONNECTION(response)
        if _PARSER(connection).trailing_data[0]:
            return True
        stream = _STREAM(connection)
        while hasattr(stream, "transport_stream"):  # TLS
            encrypted, decrypted = _TLS_BUFFERS(stream)
            if encrypted.pending or decrypted.pending():
                return True
            stream = stream.transport_stream
        return bool(_QUEUE(stream))
    except AttributeError:
        return True
