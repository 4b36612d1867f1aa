"""Ten days over a month's turn, each with something else that goes wrong."""

from __future__ import annotations

from tests.campaign.books import DAY, HOUR, MINUTE, Correction, Scenario

_CLOSE = 7 * MINUTE
"""`settle` and `zero`: as long a month's turn takes by the clock alone."""

SCENARIOS = (
    Scenario("nothing wrong"),
    Scenario(
        "outages of minutes to half a day",
        down=(
            (-4 * DAY, -4 * DAY + 12 * HOUR),
            (-2 * DAY, -2 * DAY + 10 * MINUTE),
            (2 * DAY, 2 * DAY + 3 * HOUR),
            (3 * DAY, 3 * DAY + 2 * MINUTE),
        ),
    ),
    Scenario("an outage up to the middle of settle", down=((-2 * HOUR, 2 * MINUTE),)),
    Scenario(
        "an outage from the middle of settle",
        down=((2 * MINUTE, 5 * HOUR),),
        unsure=((2 * MINUTE, 5 * HOUR + _CLOSE),),
    ),
    Scenario(
        "an outage over the turn that outlasts settle",
        down=((-3 * HOUR, 3 * HOUR),),
        restarts=(-1 * HOUR, 1 * HOUR),
        unsure=((0, 3 * HOUR + 2 * _CLOSE),),
    ),
    Scenario(
        "an outage over the turn of 23 hours",
        down=((-30 * MINUTE, 23 * HOUR),),
        unsure=((0, 23 * HOUR + 2 * _CLOSE),),
    ),
    Scenario("births", births=(-3 * DAY, -10 * MINUTE, 2 * MINUTE, 6 * MINUTE, 1 * DAY)),
    Scenario("usage booked 4 minutes late", booked_after=4 * MINUTE),
    Scenario("a reset 6 minutes late", reset_late=6 * MINUTE),
    Scenario("a reset 60 minutes late", reset_late=HOUR, unsure=((0, HOUR + 10 * MINUTE),)),
    Scenario("a reset 10 minutes early", reset_early=10 * MINUTE, unsure=((-10 * MINUTE, 0),)),
    Scenario(
        "corrections, of which the totals recover",
        corrections=(
            Correction(0, (-3 * DAY, -3 * DAY + HOUR), 0.2),
            Correction(1, (-1 * DAY, 40 * DAY), 0.002),
            Correction(0, (2 * DAY, 2 * DAY + 6 * HOUR), 0.5),
        ),
    ),
    Scenario(
        "clock steps of 10 minutes",
        clock=(
            ((-2 * DAY, -2 * DAY + HOUR), 600),
            ((-1 * DAY, -1 * DAY + HOUR), -600),
            ((1 * DAY, 1 * DAY + HOUR), -600),
            ((2 * DAY, 2 * DAY + HOUR), 600),
        ),
    ),
    Scenario(
        "restarts in each phase, with the state file",
        restarts=(-3 * DAY, -90, 60, 4 * MINUTE, 6 * MINUTE, 8 * MINUTE, 2 * DAY),
        births=(-2 * DAY,),
    ),
    Scenario("one scrape in ten lost", lost=0.1),
    Scenario(
        "all of it at once",
        down=((-4 * DAY, -4 * DAY + HOUR), (2 * DAY, 2 * DAY + 30 * MINUTE)),
        booked_after=2 * MINUTE,
        reset_late=3 * MINUTE,
        births=(-2 * DAY, 1 * DAY),
        corrections=(Correction(0, (-3 * DAY, -3 * DAY + HOUR), 0.1),),
        clock=(((3 * DAY, 3 * DAY + HOUR), -300),),
        restarts=(-1 * DAY, 60, 1 * DAY),
        lost=0.05,
    ),
    Scenario(
        "a correction that has not recovered by the turn",
        promised=False,
        corrections=(Correction(0, (-10 * MINUTE, 40 * DAY), 0.2),),
    ),
    Scenario("usage booked an hour late", promised=False, booked_after=HOUR),
)
