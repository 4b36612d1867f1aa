"""Hostile ways to answer, each a pure function of a seed and a number."""

from __future__ import annotations

from random import Random

from tests.campaign.behaviours import (
    bodies,
    fields,
    headers,
    listing,
    pace,
    redirects,
    statuses,
)
from tests.campaign.behaviours.model import (
    COSTS,
    PREVIOUS,
    STORAGE,
    SUMMARY,
    TEMPLATE,
    TEMPLATES,
    USAGE,
    Behaviour,
    Family,
    Outcome,
)

_FAMILIES: tuple[Family, ...] = (
    *statuses.FAMILIES,
    *pace.FAMILIES,
    *bodies.FAMILIES,
    *fields.FAMILIES,
    *listing.FAMILIES,
    *redirects.FAMILIES,
    *headers.FAMILIES,
)
_SHARES = {SUMMARY: 23, TEMPLATE: 22, STORAGE: 14, COSTS: 14, PREVIOUS: 2, TEMPLATES: 17, USAGE: 8}
"""How often each route is attacked, in per cent."""


def behaviour(seed: int, index: int, *, lasting: bool = False) -> Behaviour:
    """The behaviour of a number; `lasting` ones are numbered apart."""
    random = Random(f"{seed}/{index}/{lasting}")
    (route,) = random.choices(tuple(_SHARES), tuple(_SHARES.values()))
    families = statuses.LASTING if lasting else _FAMILIES
    fitting = [family for family in families if route in family.routes]
    while True:
        (family,) = random.choices(fitting, [family.weight for family in fitting])
        draft = family.draw(random, route)
        # After an answer that is taken, this route is not asked again for an hour.
        if route != PREVIOUS or draft.outcome is Outcome.REFUSED:
            break
    every_template = route == TEMPLATE and random.random() < 0.3
    return Behaviour(index, route, family.name, draft, every_template)
