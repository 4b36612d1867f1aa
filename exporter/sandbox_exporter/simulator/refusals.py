"""The vendors' error bodies, and the exception that carries one to the caller."""

from __future__ import annotations

from typing import NamedTuple

_SEACLOUD_INVALID_REQUEST = 10001
_SEACLOUD_CODES = {401: "UNAUTHORIZED", 403: "FORBIDDEN", 405: "METHOD_NOT_ALLOWED"}
_DREADNODE_TYPES = {
    400: "bad_request",
    401: "authentication_error",
    403: "permission_denied",
    404: "not_found",
    409: "conflict",
    422: "validation_error",
    426: "upgrade_required",
    429: "rate_limited",
    502: "bad_gateway",
    504: "gateway_timeout",
}


class Refused(Exception):
    """A request that a vendor answers with an error."""

    def __init__(self, status: int, details: str) -> None:
        super().__init__(details)
        self.status = status
        self.details = details


class ErrorDetail(NamedTuple):
    """One field that failed validation, in Dreadnode's envelope."""

    loc: tuple[str, ...]
    msg: str
    type: str


def seacloud_error(status: int, details: str, request_id: str) -> dict[str, object]:
    """SeaCloud's three shapes: full for what the caller did wrong, short for 404 and the rest."""
    if status == 404:
        return {"error": "not found"}
    if status == 400 or status in _SEACLOUD_CODES:
        return {
            "code": _SEACLOUD_INVALID_REQUEST if status == 400 else status,
            "message": "error",
            "error": {"code": _SEACLOUD_CODES.get(status, "INVALID_REQUEST"), "details": details},
            "request_id": request_id,
        }
    return {"code": status, "message": details}


def dreadnode_error(
    status: int, details: str, errors: tuple[ErrorDetail, ...] = ()
) -> dict[str, object]:
    """Dreadnode's one envelope; `errors` is there only if there are any."""
    body: dict[str, object] = {
        "code": status,
        "detail": details,
        "type": _DREADNODE_TYPES.get(status, "internal_error"),
    }
    if errors:
        body["errors"] = [error._asdict() for error in errors]
    return body
