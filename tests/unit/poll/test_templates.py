from __future__ import annotations

from sandbox_exporter.errors import Reason, UpstreamError
from sandbox_exporter.ledger.month import Month, Window
from sandbox_exporter.model import Template
from sandbox_exporter.poll.budget import Pace
from sandbox_exporter.poll.templates import MAX_AGE, TemplateBook

MONTH = Month(2026, 11)
WINDOW = Window(MONTH, MONTH.start, MONTH.start + 3600)
CLOCK = 10_000.0
DOWN = UpstreamError(Reason.SERVER, "HTTP 500", status=500)


def ids(book: TemplateBook) -> list[str]:
    """The templates that a book has."""
    return [entry.template.id for entry in book]


def answer_all(book: TemplateBook, clock: float = CLOCK, *, active: bool = False) -> None:
    """Every template is asked and answers."""
    for entry in book:
        book.answered(entry, poll=1, window=WINDOW, active=active, clock=clock)


def asked(book: TemplateBook, clock: float, per_poll: int = 100) -> list[str]:
    """What a poll must ask."""
    return [
        entry.template.id for entry in book.compulsory(WINDOW, clock, 60.0, Pace(per_poll, 60.0))
    ]


def test_templates_beyond_the_bound_are_dropped_the_least_used_first() -> None:
    """What was spawned last, and most often, is kept."""
    book = TemplateBook(2)
    book.update(
        [
            Template("never"),
            Template("old", last_spawned=10.0, spawn_count=5),
            Template("new", last_spawned=20.0),
        ],
        CLOCK,
    )
    assert ids(book) == ["new", "old"]
    assert (len(book), book.dropped) == (2, 1)


def test_known_templates_keep_their_place() -> None:
    """A newcomer, however busy, does not push out what is polled already."""
    book = TemplateBook(1)
    book.update([Template("first")], CLOCK)
    book.update([Template("busy", last_spawned=99.0), Template("first")], CLOCK)
    assert ids(book) == ["first"]
    assert book.dropped == 1


def test_an_active_template_that_left_the_list_is_followed_until_idle() -> None:
    """Its last usage is not lost; fifteen minutes after that it is let go."""
    book = TemplateBook(10)
    book.update([Template("leaving"), Template("staying")], CLOCK)
    answer_all(book, active=True)
    book.update([Template("staying")], CLOCK + 60)
    assert ids(book) == ["leaving", "staying"]
    answer_all(book, CLOCK + 120)
    book.update([Template("staying")], CLOCK + MAX_AGE)
    assert "leaving" in ids(book)
    book.update([Template("staying")], CLOCK + MAX_AGE + 1)
    assert ids(book) == ["staying"]


def test_templates_followed_after_they_left_are_bounded_too() -> None:
    """A listing that turns over completely leaves the latest active of the former ones."""
    book = TemplateBook(2)
    book.update([Template("a"), Template("b")], CLOCK)
    answer_all(book, active=True)
    book.update([Template("c"), Template("d")], CLOCK + 1)
    for entry in book:
        if entry.listed:
            book.answered(entry, poll=2, window=WINDOW, active=True, clock=CLOCK + 2)
    book.update([Template("e"), Template("f")], CLOCK + 3)
    assert sorted(ids(book)) == ["c", "d", "e", "f"]


def test_a_template_that_returns_is_polled_again() -> None:
    """Leaving the list for a while changes nothing for a template that is still followed."""
    book = TemplateBook(10)
    book.update([Template("a", "old name")], CLOCK)
    answer_all(book, active=True)
    book.update([], CLOCK + 60)
    book.update([Template("a", "new name")], CLOCK + 120)
    assert [(e.template.name, e.listed) for e in book] == [("new name", True)]


def test_a_template_never_asked_goes_when_it_leaves_the_list() -> None:
    """There is nothing of it to follow."""
    book = TemplateBook(10)
    book.update([Template("a")], CLOCK)
    book.update([], CLOCK + 1)
    book.update([], CLOCK + 2)
    assert ids(book) == []
    book.gone("a")


