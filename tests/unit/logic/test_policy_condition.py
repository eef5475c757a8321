import pytest

from sekisho.logic.policy_condition import OPERATORS, holds, parse_condition
from sekisho.logic.policy_match import find_value, fold_name


def check(operator, values, given, key="k"):
    folded = {fold_name(name): value for name, value in given.items()}
    condition = parse_condition(operator, key, values, variables=True)
    return holds(condition, lambda name: find_value(folded, fold_name(name)))


# IAM User Guide, "Policy elements: Condition operators" and "Multivalued context keys".
@pytest.mark.parametrize(
    ("operator", "values", "given", "expected"),
    [
        ("StringEquals", ["a"], {"k": "a"}, True),
        ("StringEquals", ["a"], {"K": "a"}, True),
        ("StringEquals", ["a", "b"], {"k": "b"}, True),
        ("StringEquals", ["a"], {"k": "A"}, False),
        ("StringEquals", ["a*"], {"k": "ab"}, False),
        ("StringEquals", ["a*"], {"k": "a*"}, True),
        ("StringEquals", ["a"], {}, False),
        ("StringNotEquals", ["a"], {"k": "b"}, True),
        ("StringNotEquals", ["a", "b"], {"k": "b"}, False),
        ("StringNotEquals", ["a"], {}, True),
        ("StringEqualsIgnoreCase", ["aB"], {"k": "Ab"}, True),
        ("StringNotEqualsIgnoreCase", ["aB"], {"k": "Ab"}, False),
        ("StringLike", ["a*c?"], {"k": "abbcd"}, True),
        ("StringLike", ["a"], {"k": "ab"}, False),
        ("StringNotLike", ["a*"], {"k": "b"}, True),
        ("StringLike", ["${v}/*"], {"k": "x/y", "v": "x"}, True),
        ("StringLike", ["${v}"], {"k": "xy", "v": "*"}, False),
        ("StringEquals", ["${v}"], {"k": "x"}, False),
        ("StringNotEquals", ["${v}"], {"k": "x"}, True),
        ("StringEquals", ["${v, 'x'}"], {"k": "x"}, True),
        ("StringEqualsIfExists", ["a"], {}, True),
        ("StringEqualsIfExists", ["a"], {"k": "b"}, False),
        ("Null", ["true"], {}, True),
        ("Null", ["true"], {"k": "a"}, False),
        ("Null", ["false"], {"k": "a"}, True),
        ("Null", ["false"], {}, False),
        ("Bool", ["true"], {"k": "true"}, True),
        ("Bool", ["True"], {"k": "true"}, True),
        ("Bool", ["true"], {"k": "false"}, False),
        ("Bool", ["true"], {}, False),
        ("NumericEquals", ["10"], {"k": "10.0"}, True),
        ("NumericLessThan", ["10"], {"k": "9"}, True),
        ("NumericLessThan", ["10"], {"k": "10"}, False),
        ("NumericLessThanEquals", ["10"], {"k": "10"}, True),
        ("NumericGreaterThan", ["1e1"], {"k": "11"}, True),
        ("NumericGreaterThanEquals", ["10"], {"k": "9.99"}, False),
        ("NumericNotEquals", ["10"], {"k": "11"}, True),
        ("NumericEquals", ["10"], {"k": "ten"}, False),
        ("DateGreaterThan", ["2020-01-01T00:00:00Z"], {"k": "1600000000"}, True),
        ("DateLessThan", ["2020-01-01"], {"k": "2019-12-31T23:59:59+00:00"}, True),
        ("DateLessThan", ["2020-01"], {"k": "2020-01-01T00:00:00Z"}, False),
        ("DateLessThanEquals", ["2020"], {"k": "2020-01-01T00:00:00Z"}, True),
        ("DateEquals", ["2020-01-01T01:00:00+01:00"], {"k": "2020-01-01T00:00:00Z"}, True),
        ("IpAddress", ["203.0.113.0/24"], {"k": "203.0.113.7"}, True),
        ("IpAddress", ["203.0.113.0/24", "10.0.0.1"], {"k": "10.0.0.1"}, True),
        ("IpAddress", ["203.0.113.0/24"], {"k": "203.0.114.7"}, False),
        ("IpAddress", ["203.0.113.0/24"], {"k": "::ffff:203.0.113.7"}, True),
        ("IpAddress", ["2001:db8::/32"], {"k": "2001:db8::1"}, True),
        ("IpAddress", ["203.0.113.0/24"], {"k": "nonsense"}, False),
        ("NotIpAddress", ["203.0.113.0/24"], {"k": "10.0.0.1"}, True),
        ("NotIpAddress", ["203.0.113.0/24"], {"k": "203.0.113.1"}, False),
        ("ArnEquals", ["arn:aws:iot:*:1:thing/*"], {"k": "arn:aws:iot:r:1:thing/a:b"}, True),
        ("ArnLike", ["arn:aws:iot:*:thing/a"], {"k": "arn:aws:iot:r:1:thing/a"}, False),
        ("ArnLike", ["arn:aws:iot:r:1:thing/?"], {"k": "arn:aws:iot:r:1:thing/a"}, True),
        ("ArnNotLike", ["arn:aws:iot:r:1:*"], {"k": "arn:aws:iot:r:2:thing/a"}, True),
        ("ArnNotEquals", ["arn:aws:iot:r:1:*"], {"k": "arn:aws:iot:r:1:thing/a"}, False),
        ("BinaryEquals", ["QmluYXJ5"], {"k": "QmluYXJ5"}, True),
        ("ForAllValues:StringEquals", ["a", "b"], {"k": ["a", "b", "a"]}, True),
        ("ForAllValues:StringEquals", ["a", "b"], {"k": ["a", "c"]}, False),
        ("ForAllValues:StringEquals", ["a"], {}, True),
        ("ForAllValues:StringEquals", ["a"], {"k": []}, True),
        ("ForAnyValue:StringEquals", ["a", "b"], {"k": ["c", "b"]}, True),
        ("ForAnyValue:StringEquals", ["a"], {"k": ["c"]}, False),
        ("ForAnyValue:StringEquals", ["a"], {}, False),
        ("ForAnyValue:StringEqualsIfExists", ["a"], {}, True),
        ("ForAnyValue:StringNotEquals", ["a"], {}, False),
        ("ForAnyValue:StringNotEquals", ["a"], {"k": ["a", "b"]}, True),
        # "Deny a single policy condition value for a multivalued context key": the guide's own table.
        ("ForAllValues:StringNotLike", ["key1*"], {"k": ["key1:legal"]}, False),
        ("ForAllValues:StringNotLike", ["key1*"], {"k": ["key1:hr", "key1:personnel"]}, False),
        ("ForAllValues:StringNotLike", ["key1*"], {"k": ["key2:audit"]}, True),
        ("ForAllValues:StringNotLike", ["key1*"], {}, True),
    ],
)
def test_operators(operator, values, given, expected):
    assert check(operator, values, given) is expected


def test_lists_of_a_certificate():
    given = {"iot:Certificate.Subject.OrganizationalUnit": ["a", "b"]}
    key = "iot:Certificate.Subject.OrganizationalUnit.List"
    assert check("ForAnyValue:StringEquals", ["b"], given, key)
    assert check("StringEquals", ["b"], given, "iot:Certificate.Subject.OrganizationalUnit.1")


@pytest.mark.parametrize("operator", sorted(OPERATORS))
def test_every_operator_survives_any_value(operator):
    value = "true" if operator in ("Bool", "Null") else "10.0.0.1" if "Ip" in operator else "2020"
    for given in ("", "\ud800", "9" * 5000, "1e999", "nan", "0001-01-01T00:00:00+14:00", "::", "a:b:c:d:e:f"):
        assert check(operator, [value], {"k": given}) in (True, False)
