"""The query language of fleet indexing: what is understood, what is refused and where, and what matches."""

from __future__ import annotations

import pytest

from sekisho.logic.index_terms import Connectivity, Term, document, group_terms, searchable, term, thing_terms
from sekisho.logic.query import (
    And,
    Everything,
    Exact,
    Exists,
    Not,
    Or,
    Pattern,
    QueryError,
    Range,
    fields,
    fold,
    leaves,
    number_of,
)
from sekisho.logic.query_match import matches
from sekisho.logic.query_parser import BYTES, DEPTH, TERMS, parse


def exact(text, field=None):
    return Exact(field, text)


def prefix(text, field=None):
    return Pattern(field, text, f"{text}%", True)


GOOD = {
    "*": Everything(),
    "a": exact("a"),
    " Tv1 ": exact("tv1"),
    "a b": And((exact("a"), exact("b"))),
    "a AND b": And((exact("a"), exact("b"))),
    "a && b": And((exact("a"), exact("b"))),
    "a OR b": Or((exact("a"), exact("b"))),
    "a||b": exact("a||b"),
    "a || b": Or((exact("a"), exact("b"))),
    "a b OR c d": Or((And((exact("a"), exact("b"))), And((exact("c"), exact("d"))))),
    "a AND (b OR c)": And((exact("a"), Or((exact("b"), exact("c"))))),
    "NOT a": Not(exact("a")),
    "-a": Not(exact("a")),
    "!a": Not(exact("a")),
    "+a -b": And((exact("a"), Not(exact("b")))),
    "NOT NOT a": Not(Not(exact("a"))),
    "a NOT b": And((exact("a"), Not(exact("b")))),
    "NOT(a)": Not(exact("a")),
    "and or not": And((exact("and"), exact("or"), exact("not"))),
    "ANDroid": exact("android"),
    "AND\\ x": exact("and x"),
    "a-b": exact("a-b"),
    '"Two words"': exact("two words"),
    '"a \\" b"': exact('a " b'),
    '"a*"': exact("a*"),
    "thingName:tv1": exact("tv1", "thingName"),
    "ThingName:tv1": exact("tv1", "ThingName"),
    "thingName : tv1": exact("tv1", "thingName"),
    'attributes.a:"b c"': exact("b c", "attributes.a"),
    "attributes.a\\:b:c": exact("c", "attributes.a:b"),
    "attributes.a:b\\:c": exact("b:c", "attributes.a"),
    "attributes.a:-5": exact("-5", "attributes.a"),
    "attributes.a:x=y,z@[1]": None,
    "attributes.a:x=y,z@\\[1\\]": exact("x=y,z@[1]", "attributes.a"),
    "tv*": prefix("tv"),
    "thingName:TV*": prefix("tv", "thingName"),
    "thingName:t?v*": Pattern("thingName", "t", "t_v%", False),
    "thingName:a_%?": Pattern("thingName", "a_%", "a\\_\\%_", False),
    "thingName:a\\*": exact("a*", "thingName"),
    "thingName:*tv": Pattern("thingName", "", "%tv", False),
    "thingName:*": Exists("thingName"),
    "thingName:(tv* AND -plasma)": And((prefix("tv", "thingName"), Not(exact("plasma", "thingName")))),
    "f:(a OR g:b)": Or((exact("a", "f"), exact("b", "g"))),
    "f:[1 TO 5]": Range("f", 1.0, 5.0, True, True),
    "f:{1 TO 5]": Range("f", 1.0, 5.0, False, True),
    "f:[1 TO 5}": Range("f", 1.0, 5.0, True, False),
    "f:[-1.5 TO 1e3]": Range("f", -1.5, 1000.0, True, True),
    "f:[* TO 5]": Range("f", None, 5.0, True, True),
    "f:[a TO *]": Range("f", "a", None, True, True),
    "f:[* TO *]": Exists("f"),
    "f:[A TO 5]": Range("f", "a", "5", True, True),
    'f:["a b" TO c]': Range("f", "a b", "c", True, True),
    "f:>5": Range("f", 5.0, None, False, False),
    "f>5": Range("f", 5.0, None, False, False),
    "f >= 5": Range("f", 5.0, None, True, False),
    "f:<=-5": Range("f", None, -5.0, False, True),
    "f<x": Range("f", None, "x", False, False),
    "f:(>1 <3)": And((Range("f", 1.0, None, False, False), Range("f", None, 3.0, False, False))),
    "f:(a b) c": And((And((exact("a", "f"), exact("b", "f"))), exact("c"))),
    "関所": exact("関所"),
}
del GOOD["attributes.a:x=y,z@[1]"]


