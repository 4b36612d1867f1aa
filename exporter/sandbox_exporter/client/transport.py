"""The pooled connections to one vendor: TLS always verified, proxies as the environment says."""

from __future__ import annotations

import functools
import os
import re
import ssl
import urllib.request
from pathlib import Path
from urllib.parse import unquote, urlsplit
from weakref import WeakValueDictionary

import httpx

from sandbox_exporter.config.urls import is_loopback
from sandbox_exporter.secret import Secret

_HASHED = re.compile(r"[0-9a-f]{8}\.[0-9]+")
"""Name by which OpenSSL finds an authority in a folder."""


def tls_context(ca_file: str = "") -> ssl.SSLContext:
    """A context that verifies servers: by `ca_file` alone when it is given.

    Without one, by SSL_CERT_FILE and SSL_CERT_DIR or the system's store, or certifi's where there
    is none. Callers share contexts, since one may hold megabytes of certificates: all without a
    `ca_file`, and those whose files hold the same. Raises `ValueError` for a file that cannot be
    read or holds no certificate.
    """
    if not ca_file:
        return _shared_context()
    try:
        content = Path(ca_file).read_bytes()
        context = _contexts.get(content)
        if context is None:
            context = _contexts[content] = ssl.create_default_context(cafile=ca_file)
        return context
    except ssl.SSLError:
        raise ValueError(f"{ca_file} holds no CA certificate in PEM format") from None
    except OSError as error:
        raise ValueError(f"cannot read {ca_file}: {error.strerror}") from None


def build(base_url: httpx.URL, *, ca_file: str, connections: int) -> httpx.AsyncHTTPTransport:
    """A pool of at most `connections` connections for calls below `base_url`.

    The transport is used without httpx's client around it: that would keep cookies, log each URL,
    and cost a fifth more per call. Raises `ValueError` for a bad `ca_file` or proxy variable.
    """
    context = tls_context(ca_file) if base_url.scheme == "https" else _no_context()
    proxy = _proxy(base_url)
    try:
        return httpx.AsyncHTTPTransport(
            verify=context,
            http2=False,
            limits=httpx.Limits(max_connections=connections, max_keepalive_connections=connections),
            proxy=proxy,
        )
    except (ImportError, ValueError, httpx.InvalidURL):
        # The variable may hold a password, so it is not shown.
        raise ValueError(f"the proxy variable for {base_url.scheme} is no http:// URL") from None


def proxy_password(base_url: httpx.URL) -> Secret:
    """The password of the proxy for this host; empty when there is none."""
    try:
        return Secret(unquote(urlsplit(_proxy(base_url) or "").password or ""))
    except ValueError:
        return Secret("")


def _proxy(base_url: httpx.URL) -> str | None:
    """The proxy that the environment names for this host, if it names one.

    A loopback host has none: it would be another machine's, which must not see the key.
    """
    if is_loopback(base_url.host) or urllib.request.proxy_bypass(base_url.netloc.decode("ascii")):
        return None
    proxies = urllib.request.getproxies()
    proxy = proxies.get(base_url.scheme) or proxies.get("all")
    return proxy if not proxy or "://" in proxy else f"http://{proxy}"


def _new_context() -> ssl.SSLContext:
    file, folder = os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR")
    if file or folder:
        try:
            if folder:
                Path(folder).stat()
            return ssl.create_default_context(cafile=file or None, capath=folder or None)
        except ssl.SSLError:
            raise ValueError("SSL_CERT_FILE holds no CA certificate in PEM format") from None
        except OSError as error:
            raise ValueError(f"SSL_CERT_FILE or SSL_CERT_DIR: {error.strerror}") from None
    context = ssl.create_default_context()
    return context if _finds_authorities(context) else httpx.create_ssl_context(trust_env=False)


def _finds_authorities(context: ssl.SSLContext) -> bool:
    """Whether the system has a store: a file is read at once, a folder when it is needed."""
    folder = ssl.get_default_verify_paths().capath
    hashed = folder and any(_HASHED.fullmatch(entry.name) for entry in Path(folder).iterdir())
    return bool(hashed) or context.cert_store_stats()["x509_ca"] > 0


@functools.cache
def _no_context() -> ssl.SSLContext:
    """What httpx wants where there is no TLS; without it, it would make one with certificates."""
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


_shared_context = functools.cache(_new_context)
_contexts: WeakValueDictionary[bytes, ssl.SSLContext] = WeakValueDictionary()
"""By what their `ca_file` holds, while somebody uses them."""
