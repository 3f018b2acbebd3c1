"""READY is computed from five facts; the shown word has a documented precedence."""

from __future__ import annotations

import itertools

import pytest

from fleetctl.model.machine import (
    PHRASE,
    Activity,
    Clearance,
    Link,
    MachineFacts,
    Position,
    Service,
    Word,
    is_ready,
    unready_reasons,
    word,
)

READY = MachineFacts(link=Link.ONLINE, clearance=Clearance.CLEAR)


def every_combination() -> list[MachineFacts]:
    axes = itertools.product(Link, Activity, Clearance, Service, Position)
    return [
        MachineFacts(link=link, activity=activity, clearance=clearance, service=service, position=position)
        for link, activity, clearance, service, position in axes
    ]


def test_ready_is_exactly_one_combination() -> None:
    assert [facts for facts in every_combination() if is_ready(facts)] == [READY]


def test_everything_that_is_not_ready_says_why() -> None:
    for facts in every_combination():
        assert bool(unready_reasons(facts)) != is_ready(facts)


def test_a_new_machine_is_uncleared() -> None:
    assert MachineFacts().clearance is Clearance.UNCLEARED


@pytest.mark.parametrize(
    ("facts", "has_run", "shown"),
    [
        (READY, False, Word.READY),
        (MachineFacts(link=Link.ONLINE), False, Word.UNCLEARED),
        (MachineFacts(link=Link.OFFLINE), False, Word.OFFLINE),
        (MachineFacts(link=Link.OFFLINE, activity=Activity.RUNNING), True, Word.RUN_AT_RISK),
        (MachineFacts(link=Link.ONLINE, activity=Activity.FAULT, service=Service.LOCKED_OUT), False, Word.FAULT),
        (MachineFacts(link=Link.ONLINE, position=Position.SUSPECT), False, Word.SUSPECT),
        (MachineFacts(link=Link.ONLINE, activity=Activity.WAITING), True, Word.WAITING),
        (MachineFacts(link=Link.CONNECTING), False, Word.CONNECTING),
        (MachineFacts(link=Link.ONLINE, service=Service.MAINTENANCE), False, Word.MAINTENANCE),
    ],
)
def test_the_word_follows_its_precedence(facts: MachineFacts, has_run: bool, shown: Word) -> None:
    assert word(facts, has_run=has_run) is shown


def test_every_word_has_a_phrase() -> None:
    assert set(PHRASE) == set(Word)
