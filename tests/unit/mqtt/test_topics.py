"""Topic names, filters and what matches what."""

import pytest

from sekisho.mqtt.topics import check_filter, check_topic, literal_prefix, matches, parse_share

INGEST = "$aws/rules/a_rule/"

# topic -> words of what is wrong, or None
TOPICS = {
    "a": None,
    "/": None,
    "a//b": None,
    " a b ": None,
    "$SYS/x": None,
    "a/b/c/d/e/f/g/h": None,
    "a" * 256: None,
    "ä" * 128: None,
    INGEST + "a/b/c/d/e/f/g/h": None,
    INGEST + "a" * 256: None,
    "": "empty",
    "a/+": "wildcard",
    "a/#": "wildcard",
    "a+": "wildcard",
    "a\0b": "U+0000",
    "$aws/rules/a\0/b": "U+0000",
    "a" * 257: "longer than 256 bytes",
    "ä" * 129: "longer than 256 bytes",
    "a/b/c/d/e/f/g/h/i": "more than 7 slashes",
    INGEST + "a/b/c/d/e/f/g/h/i": "more than 7 slashes",
    INGEST + "a" * 257: "longer",
    "$aws/rules//a/b/c/d/e/f/g": "slashes",
}

FILTERS = {
    "a": None,
    "#": None,
    "+": None,
    "/": None,
    "+/+": None,
    "/+": None,
    "a/+/b/#": None,
    "a/#": None,
    "$aws/things/+/shadow/#": None,
    "$share/g/a/#": None,
    "$share/g//": None,
    "$share/" + "g" * 128 + "/a": None,
    "$share/g/a/b/c/d/e/f/g/h": None,
    "$share/g/" + "a" * 256: None,
    "$shared/x": None,
    "": "empty",
    "a#": "alone",
    "a/b#": "alone",
    "#/a": "last",
    "##": "last",
    "a/#/b": "last",
    "a+": "+ does not stand alone",
    "a/+b/c": "+ does not stand alone",
    "++": "+ does not stand alone",
    "a\0": "U+0000",
    "a" * 257: "longer",
    "a/b/c/d/e/f/g/h/#": "slashes",
    "$share": "no name",
    "$share/": "no name",
    "$share//a": "no name",
    "$share/g": "no filter",
    "$share/g/": "no filter",
    "$share/g+/a": "wildcard",
    "$share/#/a": "wildcard",
    "$share/g\0/a": "U+0000",
    "$share/" + "g" * 129 + "/a": "longer than 128",
    "$share/g/a/b/c/d/e/f/g/h/i": "slashes",
    "$share/g/a#": "alone",
}


def judged(wrong, words):
    return wrong is None if words is None else wrong is not None and words in wrong


@pytest.mark.parametrize("topic", TOPICS)
def test_check_topic(topic):
    """[MQTT-4.7.0-1] [MQTT-4.7.3-1] [MQTT-4.7.3-2] [3.1.1 MQTT-4.7.1-1] [3.1.1 MQTT-4.7.3-1]
    [3.1.1 MQTT-4.7.3-2]"""
    assert judged(check_topic(topic), TOPICS[topic]), check_topic(topic)


@pytest.mark.parametrize("filter", FILTERS)
def test_check_filter(filter):
    """[MQTT-4.7.1-1] [MQTT-4.7.1-2] [MQTT-4.7.3-1] [MQTT-4.7.3-2] [MQTT-4.8.2-1] [MQTT-4.8.2-2]
    [3.1.1 MQTT-4.7.1-2] [3.1.1 MQTT-4.7.1-3] [3.1.1 MQTT-4.7.3-1] [3.1.1 MQTT-4.7.3-2]"""
    assert judged(check_filter(filter), FILTERS[filter]), check_filter(filter)


def test_limits_are_arguments():
    assert check_topic("a/b/c", 5, 2) is None
    assert check_topic("a/b/c", 4, 2) is not None
    assert check_topic("a/b/c", 5, 1) is not None
    assert check_filter("a/b/#", 5, 2) is None
    assert check_filter("a/b/#", 5, 1) is not None


@pytest.mark.parametrize(
    ("filter", "parsed"),
    [
        ("$share/g/a/b", ("g", "a/b")),
        ("$share/g//", ("g", "/")),
        ("$share/g", (None, "$share/g")),
        ("a/$share/b", (None, "a/$share/b")),
        ("$sharegroup/a/b", (None, "$sharegroup/a/b")),
    ],
)
def test_parse_share(filter, parsed):
    assert parse_share(filter) == parsed


# (filter, topic) -> matches under OASIS, matches under AWS; section 4.7 names most of them
MATCHES = {
    ("a/b", "a/b"): (True, True),
    ("a/b", "a/B"): (False, False),
    ("a", "a/"): (False, False),
    ("a/#", "a/b"): (True, True),
    ("a/#", "a/b/c"): (True, True),
    ("a/#", "a/"): (True, True),
    ("a/#", "a"): (True, False),
    ("a/#", "ab"): (False, False),
    ("#", "a"): (True, True),
    ("#", "/"): (True, True),
    ("+", "a"): (True, True),
    ("+", "/a"): (False, False),
    ("/+", "/a"): (True, True),
    ("+/+", "/a"): (True, True),
    ("a/+", "a"): (False, False),
    ("a/+", "a/"): (True, True),
    ("a/+", "a/b/c"): (False, False),
    ("+/b/#", "a/b"): (True, False),
    ("+/b/#", "a/b/c"): (True, True),
    ("a/+/#", "a"): (False, False),
    ("+/#", "a"): (True, False),
    # Nothing is normalized: composed and decomposed, letters and their wide forms, an invisible character.
    ("caf\u00e9", "cafe\u0301"): (False, False),
    ("cafe\u0301", "cafe\u0301"): (True, True),
    ("a", "\uff41"): (False, False),
    ("a", "\ufeffa"): (False, False),
    ("\ufeffa/+", "\ufeffa/b"): (True, True),
    ("a//b", "a/b"): (False, False),
    # [MQTT-4.7.2-1]
    ("#", "$SYS"): (False, False),
    ("+/a", "$SYS/a"): (False, False),
    ("+/#", "$SYS"): (False, False),
    ("$SYS/#", "$SYS/a"): (True, True),
    ("$SYS/+", "$SYS/a"): (True, True),
    ("a/+", "a/$b"): (True, True),
}


@pytest.mark.parametrize(("filter", "topic"), MATCHES)
def test_matches(filter, topic):
    """[MQTT-4.7.2-1] [MQTT-4.7.3-4] [3.1.1 MQTT-4.7.2-1] [3.1.1 MQTT-4.7.3-4]"""
    oasis, aws = MATCHES[filter, topic]
    assert matches(filter, topic, True) is oasis
    assert matches(filter, topic, False) is aws


@pytest.mark.parametrize(
    ("filter", "prefix"),
    [
        ("#", ""),
        ("+", ""),
        ("+/a", ""),
        ("a", "a"),
        ("a/b", "a/b"),
        ("a/#", "a/"),
        ("a/+/b/#", "a/"),
        ("a/b/+", "a/b/"),
    ],
)
def test_the_literal_prefix(filter, prefix):
    assert literal_prefix(filter) == prefix