@pytest.mark.parametrize("text", GOOD)
def test_understood(text):
    assert parse(text) == GOOD[text]


BAD = {
    "": (1, "the query is empty"),
    "   ": (4, "the query is empty"),
    "AND a": (1, "AND needs a term on both sides"),
    "a OR": (5, "a term is missing"),
    "a AND OR b": (7, "OR needs a term on both sides"),
    "a NOT": (6, "a term is missing"),
    "NOT": (4, "a term is missing"),
    "-": (2, "a term is missing"),
    "(a": (1, "is not closed"),
    "a)": (2, "unexpected )"),
    "()": (1, "are empty"),
    "f:": (3, "the field f has no value"),
    "f: AND": (3 + 4, None),
    ":a": (1, "unexpected :"),
    "f:g:a": (4, "unexpected :"),
    "f*:a": (1, "the name of a field has no wildcards"),
    'a "b c': (3, "no closing quote"),
    '"a\\': (1, "no closing quote"),
    "a\\": (2, "a backslash at the end"),
    "a~": (2, "fuzzy"),
    '"a b"~2': (6, "proximity"),
    "a^2": (2, "boosting"),
    "f:[1 TO 2": (3, "not closed"),
    "f:[1 2]": (6, "TO between"),
    "f:[1 TO]": (8, "a value is missing"),
    "f:[TO 2]": (7, "TO between"),
    "f:[a* TO b]": (4, "no wildcards"),
    "[1 TO 2]": (1, "unexpected ["),
    "f:>": (4, "a value is missing"),
    "f:>*": (3, "needs a value"),
    ">5": (1, "unexpected >"),
    "f:=5 >": (6, "unexpected >"),
    "a*b*c*": (1, "at most 2 *"),
    "f:a??????": (3, "at most 5 ?"),
    "*a *b": (4, "only one term"),
    f"*a {'b' * 100}": (1, "at most 100 characters"),
    " ".join("a" * (TERMS + 1)): (2 * TERMS + 1, f"at most {TERMS} terms"),
    "a" * (BYTES + 1): (BYTES + 1, f"at most {BYTES} bytes"),
    "a\0": (2, "no value has"),
    "a\ud800": (2, "no value has"),
    "関" * 334: (334, f"at most {BYTES} bytes"),
    "(" * (DEPTH + 1) + "a": (DEPTH + 1, f"{DEPTH} levels"),
    "NOT " * 100 + "a": (4 * (DEPTH + 1) + 1, f"{DEPTH} levels"),
}
del BAD["f: AND"]


@pytest.mark.parametrize("text", BAD, ids=[text[:12] or "empty" for text in BAD])
def test_refused_with_what_and_where(text):
    position, words = BAD[text]
    with pytest.raises(QueryError) as caught:
        parse(text)
    assert words in str(caught.value)
    assert (caught.value.position, str(caught.value).endswith(f"(at character {position})")) == (
        position,
        True,
    )


def test_as_long_as_may_be():
    assert parse("a" * BYTES) == exact("a" * BYTES)
    assert len(leaves(parse(" ".join("a" * TERMS)))) == TERMS
    assert parse("(" * DEPTH + "a" + ")" * DEPTH) == exact("a")


def test_fields_of_a_query():
    assert fields(parse("a f:b OR NOT (g:[1 TO 2] f:c* h:*)")) == {"f", "g", "h"}


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("5", 5.0),
        ("-1.25", -1.25),
        ("1e3", 1000.0),
        ("007", 7.0),
        ("", None),
        ("5a", None),
        ("1_0", None),
        ("+5", None),
        (".5", None),
        ("5.", None),
        ("nan", None),
        ("inf", None),
        ("1e999", None),
        ("٣", None),
        ("9" * 301, None),
    ],
)
def test_what_looks_like_a_number(text, number):
    assert number_of(text) == number


def test_a_long_value_is_compared_by_its_beginning():
    assert fold("Ä" * 600) == "ä" * 500
    assert fold("関" * 400) == "関" * 333


