"""The web configuration file, in the format that Prometheus exporters share."""

from __future__ import annotations

import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sandbox_exporter.config import checks, document
from sandbox_exporter.config.section import Check, Problems, Section, show_key
from sandbox_exporter.web.auth import Authenticator
from sandbox_exporter.web.tls import TLSSettings, build_context

Stamp = tuple[int, int, int] | None
"""What changes when a file does; None for a file that is not there."""

_SECTIONS = ("tls_server_config", "http_server_config", "basic_auth_users")
_NO_AUTH = "NoClientCert"
_CLIENT_AUTH = {
    _NO_AUTH: ssl.CERT_NONE,
    "VerifyClientCertIfGiven": ssl.CERT_OPTIONAL,
    "RequireAndVerifyClientCert": ssl.CERT_REQUIRED,
}
_VERSIONS = {"TLS12": ssl.TLSVersion.TLSv1_2, "TLS13": ssl.TLSVersion.TLSv1_3}
_TLS_KEYS = (
    "cert_file",
    "key_file",
    "client_ca_file",
    "client_auth_type",
    "min_version",
    "max_version",
)
_UNSUPPORTED = ("rate_limit",)
_UNSUPPORTED_TLS = (
    "cert",
    "key",
    "client_ca",
    "client_allowed_sans",
    "cipher_suites",
    "prefer_server_cipher_suites",
    "curve_preferences",
)
"""Keys of the shared format that this server has no use for."""
_HEADERS: Mapping[str, tuple[str, ...]] = {
    "Content-Security-Policy": (),
    "Strict-Transport-Security": (),
    "X-Content-Type-Options": ("nosniff",),
    "X-Frame-Options": ("deny", "sameorigin"),
    "X-XSS-Protection": (),
}
"""Headers that may be set; the values allowed where there are only a few."""
_LEAVE_OUT = {
    "tls_server_config": "cert_file and key_file",
    "basic_auth_users": "at least one user with a bcrypt hash",
}
_PEM = "a readable PEM file"
_BCRYPT = re.compile(r"\$2[abxy]\$(?:0[4-9]|[12]\d|3[01])\$[./A-Za-z0-9]{53}")
_header_text = checks.header_text(4096)
_path_text = checks.text(4096)


@dataclass(frozen=True, slots=True)
class WebConfig:
    """A web configuration file as it was read, ready for use."""

    tls: ssl.SSLContext | None
    """None serves plain HTTP."""
    authenticator: Authenticator | None
    """None lets everybody in."""
    headers: tuple[tuple[bytes, bytes], ...]
    """Added to every answer; names in lower case."""
    files: Mapping[Path, Stamp]
    """The file and those that it names, as they were just before they were read."""

    @property
    def protections(self) -> dict[str, bool]:
        """What keeps strangers out, by the section that asks for it, and whether it is on."""
        verifies = self.tls is not None and self.tls.verify_mode is ssl.CERT_REQUIRED
        return {
            "tls_server_config": self.tls is not None,
            "tls_server_config.client_auth_type": verifies,
            "basic_auth_users": self.authenticator is not None,
        }


