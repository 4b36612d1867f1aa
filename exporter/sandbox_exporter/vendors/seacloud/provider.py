"""SeaCloud: usage of the billing month, storage, costs and templates.

Source: the vendor's usage page (routes, parameters, answers) and its published client (headers,
templates, error bodies). Facts that no public page states are marked "unknown" where they matter.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime

from sandbox_exporter.client import Client, Failure, classify
from sandbox_exporter.errors import AnswerError, Reason
from sandbox_exporter.ledger.month import Month, Window
from sandbox_exporter.model import BILLING_UNITS, MIB, Field, Readings, Template
from sandbox_exporter.secret import Secret
from sandbox_exporter.vendors.base import Endpoint, Rounding, TemplatePage, TemplateSource
from sandbox_exporter.vendors.parse import (
    amount,
    identifier,
    mapping,
    quantities,
    text,
    unexpected,
)

_PAGE_SIZE = 100
NO_FILTER = "all"
"""A template of this id cannot be asked for: it would bring the account's totals."""
_PREVIOUS_MONTH_EVERY = 3600.0
_SUMMARY = "/sandboxes/usage/summary"
_SUMMARY_FIELDS = {
    "vcpu_hours": Field.VCPU_SECONDS,
    "ram_gb_hours": Field.MEMORY_BYTE_SECONDS,
    "data_transfer_gb": Field.DATA_TRANSFER_BYTES,
    "usage_costs_usd": Field.COST_USD,
    "running_sandboxes": Field.RUNNING_SANDBOXES,
    "storage_capacity_gb": Field.PAUSED_STORAGE_BYTES,
}
_STORAGE_FIELDS = {
    "storage_mib": Field.STORAGE_USED_BYTES,
    "free_storage_mib": Field.STORAGE_FREE_BYTES,
}
_STORAGE_UNITS = dict.fromkeys(_STORAGE_FIELDS.values(), MIB)


class SeaCloud:
    """A SeaCloud account, seen through one API key and, if set, one project."""

    name = "seacloud"

    def __init__(self, client: Client, *, with_templates: bool = True) -> None:
        self._client = client
        self.endpoints: Sequence[Endpoint] = (
            Endpoint("summary", self._summary),
            Endpoint("storage", self._storage, optional=True),
            Endpoint("costs", self._current_costs, optional=True),
            Endpoint(
                "costs_previous", self._previous_costs, every=_PREVIOUS_MONTH_EVERY, optional=True
            ),
        )
        self.templates: TemplateSource | None = (
            SeaCloudTemplates(client) if with_templates else None
        )

    async def _summary(self, window: Window) -> Readings:
        return await read_summary(self._client, "summary", window)

    async def _storage(self, window: Window) -> Readings:
        answer = mapping(
            await self._client.get("storage", "/sandboxes/usage/storage/realtime"), "answer"
        )
        return quantities(answer, _STORAGE_FIELDS, window, _STORAGE_UNITS)

    async def _current_costs(self, window: Window) -> Readings:
        return await self._costs("costs", window.month, Field.BILLED_COST_CURRENT_USD)

    async def _previous_costs(self, window: Window) -> Readings:
        month = window.month.previous()
        return await self._costs("costs_previous", month, Field.BILLED_COST_PREVIOUS_USD)

    async def _costs(self, endpoint: str, of: Month, field: Field) -> Readings:
        month = str(of)
        answer = mapping(
            await self._client.get(endpoint, "/sandboxes/usage/costs", {"month": month}), "answer"
        )
        answered = text(answer, "month")
        if answered and answered != month:
            raise AnswerError(f"month: asked for {month}, got another month")
        return quantities(answer, {"current_value_usd": field}, Window.whole(of))


class SeaCloudTemplates:
    """The templates of a SeaCloud account and the usage of each."""

    rounding = Rounding()

    def __init__(self, client: Client) -> None:
        self._client = client

    async def page(self, offset: int) -> TemplatePage:
        """One page; an item that cannot be used is left out, whatever the others are.

        Whether the answer is a bare array or an object around it, and how large a page may be, is
        unknown.
        """
        params = {"limit": _PAGE_SIZE, "offset": offset}
        items = _template_items(await self._client.get("templates", "/templates", params))
        templates: list[Template] = []
        left_out: dict[int, str] = {}
        for place, item in enumerate(items, start=offset):
            try:
                template = _template(item, f"templates[{place}]", self._client.mask)
            except AnswerError as error:
                left_out[hash(repr(item))] = error.message
                continue
            if template.id != NO_FILTER:
                templates.append(template)
        return TemplatePage(templates, len(items), left_out)

    async def usage(self, template_id: str, window: Window) -> Readings:
        """One template's share of the summary."""
        return await read_summary(self._client, "template_summary", window, template_id)


