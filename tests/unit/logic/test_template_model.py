"""Expansion of templates against a model of its own: small, slow, and written from the guide alone."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sekisho.logic.templates import TemplateError, expand, parse_template

NAMES = ("A", "B", "C")
KEYS = ("k", "l")
ID = "AWS::IoT::Certificate::Id"
WORDS = st.text("ab,-$ 関", max_size=6)
ONE_DELIMITER = st.sampled_from([",", "-", "ab"])


class Undefined(Exception):
    """The guide says that provisioning fails here."""


# --- the model ---------------------------------------------------------------------------------------------


def meaning(expression: Any, values: dict[str, str], maps: dict[str, Any]) -> Any:
    """What an expression stands for."""
    if isinstance(expression, list):
        return [meaning(one, values, maps) for one in expression]
    if not isinstance(expression, dict):
        return expression
    ((function, given),) = expression.items()
    if function == "Ref":
        return values[given]
    if function == "Fn::Sub":
        return sub(given, values, maps)
    found = meaning(given, values, maps)
    if function == "Fn::Join":
        return found[0].join(found[1])
    if function == "Fn::Split":
        return found[1].split(found[0])
    if function == "Fn::Select":
        index = int(found[0])
        if index >= len(found[1]):
            raise Undefined
        return found[1][index]
    assert function == "Fn::FindInMap"
    try:
        return maps[found[0]][found[1]][found[2]]
    except KeyError:
        raise Undefined from None


def all_meanings(found: dict[str, Any], values: dict[str, str], maps: dict[str, Any]) -> dict[str, Any]:
    return {name: meaning(one, values, maps) for name, one in found.items()}


def sub(given: Any, values: dict[str, str], maps: dict[str, Any]) -> str:
    text, own = given if isinstance(given, list) else (given, {})
    known = values | {name: meaning(one, values, maps) for name, one in own.items()}
    # The generator writes pieces that are text or ${name} or ${!name}.
    out, rest = "", text
    while "${" in rest:
        before, _, rest = rest.partition("${")
        inner, _, rest = rest.partition("}")
        out += before + ("${" + inner[1:] + "}" if inner.startswith("!") else known[inner])
    return out + rest


# --- the documents -----------------------------------------------------------------------------------------

REFS = st.sampled_from(NAMES).map(lambda name: {"Ref": name})
INDEXES = st.sampled_from([0, 0, 0, 0, "0", "0", 1, "1", 2, "7"])
"""Mostly within the list, so that most documents mean something."""


def texts(joins: bool) -> st.SearchStrategy[Any]:
    """Expressions that give a string, or fail."""

    def deeper(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
        split = st.tuples(ONE_DELIMITER, inner).map(lambda pair: {"Fn::Split": list(pair)})
        lists = st.lists(inner, min_size=1, max_size=3) | split
        found = [
            st.tuples(INDEXES, lists).map(lambda pair: {"Fn::Select": list(pair)}),
            st.tuples(st.sampled_from(KEYS), st.sampled_from("kkkkl")).map(
                lambda pair: {"Fn::FindInMap": ["M", *pair]}
            ),
            st.builds(sub_of, st.lists(pieces(), max_size=4), inner),
        ]
        if joins:
            found.append(st.tuples(WORDS, lists).map(lambda pair: {"Fn::Join": list(pair)}))
        return st.one_of(found)

    return st.recursive(WORDS | REFS, deeper, max_leaves=4)


def pieces() -> st.SearchStrategy[str]:
    plain = st.text("ab, 関", max_size=4)
    return plain | st.sampled_from([f"${{{name}}}" for name in (*NAMES, "own", "!iot:ClientId")])


def sub_of(found: list[str], inner: Any) -> dict[str, Any]:
    text = "".join(found)
    return {"Fn::Sub": [text, {"own": inner}] if "${own}" in text else text}


MAPS = st.fixed_dictionaries(
    {
        "M": st.fixed_dictionaries(
            {key: st.fixed_dictionaries({"k": WORDS}, optional={"l": WORDS}) for key in KEYS}
        )
    }
)


@st.composite
def documents(draw: st.DrawFn) -> tuple[dict[str, Any], dict[str, str]]:
    """A template and the parameters that a device brings."""
    text = texts(joins=True)
    attributes = draw(st.dictionaries(st.sampled_from(["x", "y", "z"]), text, max_size=2))
    declared: dict[str, Any] = {}
    given: dict[str, str] = {}
    for name in NAMES:
        declared[name] = {"Type": "String"}
        how = draw(st.sampled_from(["given", "default", "both"]))
        if how != "given":
            declared[name]["Default"] = draw(WORDS)
        if how != "default":
            given[name] = draw(WORDS)
    statement = {
        "Effect": draw(texts(joins=False)),
        "Resource": draw(st.lists(texts(joins=False), max_size=2)),
    }
    document = {
        "Parameters": declared,
        "Mappings": draw(MAPS),
        "Resources": {
            "thing": {
                "Type": "AWS::IoT::Thing",
                "Properties": {"ThingName": draw(text), "AttributePayload": attributes},
                "OverrideSettings": draw(OVERRIDES),
            },
            "certificate": {
                "Type": "AWS::IoT::Certificate",
                "Properties": {"CertificateId": {"Ref": ID}, "Status": draw(STATUS)},
            },
            "policy": {
                "Type": "AWS::IoT::Policy",
                "Properties": {"PolicyDocument": {"Statement": [statement]}},
            },
            "named": {"Type": "AWS::IoT::Policy", "Properties": {"PolicyName": draw(texts(joins=False))}},
        },
        "DeviceConfiguration": draw(st.dictionaries(st.sampled_from(["p", "q"]), text, max_size=1)),
    }
    return document, given


STATUS = st.sampled_from(["ACTIVE", "Active", "inactive", "INACTIVE", "Inactive"])
SPELLINGS = {
    "AttributePayload": "ATTRIBUTE_PAYLOAD",
    "ThingTypeName": "THING_TYPE_NAME",
    "ThingGroups": "THING_GROUPS",
    "BillingGroup": "BILLING_GROUP",
}
OVERRIDES = st.dictionaries(
    st.sampled_from([*SPELLINGS, *SPELLINGS.values()]),
    st.sampled_from(["DO_NOTHING", "REPLACE", "FAIL", "replace"]),
    max_size=2,
).filter(lambda found: not any(name in found and other in found for name, other in SPELLINGS.items()))


@settings(max_examples=150, deadline=None)
@given(documents())
def test_a_template_says_what_the_model_says(made):
    document, given_parameters = made
    values = {name: one.get("Default") for name, one in document["Parameters"].items()} | given_parameters
    values[ID] = "the-certificate"
    maps = document["Mappings"]
    resources = document["Resources"]
    thing = resources["thing"]["Properties"]
    (statement,) = resources["policy"]["Properties"]["PolicyDocument"]["Statement"]
    try:
        wanted = {
            "name": meaning(thing["ThingName"], values, maps),
            "attributes": all_meanings(thing["AttributePayload"], values, maps),
            "configuration": all_meanings(document["DeviceConfiguration"], values, maps),
            "statement": all_meanings(statement, values, maps),
            "policy": meaning(resources["named"]["Properties"]["PolicyName"], values, maps),
        }
    except Undefined:
        with pytest.raises(TemplateError):
            expanded(document, given_parameters)
        return
    plan = expanded(document, given_parameters)
    assert plan.thing.name == wanted["name"]
    assert plan.thing.attributes == wanted["attributes"]
    assert plan.device_configuration == wanted["configuration"]
    by_document, by_name = plan.policies
    assert json.loads(by_document.document)["Statement"] == [wanted["statement"]]
    assert by_name.name == wanted["policy"]
    assert plan.certificate.certificate_id == "the-certificate"
    assert plan.certificate.status == resources["certificate"]["Properties"]["Status"].upper()
    usual = {capitals: name for name, capitals in SPELLINGS.items()}
    assert plan.thing.override_settings == {
        usual.get(name, name): value.upper() for name, value in resources["thing"]["OverrideSettings"].items()
    }


def expanded(document: dict[str, Any], parameters: dict[str, str]) -> Any:
    """A FindInMap with literal keys may be refused when the template is made, all else when it is used."""
    template = parse_template(json.dumps(document), "FLEET_PROVISIONING")
    return expand(template, parameters, {ID: "the-certificate"})


JOIN = {"Fn::Join": ["", ["a", "b"]]}


@pytest.mark.parametrize(
    "properties",
    [
        {"PolicyName": JOIN},
        {"PolicyName": {"Fn::Sub": ["${x}", {"x": JOIN}]}},
        {"PolicyDocument": {"Version": JOIN}},
        {"PolicyDocument": {"Statement": [{"Resource": [{"Fn::Select": [0, [JOIN]]}]}]}},
    ],
)
def test_nothing_joins_within_a_policy(properties):
    document = {"Resources": {"p": {"Type": "AWS::IoT::Policy", "Properties": properties}}}
    with pytest.raises(TemplateError, match="Fn::Join is not supported in policies"):
        parse_template(json.dumps(document), "FLEET_PROVISIONING")


@pytest.mark.parametrize("index, fine", [(0, True), ("1", True), (2, False), (99, False), ("2", False)])
def test_select_out_of_range_is_an_error_of_provisioning(index, fine):
    thing = {"Type": "AWS::IoT::Thing", "Properties": {"ThingName": {"Fn::Select": [index, ["a", "b"]]}}}
    template = parse_template(json.dumps({"Resources": {"t": thing}}), "FLEET_PROVISIONING")
    if fine:
        assert expand(template, {}, {}).thing.name == ["a", "b"][int(index)]
    else:
        with pytest.raises(TemplateError, match="out of range"):
            expand(template, {}, {})


@pytest.mark.parametrize("value", [None, 7])
def test_a_parameter_without_a_value_is_named(value):
    declared = {"Serial": {"Type": "String"}}
    thing = {"Type": "AWS::IoT::Thing", "Properties": {"ThingName": {"Ref": "Serial"}}}
    template = parse_template(
        json.dumps({"Parameters": declared, "Resources": {"t": thing}}), "FLEET_PROVISIONING"
    )
    with pytest.raises(TemplateError, match=r"Parameters\.Serial"):
        expand(template, {} if value is None else {"Serial": value}, {})
