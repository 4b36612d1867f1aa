"""The pooled connections to one vendor: TLS always verified, proxies as the environment says."""

from __future__ import annotations

import functools
import ssl
import urllib.request

import httpx


def tls_context(ca_file: str = "") -> ssl.SSLContext:
    """A context that verifies servers, by `ca_file` too when it is given.

    Without one, all callers share a context, since each holds megabytes of certificates. Raises
    `ValueError` for a file that cannot be read or holds no certificate.
    """
    if not ca_file:
        return _shared_context()
    context = _new_context()
    try:
        context.load_verify_locations(ca_file)
    except ssl.SSLError:
        raise ValueError(f"{ca_file} holds no CA certificate in PEM format") from None
    except OSError as error:
        raise ValueError(f"cannot read {ca_file}: {error.strerror}") from None
    return context


def build(base_url: httpx.URL, *, ca_file: str, connections: int) -> httpx.AsyncHTTPTransport:
    """A pool of at most `connections` connections for calls below `base_url`.

    The transport is used without httpx's client around it: that would keep cookies, log each URL,
    and cost a fifth more per call. Raises `ValueError` for a bad `ca_file` or proxy variable.
    """
    if base_url.scheme == "https":
        context = tls_context(ca_file)
    else:
        # Never used, and holds no certificates: httpx would build a full one.
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
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


def _proxy(base_url: httpx.URL) -> str | None:
    """The proxy that the environment names for this host, if it names one."""
    if urllib.request.proxy_bypass(base_url.netloc.decode("ascii")):
        return None
    proxies = urllib.request.getproxies()
    proxy = proxies.get(base_url.scheme) or proxies.get("all")
    return proxy if not proxy or "://" in proxy else f"http://{proxy}"


def _new_context() -> ssl.SSLContext:
    try:
        return httpx.create_ssl_context()
    except OSError as error:
        raise ValueError(f"SSL_CERT_FILE or SSL_CERT_DIR: {error.strerror}") from None


_shared_context = functools.cache(_new_context)
