"""One account under attack: behaviours in batches, and an honest answer after each."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping

from tests.campaign.behaviours.model import (
    COSTS,
    PREVIOUS,
    STORAGE,
    SUMMARY,
    TEMPLATE,
    TEMPLATES,
    USAGE,
    Behaviour,
    Outcome,
)
from tests.campaign.pages import View
from tests.campaign.vendor import TEMPLATE_IDS, VendorAccount
from tests.campaign.watch import adopt, differences

PATIENCE = 8
"""Polls after which what should have shown is taken for missing."""
_BATCHES = (
    (SUMMARY, COSTS, TEMPLATES),
    (TEMPLATE, STORAGE),
    (SUMMARY, STORAGE, TEMPLATES),
    (TEMPLATE, COSTS),
)
"""Routes that are attacked together: always one is left that tells when a poll is published."""

Complain = Callable[[str, list[Behaviour]], None]


class Queues:
    """The behaviours that are left, by route."""

    def __init__(self, behaviours: Iterator[Behaviour]) -> None:
        self._left: dict[str, deque[Behaviour]] = {}
        self.total = 0
        for behaviour in behaviours:
            self._left.setdefault(behaviour.route, deque()).append(behaviour)
            self.total += 1

    def take(self, *routes: str) -> dict[str, Behaviour]:
        """The next behaviour of each route that has one left."""
        return {route: self._left[route].popleft() for route in routes if self._left.get(route)}

    @property
    def left(self) -> int:
        """How many were not taken yet."""
        return sum(map(len, self._left.values()))


class Siege:
    """Attacks one account, and judges what its part of the page says."""

    def __init__(
        self, account: VendorAccount, queues: Queues, complain: Complain, patience: int = PATIENCE
    ) -> None:
        self.account = account
        self.done = 0
        """Behaviours after which the account has recovered."""
        self.finished = False
        self._queues = queues
        self._complain = complain
        self._patience = patience
        self._batch: dict[str, Behaviour] = {}
        self._hostile = False
        self._since = 0
        self._turn = sum(account.name.encode())
        self._before = View()
        self._told: set[str] = set()
        self._previous: Behaviour | None = None
        if account.provider == "seacloud":
            self._keep_previous()
            account.arm(self._lingering)

    @property
    def attack(self) -> list[Behaviour]:
        """The behaviours in force, or those from which the account shall recover."""
        return [*self._batch.values(), *self._lingering.values()]

    @property
    def _lingering(self) -> dict[str, Behaviour]:
        """Costs of the month before are asked once an hour when they came, so they come last."""
        return {PREVIOUS: self._previous} if self._previous else {}

    def _keep_previous(self) -> None:
        self._previous = self._queues.take(PREVIOUS).get(PREVIOUS)

    def look(self, view: View) -> None:
        """Judges a page and goes on when all that should show does."""
        for text in (*self._taken_along(view), *self._vanished(view)):
            self._tell(text)
        missing = list(self._missing_hostile(view) if self._hostile else self._missing_honest(view))
        late = self.account.polls - self._since > self._patience
        if missing and late:
            what = "while hostile" if self._hostile else "after the honest answer"
            for text in missing:
                self._tell(f"{what}: {text}")
            adopt(self.account, view)
        if not missing or late:
            self._go_on(view)

    def _taken_along(self, view: View) -> Iterator[str]:
        """Endpoints that went down though nobody attacks them."""
        attacked = set(self._batch) | set(self._lingering)
        if SUMMARY in attacked:  # templates are asked only beside the account's totals
            attacked.add(TEMPLATE)
        for route, up in self._before.up.items():
            if up == 1.0 and route not in attacked and view.up.get(route) != 1.0:
                yield f"{route} is down though it is not attacked"

    def _vanished(self, view: View) -> Iterator[str]:
        """Templates that went though the vendor lists them, and told nothing against them."""
        attack = self._batch.get(TEMPLATE)
        if TEMPLATES in self._batch or not self._before.values:
            return
        gone = attack and attack.draft.outcome is Outcome.EITHER and not attack.every_template
        for template_id in (self._before.template_ids() & set(TEMPLATE_IDS)) - view.template_ids():
            if not (gone and template_id == TEMPLATE_IDS[0]):
                yield f"template {template_id} has vanished"

    def _go_on(self, view: View) -> None:
        if self._hostile:
            self._hostile = False
            behaviours: Mapping[str, Behaviour] = self._lingering
        else:
            self.done += len(self._batch)
            if self._batch:
                self._next_previous()
            self._batch = self._next_batch()
            self._told.clear()
            self._hostile = bool(self._batch)
            self.finished = not self._hostile
            behaviours = {**self._lingering, **self._batch}
        self._before = view
        self._since = self.account.polls
        self.account.arm(behaviours)

    def _next_previous(self) -> None:
        if self._previous:
            self.done += 1
            self._keep_previous()

    def _next_batch(self) -> dict[str, Behaviour]:
        if self.account.provider == "dreadnode":
            return self._queues.take(USAGE)
        for _ in _BATCHES:
            self._turn += 1
            batch = self._queues.take(*_BATCHES[self._turn % len(_BATCHES)])
            if batch:
                return batch
        return {}

    def _missing_hostile(self, view: View) -> Iterator[str]:
        for route, behaviour in self.account.armed.items():
            if not self.account.hostile[route]:
                yield f"{behaviour} was not asked for"
            elif behaviour.draft.outcome is Outcome.REFUSED:
                yield from self._missing_refusal(view, behaviour)
            elif behaviour.draft.outcome is Outcome.TAKEN:
                yield from self._missing_success(view, behaviour)
            elif self.account.polls < self._since + 2:
                yield f"{behaviour}: its poll is not over"
        for route in self.account.routes:
            if route not in self.account.armed and route not in (TEMPLATES, TEMPLATE):
                yield from self._differences(view, route)

    def _missing_success(self, view: View, behaviour: Behaviour) -> Iterator[str]:
        if view.up.get(behaviour.route) != 1.0:
            yield f"{behaviour}: {behaviour.route} is down"
        if behaviour.family == "correction" and view.corrections <= self._before.corrections:
            yield f"{behaviour}: it was not counted"
        if behaviour.route != TEMPLATES:
            yield from (f"{behaviour}: {d}" for d in self._differences(view, behaviour.route))

    def _missing_refusal(self, view: View, behaviour: Behaviour) -> Iterator[str]:
        route = behaviour.route
        if view.up.get(route) != 0.0:
            yield f"{behaviour}: {route} is up ({view.up.get(route)})"
        moved = {
            reason
            for (endpoint, reason), count in view.errors.items()
            if endpoint == route and count > self._before.errors.get((endpoint, reason), 0.0)
        }
        if route not in (TEMPLATE, TEMPLATES):
            yield from (f"{behaviour}: {d}" for d in self._differences(view, route))
        if not moved & behaviour.draft.reasons:
            wanted = "|".join(sorted(behaviour.draft.reasons))
            yield f"{behaviour}: errors moved for {sorted(moved)}, expected {wanted}"

    def _missing_honest(self, view: View) -> Iterator[str]:
        for route in self.account.routes:
            if route in self._lingering:
                continue
            asked = route != PREVIOUS or (PREVIOUS, "") in self.account.given
            if route in self._batch and not self.account.honest[route]:
                yield f"{route} was not asked again"
            elif view.up.get(route) != 1.0 and asked:
                yield f"{route} is down"
            elif route != TEMPLATES:
                yield from self._differences(view, route)

    def _differences(self, view: View, route: str) -> list[str]:
        since = 0 if self._hostile else self._since
        return differences(self.account, view, route, since)

    def _tell(self, text: str) -> None:
        key = text.partition(":")[0]
        if key not in self._told:
            self._told.add(key)
            self._complain(f"{self.account.name}: {text}", self.attack)