THING = searchable(
    thing_terms(
        {
            "thingName": "TV-1",
            "thingId": "0f",
            "thingTypeName": "Screen",
            "attributes": {"colour": "Red", "size": "42", "Serial": "a*b", "odd:name": "5%_"},
        },
        7,
        ["Hall", "hall", "roof"],
    )
)


@pytest.mark.parametrize(
    "text",
    [
        "*",
        "tv-1",
        "red",
        "RED",
        "thingName:tv*",
        "thingName:t?-1",
        "thingName:*-1",
        "attributes.colour:red",
        "attributes.colour:*",
        "attributes.size>41.5",
        "attributes.size:[42 TO 42]",
        "attributes.size:{41 TO 43}",
        "attributes.size<100",
        "attributes.colour:[q TO s]",
        "attributes.colour>=red",
        "thingGroupNames:hall",
        "thingGroupNames:(hall AND roof)",
        "thingGroupNames:[i TO z]",
        "attributes.Serial:a\\*b",
        "attributes.odd\\:name:5%?",
        "registry.version:7",
        "NOT attributes.height:*",
        "-plasma",
        "screen (blue OR red)",
    ],
)
def test_matches(text):
    assert matches(parse(text), THING)
    assert not matches(Not(parse(text)), THING)


@pytest.mark.parametrize(
    "text",
    [
        "re",
        "7",
        "thingname:tv-1",
        "attributes.Colour:red",
        "attributes.serial:*",
        "attributes.size>42",
        "attributes.size:{42 TO 50]",
        "attributes.colour>5",
        "attributes.size:[5 TO 6]",
        "attributes.colour:{red TO s]",
        "thingGroupNames:(hall AND -roof)",
        "attributes.odd\\:name:5__",
        "thingName:t?",
        "NOT screen",
    ],
)
def test_does_not_match(text):
    assert not matches(parse(text), THING)


def test_a_document_of_its_terms():
    thing = {"thingName": "Tv", "thingId": "0f", "attributes": {"a": "B", "c": "5"}}
    terms = thing_terms(thing, 3, ["Hall", "hall"], with_connectivity=True)
    assert Term("attributes.c", "5", 5.0, None) in terms and Term("thingName", "tv", None, "Tv") in terms
    shown = document(terms)
    assert shown.pop("registry.version") == "3"
    assert shown == thing | {"thingGroupNames": ["Hall", "hall"], "connectivity": {"connected": False}}


def test_a_connection_as_it_is_shown():
    connection = Connectivity("Tv", True, 1500, "", 60, False, 3600)
    terms = thing_terms({"thingName": "Tv"}, 1, [], connection, with_connectivity=True)
    assert document(terms)["connectivity"] == {
        "connected": True,
        "timestamp": 1500,
        "clientId": "Tv",
        "keepAliveDuration": 60,
        "cleanSession": False,
        "sessionExpiry": 3600,
    }


def test_a_group_is_found_by_the_words_of_its_description():
    group = {
        "thingGroupName": "Pumps",
        "thingGroupProperties": {
            "thingGroupDescription": "All Pumps  of hall 5",
            "attributePayload": {"attributes": {"floor": "2"}},
        },
    }
    terms = group_terms(group, ["site"])
    found = searchable(terms)
    for text in (
        "description:pumps",
        "description:>4",
        "hall",
        'description:"all pumps  of hall 5"',
        "parentGroupNames:site",
    ):
        assert matches(parse(text), found), text
    assert not matches(parse('description:"pumps of"'), found)
    assert document(terms) == {
        "thingGroupName": "Pumps",
        "thingGroupDescription": "All Pumps  of hall 5",
        "attributes": {"floor": "2"},
        "parentGroupNames": ["site"],
    }
    assert term("description", "x").shown is None


@pytest.mark.parametrize("given", ["ΟΔΟΣ", "ΟΔΟΣΑ", "οδος", "ΟΔΟΣ ΑΒ", "İstanbul", "ẞ", "KELVIN \u212a"])
def test_a_beginning_is_found_whatever_follows_it(given):
    """SQL looks for the prefix alone, the matcher for the pattern: both are of the same characters."""
    document = searchable([term("f", given)])
    for size in range(1, len(given) + 1):
        if " " in given[:size]:
            break
        query = parse(f"f:{given[:size]}*")
        assert matches(query, document)
        assert document["f"][0].text.startswith(query.prefix)
