import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sekisho.logic.template_functions import MAX_TEXT, Scope, TemplateError, Values, check, evaluate

MAPS = {"M": {"a": {"x": "1", "y": ["2", "3"]}, "b": {"x": "4"}}}


def run(value, **parameters):
    check(value, "V", Scope(frozenset(parameters), MAPS))
    return evaluate(value, "V", Values(parameters, MAPS))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"Ref": "P"}, "p"),
        ({"Fn::Join": ["-", ["a", {"Ref": "P"}, "c"]]}, "a-p-c"),
        ({"Fn::Join": ["", []]}, ""),
        ({"Fn::Join": ["+", {"Fn::Split": [",", {"Ref": "L"}]}]}, "a+b+c"),
        ({"Fn::Select": [1, ["a", "b"]]}, "b"),
        ({"Fn::Select": ["0", ["a", "b"]]}, "a"),
        ({"Fn::Select": [{"Ref": "N"}, {"Fn::Split": [",", {"Ref": "L"}]}]}, "c"),
        ({"Fn::FindInMap": ["M", "a", "x"]}, "1"),
        ({"Fn::FindInMap": ["M", {"Fn::Select": [1, ["a", "b"]]}, "x"]}, "4"),
        ({"Fn::Select": [1, {"Fn::FindInMap": ["M", "a", "y"]}]}, "3"),
        ({"Fn::Split": ["|", "a||b"]}, ["a", "", "b"]),
        ({"Fn::Sub": "${P}-${P}"}, "p-p"),
        ({"Fn::Sub": ["${P}-${Q}", {"Q": {"Ref": "P"}}]}, "p-p"),
        ({"Fn::Sub": ["${P}", {"P": "own"}]}, "own"),
        ({"Fn::Sub": "${!iot:ClientId}/$x/${"}, "${iot:ClientId}/$x/${"),
        ({"a": [{"Ref": "P"}, 1, None, True]}, {"a": ["p", 1, None, True]}),
    ],
)
def test_functions(value, expected):
    assert run(value, P="p", L="a,b,c", N="2") == expected


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({"Fn::If": []}, 'V: unknown function "Fn::If"; known are Ref, Fn::Join, Fn::Select'),
        ({"Fn::GetAtt": ["x", "Arn"]}, 'unknown function "Fn::GetAtt"'),
        (
            {"Ref": "P", "Fn::Join": []},
            'a function must stand alone in its object, here are "Ref", "Fn::Join"',
        ),
        ({"Ref": "Q"}, 'V.Ref: "Q" is no parameter of the template; it has L, N, P'),
        ({"Ref": ["P"]}, "V.Ref: must name a parameter, not hold a list"),
        ({"Fn::Join": "x"}, "V.Fn::Join: needs a list of 2: delimiter, list"),
        ({"Fn::Join": [1, []]}, "the delimiter must be a string, not a number"),
        ({"Fn::Join": ["", "x"]}, "must be a list or a function that gives one, not a string"),
        ({"Fn::Join": ["", [1]]}, "V.Fn::Join[1][0]: must be a string, not a number"),
        ({"Fn::Join": ["", {"Ref": "P"}]}, "V.Fn::Join[1]: must be a list of strings, not a string"),
        ({"Fn::Select": [2, ["a", "b"]]}, "the index 2 is out of range, the list has 2 values"),
        ({"Fn::Select": [-1, ["a"]]}, "the index must be a whole number from 0"),
        ({"Fn::Select": ["x", ["a"]]}, 'the index must be a whole number from 0, not "x"'),
        ({"Fn::Select": [True, ["a"]]}, "the index must be a whole number from 0, not a boolean"),
        ({"Fn::Select": [{"Ref": "P"}, ["a"]]}, 'the index must be a whole number from 0, not "p"'),
        ({"Fn::Select": [0, [None]]}, "the value at index 0 is null"),
        ({"Fn::Select": [0, {"Ref": "P"}]}, "V.Fn::Select[1]: must be a list, not a string"),
        ({"Fn::FindInMap": ["N", "a", "x"]}, 'V.Fn::FindInMap: "N" is no mapping; known are "M"'),
        ({"Fn::FindInMap": ["M", "c", "x"]}, '"c" is no key of the mapping "M"; known are "a", "b"'),
        ({"Fn::FindInMap": ["M", {"Ref": "P"}, "x"]}, '"p" is no key of the mapping "M"'),
        ({"Fn::FindInMap": ["M", "b", "y"]}, '"y" is no key under "b"; known are "x"'),
        ({"Fn::FindInMap": ["M", "b"]}, "needs a list of 3: map name, first key, second key"),
        ({"Fn::FindInMap": ["M", "b", 1]}, "V.Fn::FindInMap[2]: must be a string"),
        ({"Fn::Split": ["", "x"]}, "the delimiter must be a string that is not empty"),
        ({"Fn::Split": [",", {"Fn::Split": [",", "x"]}]}, "must be a string or a function that gives one"),
        (
            {"Fn::Split": [",", {"Fn::FindInMap": ["M", "a", "y"]}]},
            "V.Fn::Split[1]: must be a string, not a list",
        ),
        ({"Fn::Sub": "${Q}"}, 'V.Fn::Sub: "Q" is no parameter of the template'),
        (
            {"Fn::Sub": "${iot:ClientId}"},
            "${iot:ClientId} is a policy variable, which Fn::Sub wants as ${!iot:Cl",
        ),
        ({"Fn::Sub": 1}, "needs a string, or a list of a string and an object of values"),
        ({"Fn::Sub": ["${Q}", {"Q": 1}]}, "V.Fn::Sub[1].Q: must be a string"),
    ],
)
def test_what_is_wrong_is_named(value, words):
    with pytest.raises(TemplateError) as caught:
        run(value, P="p", L="a,b,c", N="2")
    assert words in str(caught.value)