def headers(secret: Secret, project_id: str) -> Mapping[str, str]:
    """The headers that the vendor's own client sends."""
    sent = {"X-API-Key": secret.reveal(), "Authorization": f"Bearer {secret.reveal()}"}
    return sent | ({"X-Project-ID": project_id} if project_id else {})


def explain(status: int, body: object) -> Failure | None:
    """The reason and text in one of the vendor's three error shapes; None where there is none.

    `{"code", "message", "error": {"code", "details"}}`, `{"error": "text"}` or
    `{"code", "message"}`. A 429 with `details.reason` of `usage_limit` is an exhausted quota.
    """
    if not isinstance(body, dict):
        return None
    error = body.get("error")
    details = error.get("details") if isinstance(error, dict) else body.get("details")
    if status == 429 and isinstance(details, dict) and details.get("reason") == "usage_limit":
        return Failure(Reason.QUOTA, "usage limit reached")
    parts = [error] if isinstance(error, str) else []
    if isinstance(error, dict):
        parts = [part for part in (error.get("code"), details) if isinstance(part, str)]
    if not parts and isinstance(body.get("message"), str):
        parts = [body["message"]]
    return Failure(classify(status), ": ".join(parts)) if parts else None


async def read_summary(
    client: Client, endpoint: str, window: Window, template_id: str | None = None
) -> Readings:
    """A summary of an explicit window, whose end is inclusive in this API."""
    params: dict[str, str | int] = {
        "start_time": window.start * 1000,
        "end_time": window.end * 1000 - 1,
    }
    if template_id is not None:
        params["template_id"] = template_id
    answer = mapping(await client.get(endpoint, _SUMMARY, params), "answer")
    _check_window(answer, window)
    return quantities(answer, _SUMMARY_FIELDS, window, BILLING_UNITS)


def _check_window(answer: Mapping[str, object], window: Window) -> None:
    """Refuses numbers of another window than the one asked for.

    The vendor echoes the window in ms, its end cut to whole seconds. An earlier end is taken: the
    vendor may know less than asked. Echoes in seconds are read as such.
    """
    for key, lowest, highest in (
        ("start_time", window.start - 1, window.start + 1),
        ("end_time", window.start - 1, window.end + 1),
    ):
        echoed = amount(answer, key)
        if echoed is None:
            continue
        seconds = echoed / 1000 if echoed > 1e11 else echoed
        if not lowest <= seconds <= highest:
            asked = datetime.fromtimestamp(
                window.start if key == "start_time" else window.end, UTC
            ).isoformat()
            raise AnswerError(f"{key}: the answer is for another window than asked ({asked})")


def _template_items(answer: object) -> Sequence[object]:
    """The array in an answer; null stands for an empty one, as some servers write it."""
    if answer is None or isinstance(answer, list):
        return answer or []
    envelope = mapping(answer, "answer")
    inner = envelope.get("data")
    if isinstance(inner, dict):
        envelope = inner
    for key in ("templates", "items", "data", "list", "results"):
        items = envelope.get(key, False)
        if items is None or isinstance(items, list):
            return items or []
    raise unexpected("answer", "an array of templates or an object with one", answer)


def _template(item: object, path: str, mask: Callable[[str], str]) -> Template:
    """A listed template. Only its id must be sound: what else cannot be read counts as missing."""
    fields = mapping(item, path)
    template_id = identifier(fields, "templateID", path)
    if mask(template_id) != template_id:
        raise AnswerError(f"{path}.templateID: holds the account's own secret")
    return Template(
        id=template_id,
        name=_first_name(fields, mask),
        type=_label(fields.get("type"), mask),
        version=_label(fields.get("version"), mask),
        spawn_count=_count(fields),
        last_spawned=_moment(fields.get("lastSpawnedAt")),
    )


def _first_name(item: Mapping[str, object], mask: Callable[[str], str]) -> str:
    for names in (item.get("names"), item.get("aliases")):
        labels = (_label(name, mask) for name in names) if isinstance(names, list) else ()
        if label := next(filter(None, labels), ""):
            return label
    return ""


def _label(value: object, mask: Callable[[str], str]) -> str:
    """A text or whole number as a label's value; empty for anything else."""
    try:
        # Masked before it is cut: a cut through the secret would leave half of it.
        label = text({"": mask(value) if isinstance(value, str) else value}, "")
    except AnswerError:
        return ""
    return label.encode("utf-8", "replace").decode()  # a lone surrogate cannot be published


def _count(item: Mapping[str, object]) -> int:
    try:
        return int(amount(item, "spawnCount") or 0)
    except AnswerError:
        return 0


def _moment(value: object) -> float:
    """An ISO time or Unix s/ms as Unix seconds; 0 for anything else: it only orders the polling."""
    if isinstance(value, str):
        try:
            moment = datetime.fromisoformat(value)
            return moment.replace(tzinfo=moment.tzinfo or UTC).timestamp()
        except (ValueError, OverflowError):
            return 0.0
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < 1e14:
        return value / 1000 if value > 1e11 else float(value)
    return 0.0