def stamp(path: Path) -> Stamp:
    """The present stamp of a file."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino


def read_web_config(path: Path) -> WebConfig:
    """Reads the file and the certificates it names, relative to its own folder.

    Raises `ConfigError` with every mistake.
    """
    problems = Problems()
    files = {path: stamp(path)}
    top = Section(document.read(path, problems, may_be_empty=True), problems)
    for name in _UNSUPPORTED:
        top.get(name, _unsupported, None)
    top.refuse_unknown((*_SECTIONS, *_UNSUPPORTED))
    for name in ("tls_server_config", "basic_auth_users"):
        if name in top.values and top.values[name] in (None, {}):
            problems.add(name, f"is empty, allowed: {_LEAVE_OUT[name]}, or leave it out")
    tls = _tls(_section(top, "tls_server_config"), path.parent, files)
    headers = _http(_section(top, "http_server_config"))
    users = _users(_section(top, "basic_auth_users"))
    problems.raise_any()
    return WebConfig(tls, Authenticator(users) if users else None, headers, files)


def _section(top: Section, name: str) -> Section:
    """A section of the file; one that is absent or has nothing under it is empty."""
    values: dict[str, object] = {}
    if top.values.get(name) is not None:
        values = top.require(name, checks.mapping, values)
    return Section(values, top.problems, top.where(name))


def _unsupported(_value: object) -> None:
    raise ValueError("is not supported by this server, leave it out")


def _tls(section: Section, folder: Path, files: dict[Path, Stamp]) -> ssl.SSLContext | None:
    for name in _UNSUPPORTED_TLS:
        section.get(name, _unsupported, None)
    section.refuse_unknown((*_TLS_KEYS, *_UNSUPPORTED_TLS))
    if not section.values:
        return None
    readable = _readable_file(folder, files)
    cert = section.require("cert_file", readable, None)
    key = section.require("key_file", readable, None)
    client_ca = section.get("client_ca_file", readable, None)
    client_auth = section.get("client_auth_type", _client_auth, ssl.CERT_NONE)
    low = section.get("min_version", checks.choice(_VERSIONS), ssl.TLSVersion.TLSv1_2)
    high = section.get("max_version", checks.choice(_VERSIONS), ssl.TLSVersion.TLSv1_3)
    if low > high:
        section.problems.add(section.where("max_version"), "is below min_version")
    if client_auth is not ssl.CERT_NONE and "client_ca_file" not in section.values:
        message = "is missing, client_auth_type verifies certificates with it"
        section.problems.add(section.where("client_ca_file"), message)
    if client_ca is not None and section.values.get("client_auth_type", _NO_AUTH) == _NO_AUTH:
        message = f"{_NO_AUTH} leaves client_ca_file without effect, allowed: a type that verifies"
        section.problems.add(section.where("client_auth_type"), message)
    if cert is None or key is None:
        return None
    try:
        return build_context(TLSSettings(cert, key, client_ca, client_auth, low, high))
    except ValueError as error:
        section.problems.add("tls_server_config", str(error))
        return None


def _readable_file(folder: Path, files: dict[Path, Stamp]) -> Check[Path | None]:
    def check(value: object) -> Path:
        if value is None:
            raise checks.refusal(value, "", _PEM)
        path = folder / _path_text(value)
        files[path] = stamp(path)
        try:
            path.open("rb").close()
        except OSError as error:
            raise checks.refusal(value, f"cannot be read ({error.strerror})", _PEM) from None
        return path

    return check


def _client_auth(value: object) -> ssl.VerifyMode:
    if value in ("RequestClientCert", "RequireAnyClientCert"):
        wrong = "takes certificates without verifying them, which this server does not do"
        raise checks.refusal(value, wrong, " or ".join(_CLIENT_AUTH))
    return checks.choice(_CLIENT_AUTH)(value)


def _http(section: Section) -> tuple[tuple[bytes, bytes], ...]:
    section.refuse_unknown(("http2", "headers"))
    # The format's default is true and clients fall back by themselves, so true is no mistake.
    section.get("http2", checks.flag, False)
    headers = _section(section, "headers")
    headers.refuse_unknown(_HEADERS)
    values = {name: headers.get(name, _header(*allowed), "") for name, allowed in _HEADERS.items()}
    del values["X-Content-Type-Options"]  # every answer has it anyway
    return tuple((k.lower().encode(), v.encode()) for k, v in values.items() if v)


def _header(*allowed: str) -> Check[str]:
    def check(value: object) -> str:
        if value == "":
            return ""
        if allowed and value not in allowed:
            raise checks.refusal(value, "is not a value of this header", " or ".join(allowed))
        return _header_text(value)

    return check


def _users(section: Section) -> dict[bytes, bytes]:
    names = {
        name: section.require(name, _bcrypt_hash, b"") for name in section.values if _is_name(name)
    }
    for name in section.values:
        if name in names:
            continue
        message = "is not a user name, allowed: printable characters without a colon"
        line = section.problems.line(section.where(name))
        section.problems.add(section.where(show_key(name)), message, line)
    return {name.encode(): hashed for name, hashed in names.items()}


def _is_name(name: str) -> bool:
    return bool(name) and name.isprintable() and ":" not in name


def _bcrypt_hash(value: object) -> bytes:
    """The value is not shown: it may be the password itself."""
    if not isinstance(value, str) or not _BCRYPT.fullmatch(value):
        raise ValueError("is not a bcrypt hash, allowed: what `htpasswd -nB` prints after the name")
    return value.encode()
