import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sekisho.logic.policy_match import (
    base_name,
    compile_patterns,
    fill,
    find_value,
    fold_name,
    parse_pattern,
    variable_names,
    written,
)


def matches(text, resource, values=None, **options):
    folded = {fold_name(name): value for name, value in (values or {}).items()}
    tokens, _ = fill(parse_pattern(text, **options), lambda name: find_value(folded, fold_name(name)))
    return compile_patterns([tokens]).matches(resource)


def translated(pattern):
    parts = {"*": ".*", "?": "."}
    return re.compile("".join(parts.get(c) or re.escape(c) for c in pattern), re.DOTALL)


SMALL = st.text("ab/*?", max_size=12)


@settings(max_examples=3000)
@given(SMALL, st.text("ab/", max_size=12))
def test_wildcards_agree_with_a_regular_expression(pattern, text):
    assert matches(pattern, text) is bool(translated(pattern).fullmatch(text))


@settings(max_examples=500)
@given(st.text(max_size=20), st.text(max_size=20))
def test_any_characters_agree_with_a_regular_expression(pattern, text):
    assert matches(pattern, text, variables=False) is bool(translated(pattern).fullmatch(text))


@settings(max_examples=500)
@given(st.text(max_size=20))
def test_a_substituted_value_is_literal(value):
    assert matches("a/${v}/*", f"a/{value}/x", {"v": value})
    assert matches("a/${v}", "a/other", {"v": value}) is (value == "other")


@settings(max_examples=500)
@given(st.text("ab*?${}:,' ", max_size=30))
def test_what_was_parsed_can_be_written_and_parsed_again(text):
    tokens, missing = fill(parse_pattern(text), lambda name: None)
    if not missing and "${" not in text:
        assert parse_pattern(written(tokens)).tokens == tokens


@pytest.mark.parametrize(
    ("pattern", "text", "values", "expected"),
    [
        ("a/*", "a/", {}, True),
        ("a/*", "a", {}, False),
        ("*", "", {}, True),
        ("a*b*c", "a1b2b3c", {}, True),
        ("a*bc*bc", "abc", {}, False),
        ("topic/?", "topic/é", {}, True),
        ("topic/?", "topic/", {}, False),
        ("topic/A", "topic/a", {}, False),
        # + and # are literal (AWS IoT Developer Guide, "Using wildcard characters in MQTT").
        ("topicfilter/a/+/b", "topicfilter/a/x/b", {}, False),
        ("topicfilter/a/+/b", "topicfilter/a/+/b", {}, True),
        ("topicfilter/a/#", "topicfilter/a/b", {}, False),
        ("topicfilter/a/*", "topicfilter/a/#", {}, True),
        # IAM User Guide, "Policy variables": the escapes.
        ("a${*}b", "a*b", {}, True),
        ("a${*}b", "axb", {}, False),
        ("a${?}b", "a?b", {}, True),
        ("a${?}b", "axb", {}, False),
        ("a${$}{x}", "a${x}", {"x": "1"}, True),
        # A value's own wildcards do not act.
        ("c/${v}", "c/anything", {"v": "*"}, False),
        ("c/${v}", "c/*", {"v": "*"}, True),
        # Unresolved: no match, not even with its own text.
        ("c/${nope}", "c/${nope}", {}, False),
        ("c/${nope}*", "c/x", {}, False),
        ("c/${nope, 'd'}", "c/d", {}, True),
        ("c/${v, 'd'}", "c/1", {"v": "1"}, True),
        ("c/${v,''}", "c/", {}, True),
        ("c/${v , 'it''s, x'}", "c/it''s, x", {}, True),
        # Names ignore case, the name of an attribute does not.
        ("c/${IOT:clientid}", "c/1", {"iot:ClientId": "1"}, True),
        (
            "c/${iot:connection.thing.attributes[Color]}",
            "c/1",
            {"iot:Connection.Thing.Attributes[Color]": "1"},
            True,
        ),
        (
            "c/${iot:Connection.Thing.Attributes[color]}",
            "c/1",
            {"iot:Connection.Thing.Attributes[Color]": "1"},
            False,
        ),
        # Several values: the bare name is the first, .1 the second.
        ("c/${k}", "c/a", {"k": ["a", "b"]}, True),
        ("c/${k.1}", "c/b", {"k": ["a", "b"]}, True),
        ("c/${k.2}", "c/", {"k": ["a", "b"]}, False),
        ("c/${k.0}", "c/a", {"k": ["a", "b"]}, False),
        # Not variables.
        ("c/${", "c/${", {}, True),
        ("c/${}", "c/${}", {}, True),
        ("c/$(*)", "c/$(*)", {}, True),
    ],
)
def test_patterns(pattern, text, values, expected):
    assert matches(pattern, text, values) is expected


def test_without_variables_a_variable_is_text():
    assert matches("c/${v}", "c/${v}", {"v": "1"}, variables=False)
    assert not matches("c/${v}", "c/1", {"v": "1"}, variables=False)


def test_long_inputs_cost_little():
    pattern = "*a" * 500 + "b"
    assert not matches(pattern, "a" * 5000)
    assert not matches("?" * 50 + "*?a" * 300 + "b", "a" * 3000)
    # White space is not counted in a policy's size, so this can be long.
    parse_pattern("${a" + " " * 200_000 + ",}")


def test_written_shows_the_filled_pattern():
    tokens, missing = fill(parse_pattern("a/${v}/${w}/*?"), {"v": "1"}.get)
    assert written(tokens) == "a/1/${w}/*?"
    assert missing == ("w",)


@pytest.mark.parametrize(
    "text",
    [
        "plain",
        "${a}",
        "x${a}y${b}z",
        "${a.List}/${a.1}",
        "${*}${?}${$}",
        "${}${ }",
        "${a",
        "$${a}",
        "${a, 'b'}${c,d}",
        "${ a }",
        "${a${b}",
        "*?${a}*",
    ],
)
def test_names_without_parsing_are_those_of_parsing(text):
    assert variable_names(text) == [variable.name for variable in parse_pattern(text).variables]


@pytest.mark.parametrize(
    ("name", "base"), [("a.list", "a"), ("a.1", "a"), ("a.b", ""), ("a", ""), ("a.b.12", "a.b"), ("", "")]
)
def test_base_names(name, base):
    assert base_name(name) == base
