import json

import pytest

from sekisho.logic.policy import MalformedPolicy, parse_policy

GOOD = {"Effect": "Allow", "Action": "iot:Publish", "Resource": "arn:aws:iot:r:1:topic/a"}


def document(**changes):
    statement = {key: value for key, value in (GOOD | changes).items() if value is not None}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def test_a_whole_document():
    policy = parse_policy(
        json.dumps(
            {
                "Version": "2012-10-17",
                "Id": "x",
                "Statement": [
                    GOOD | {"Sid": "One"},
                    {
                        "Effect": "Deny",
                        "NotAction": ["iot:Connect", "iot:Pub*"],
                        "NotResource": "*",
                        "Condition": {"Bool": {"iot:Connection.Thing.IsAttached": True}},
                    },
                ],
            }
        )
    )
    one, two = policy.statements
    assert (one.index, one.sid, one.effect, one.actions) == (0, "One", "Allow", ("iot:Publish",))
    assert (two.index, two.sid, two.effect) == (1, None, "Deny")
    assert two.not_actions == ("iot:Connect", "iot:Pub*")
    assert (two.resources, two.not_resources) == ((), ("*",))
    assert two.conditions[0].values[0].text == "true"


def test_a_single_statement_needs_no_list():
    assert len(parse_policy(json.dumps({"Statement": GOOD})).statements) == 1


def test_without_a_version_it_is_the_old_one():
    assert not parse_policy(json.dumps({"Statement": GOOD})).has_variables
    assert not parse_policy(json.dumps({"Version": "2008-10-17", "Statement": GOOD})).has_variables
    assert parse_policy(document()).has_variables


def test_equal_documents_are_equal_values():
    text = document(Condition={"StringLike": {"iot:ClientId": ["a*", "b"]}})
    assert parse_policy(text) == parse_policy(json.dumps(json.loads(text), indent=4))
    assert hash(parse_policy(text)) == hash(parse_policy(text))
    assert parse_policy(text) != parse_policy(document())


def test_size_counts_no_white_space():
    padding = "x" * (2048 - len("".join(document(Sid="").split())))
    exact = json.dumps(json.loads(document(Sid=padding)), indent=8)
    assert len(exact) > 2048
    parse_policy(exact)
    with pytest.raises(MalformedPolicy, match="2049 characters not counting white space, more than 2048"):
        parse_policy(document(Sid=padding + "x"))
    parse_policy(document(Sid=padding + "x"), max_chars=None)
    with pytest.raises(MalformedPolicy, match="more than 404600"):
        parse_policy(" " * 404_601, max_chars=None)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "the document is not JSON: Expecting value at line 1 column 1"),
        ('{"Version":\n "2012-10-17",}', "line 2 column"),
        ("[]", "expected a JSON object, not a list"),
        ('{"Statement": [], "Statement": []}', 'the key "Statement" is there twice'),
        ('{"Statement": NaN}', "NaN is not JSON"),
        ('{"Statement": ' + "[" * 5000, "nested too deeply"),
        ('{"Version": ' + "9" * 5000 + "}", "a number in it is too long"),
        ("{}", "the document has no Statement"),
        ('{"Statement": []}', "Statement is an empty list"),
        ('{"Statement": ["x"]}', "statement 0 must be an object, not a string"),
        ('{"statement": []}', 'unknown key "statement" (did you mean Statement?)'),
        ('{"Statement": [], "Extra": 1}', 'unknown key "Extra"; known are Version, Id, Statement'),
        (
            '{"Version": "2012-10-18", "Statement": []}',
            'Version must be 2012-10-17 or 2008-10-17, not "2012-10-18"',
        ),
        ('{"Version": 20121017, "Statement": []}', "Version must be 2012-10-17 or 2008-10-17, not a number"),
        ('{"Id": 1, "Statement": []}', "Id must be a string"),
        (document(Effect=None), "statement 0 has no Effect"),
        (document(Effect="allow"), 'Effect must be Allow or Deny, not "allow"'),
        (document(Effect=["Allow"]), "Effect must be Allow or Deny, not a list"),
        (document(Action=None), "statement 0 has no Action"),
        (document(Action=[]), "statement 0: Action is an empty list"),
        (document(Action=""), "statement 0: Action is an empty string"),
        (document(Action=[1]), "Action must be a string or a list of strings, not a number"),
        (document(Action="Publish"), '"Publish" is not an action'),
        (document(Action="iot:Pub lish"), '"iot:Pub lish" is not an action'),
        (document(NotAction="iot:*"), "statement 0 has both Action and NotAction"),
        (document(Resource=None), "statement 0 has no Resource"),
        (document(NotResource="*"), "statement 0 has both Resource and NotResource"),
        (document(Resource="topic/a"), '"topic/a" is neither an ARN'),
        (document(Sid=1), "Sid must be a string"),
        (document(Principal="*"), 'statement 0 has the unknown key "Principal"'),
        (document(action="x"), "did you mean Action?"),
        (document(Condition=[]), "Condition must be an object, not a list"),
        (document(Condition={"StringEquals": []}), '"StringEquals" must hold an object'),
        (document(Condition={"StringEquals": {}}), '"StringEquals" has no key'),
        (document(Condition={"StringEquals": {"a": []}}), "is an empty list"),
        (
            document(Condition={"StringEquals": {"a": {}}}),
            "must be strings, numbers or booleans, not an object",
        ),
        (document(Condition={"StringEquals": {"": "a"}}), '"StringEquals" has an empty key'),
        (document(Condition={"StringMatches": {"a": "b"}}), 'unknown condition operator "StringMatches"'),
        (document(Condition={"stringequals": {"a": "b"}}), "did you mean StringEquals?"),
        (document(Condition={"ForSome:StringEquals": {"a": "b"}}), 'unknown condition operator "ForSome:'),
        (document(Condition={"NullIfExists": {"a": "true"}}), "Null takes no prefix"),
        (document(Condition={"Bool": {"a": "yes"}}), 'Bool cannot compare "yes"'),
        (document(Condition={"NumericLessThan": {"a": "ten"}}), 'NumericLessThan cannot compare "ten"'),
        (document(Condition={"DateLessThan": {"a": "soon"}}), 'DateLessThan cannot compare "soon"'),
        (document(Condition={"IpAddress": {"a": "10.0.0.0/33"}}), 'IpAddress cannot compare "10.0.0.0/33"'),
        (json.dumps({"Statement": [GOOD | {"Sid": "a"}] * 2}), 'statement 1: the Sid "a" is there twice'),
    ],
)
def test_what_is_wrong_is_named(text, words):
    with pytest.raises(MalformedPolicy) as caught:
        parse_policy(text, max_chars=None)
    assert words in str(caught.value)