def test_nesting_is_bounded():
    value = "x"
    for _ in range(100):
        value = [value]
    with pytest.raises(TemplateError, match="nested deeper than 32"):
        run(value)


def test_growth_is_bounded():
    value = "x" * 100
    for _ in range(8):
        value = {"Fn::Sub": ["${a}" * 50, {"a": value}]}
    with pytest.raises(TemplateError, match=f"comes out longer than {MAX_TEXT} characters"):
        run(value)
    with pytest.raises(TemplateError, match="comes out longer"):
        run({"Fn::Join": ["", [{"Ref": "P"}] * 100]}, P="x" * 1000)


@given(st.lists(st.text(max_size=5), min_size=1, max_size=5), st.sampled_from([",", "--", "é"]))
def test_split_undoes_join(parts, delimiter):
    parts = [part.replace(delimiter, "") for part in parts]
    joined = {"Fn::Join": [delimiter, parts]}
    text = run(joined)
    assert text == delimiter.join(parts)
    assert run({"Fn::Split": [delimiter, joined]}) == text.split(delimiter)
    for index in range(len(parts)):
        select = {"Fn::Select": [index, {"Fn::Split": [delimiter, joined]}]}
        assert run(select) == text.split(delimiter)[index]


@given(st.text(max_size=20), st.text(max_size=20))
def test_sub_puts_values_in_as_they_are(before, value):
    before = before.replace("$", "")
    assert run({"Fn::Sub": before + "${P}"}, P=value) == before + value


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=4),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    ["Ref", "Fn::Join", "Fn::Select", "Fn::FindInMap", "Fn::Split", "Fn::Sub", "a"]
                ),
                inner,
                max_size=2,
            )
        ),
        max_leaves=12,
    )
)
def test_anything_is_evaluated_or_refused_by_name(value):
    try:
        json.dumps(run(value, P="p", a="b"))
    except TemplateError as error:
        assert str(error).startswith("V")
