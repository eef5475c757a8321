"""How far is logged of whom."""

from __future__ import annotations

import pytest

from sekisho.logic.log_levels import SEVERITY, EventLevel, Levels, Who

ERROR, WARN, INFO, DEBUG = (SEVERITY[name] for name in ("ERROR", "WARN", "INFO", "DEBUG"))
LAMP = Who("lamp", "cert", "10.0.0.1", (frozenset({"a", "b"}), frozenset({"above"})))


def test_the_default_level_is_that_of_all():
    levels = Levels(WARN, "group")
    assert levels.threshold("Connect", LAMP) == WARN
    assert levels.group_of("Connect") == "group"
    assert levels.on
    assert not Levels(0, "group").on


def test_an_event_may_have_a_level_or_a_group_or_both():
    events = {"Connect": EventLevel(DEBUG, None), "Disconnect": EventLevel(None, "other")}
    levels = Levels(ERROR, "group", events)
    assert (levels.threshold("Connect", LAMP), levels.group_of("Connect")) == (DEBUG, "group")
    assert (levels.threshold("Disconnect", LAMP), levels.group_of("Disconnect")) == (ERROR, "other")
    assert levels.threshold("Subscribe", LAMP) == ERROR
    assert Levels(0, "group", events).on
    assert not Levels(0, "group", {"Disconnect": EventLevel(None, "other")}).on


@pytest.mark.parametrize(
    ("targets", "wanted"),
    [
        ({("CLIENT_ID", "lamp"): DEBUG, ("PRINCIPAL_ID", "cert"): ERROR}, DEBUG),
        ({("PRINCIPAL_ID", "cert"): ERROR, ("SOURCE_IP", "10.0.0.1"): DEBUG}, ERROR),
        ({("SOURCE_IP", "10.0.0.1"): 0, ("THING_GROUP", "a"): DEBUG}, 0),
        ({("THING_GROUP", "a"): ERROR, ("THING_GROUP", "b"): INFO, ("THING_GROUP", "above"): DEBUG}, INFO),
        ({("THING_GROUP", "above"): DEBUG}, DEBUG),
        ({("CLIENT_ID", "cert"): DEBUG, ("THING_GROUP", "lamp"): DEBUG}, WARN),
    ],
)
def test_a_resource_goes_before_the_event_and_the_nearest_before_the_others(targets, wanted):
    levels = Levels(ERROR, "group", {"Connect": EventLevel(WARN, None)}, targets)
    assert levels.threshold("Connect", LAMP) == wanted
    assert levels.threshold("Connect", Who("other", "", "")) == WARN


def test_what_is_logged_only_if_it_is_named():
    assert Levels(DEBUG, "group").threshold("Connection.AuthNError", LAMP) == 0
    events = {"Connection.AuthNError": EventLevel(ERROR, None)}
    assert Levels(0, "group", events).threshold("Connection.AuthNError", LAMP) == ERROR
