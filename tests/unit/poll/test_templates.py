from __future__ import annotations

from sandbox_exporter.billing import Month, Window
from sandbox_exporter.model import Template
from sandbox_exporter.poll.budget import Pace
from sandbox_exporter.poll.templates import MAX_AGE, TemplateBook

MONTH = Month(2026, 11)
WINDOW = Window(MONTH, MONTH.start, MONTH.start + 3600)
CLOCK = 10_000.0


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
    failing.failing = True
    assert [entry.fresh(CLOCK + 300.0, 300.0) for entry in book] == [True, True]
    assert (failing.fresh(CLOCK + 301.0, 300.0), skipped.fresh(CLOCK + 301.0, 300.0)) == (
        False,
        True,
    )