def test_what_was_never_asked_comes_before_what_is_active() -> None:
    """A limit that cannot serve all still lets every template appear."""
    book = TemplateBook(10)
    book.update([Template("active"), Template("idle")], CLOCK)
    entries = {entry.template.id: entry for entry in book}
    book.answered(entries["active"], poll=1, window=WINDOW, active=True, clock=CLOCK)
    assert asked(book, CLOCK + 60) == ["idle", "active"]


def test_an_idle_template_is_asked_before_it_is_too_old() -> None:
    """At the last poll within fifteen minutes, or earlier when the polls cannot take them all."""
    book = TemplateBook(10)
    book.update([Template("a"), Template("b"), Template("c")], CLOCK)
    answer_all(book)
    assert asked(book, CLOCK + MAX_AGE - 61) == []
    assert asked(book, CLOCK + MAX_AGE - 59) == ["a", "b", "c"]
    assert asked(book, CLOCK + MAX_AGE - 179, per_poll=1) == ["a", "b", "c"]
    assert asked(book, CLOCK + MAX_AGE - 181, per_poll=1) == []


def test_a_template_that_keeps_failing_grows_stale_alone() -> None:
    """Its last answer is shown for a while; those that are only skipped stay fresh."""
    book = TemplateBook(10)
    book.update([Template("a"), Template("b")], CLOCK)
    answer_all(book)
    failing, skipped = book
    failing.failed(DOWN, CLOCK + 60)
    book.vouch(CLOCK + 60, {"b"})
    assert (book.stale(CLOCK + 300, 300.0), book.stale(CLOCK + 301, 300.0)) == (0, 1)
    assert (failing.fresh(CLOCK + 301, 300.0), skipped.fresh(CLOCK + 9999, 300.0)) == (False, True)


def test_a_template_that_fails_is_asked_last_and_ever_more_rarely() -> None:
    """At the next poll and the one after, then less often, and each five minutes in the end."""
    book = TemplateBook(10)
    book.update([Template("a"), Template("b")], CLOCK)
    failing, other = book
    failing.failed(DOWN, CLOCK)
    clock, tries = CLOCK, []
    for _ in range(30):
        clock += 60
        book.answered(other, poll=1, window=WINDOW, active=True, clock=clock)
        if "a" in asked(book, clock):
            assert asked(book, clock) == ["b", "a"]
            tries.append(clock - CLOCK)
            failing.failed(DOWN, clock)
    assert tries == [60, 120, 240, 480, 780, 1080, 1380, 1680]
    book.answered(failing, poll=2, window=WINDOW, active=True, clock=clock)
    assert sorted(asked(book, clock + 60)) == ["a", "b"]


def test_a_closed_month_is_asked_of_a_failing_template_at_each_poll() -> None:
    """There are few polls before its final total can no longer be shown."""
    book = TemplateBook(10)
    book.update([Template("a")], CLOCK)
    (failing,) = book
    for _ in range(5):
        failing.failed(DOWN, CLOCK)
    closing = Window(MONTH, MONTH.start, MONTH.end)
    assert not asked(book, CLOCK + 60)
    assert book.compulsory(closing, CLOCK + 60, 60.0, Pace(9, 60.0)) == [failing]


def test_one_list_that_lacks_a_template_may_have_skipped_it() -> None:
    """Pages of a list that shrinks meanwhile do: idle templates go with the second such list."""
    book = TemplateBook(10)
    book.update([Template("a"), Template("b")], CLOCK)
    answer_all(book)
    book.update([Template("b")], CLOCK + MAX_AGE)
    assert ids(book) == ["a", "b"]
    book.update([Template("a"), Template("b")], CLOCK + MAX_AGE + 60)
    book.update([Template("b")], CLOCK + MAX_AGE + 120)
    assert ids(book) == ["a", "b"]
    book.update([Template("b")], CLOCK + MAX_AGE + 180)
    assert ids(book) == ["b"]


def test_a_list_read_in_part_adds_templates_and_removes_none() -> None:
    """Those that it has not come to keep their places within the bound."""
    book = TemplateBook(3)
    book.update([Template("a"), Template("b")], CLOCK)
    for _ in range(3):
        found = [Template("c"), Template("d", spawn_count=1)]
        book.update(found, CLOCK + MAX_AGE + 60, whole=False)
    assert ids(book) == ["a", "b", "d"]
    assert book.dropped == 1
    assert [entry.listed for entry in book] == [True] * 3
