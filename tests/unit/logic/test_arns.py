import pytest

from sekisho.logic import arns


@pytest.mark.parametrize(
    ("kind", "name", "expected"),
    [
        ("thing", "t1", "arn:aws:iot:eu-west-1:111122223333:thing/t1"),
        ("thingtype", "T", "arn:aws:iot:eu-west-1:111122223333:thingtype/T"),
        ("thinggroup", "g", "arn:aws:iot:eu-west-1:111122223333:thinggroup/g"),
        ("policy", "p", "arn:aws:iot:eu-west-1:111122223333:policy/p"),
        ("cert", "00", "arn:aws:iot:eu-west-1:111122223333:cert/00"),
        ("cacert", "00", "arn:aws:iot:eu-west-1:111122223333:cacert/00"),
        ("provisioningtemplate", "x", "arn:aws:iot:eu-west-1:111122223333:provisioningtemplate/x"),
        ("rolealias", "r", "arn:aws:iot:eu-west-1:111122223333:rolealias/r"),
        ("client", "c", "arn:aws:iot:eu-west-1:111122223333:client/c"),
        ("topic", "a/b", "arn:aws:iot:eu-west-1:111122223333:topic/a/b"),
        ("topicfilter", "a/+", "arn:aws:iot:eu-west-1:111122223333:topicfilter/a/+"),
    ],
)
def test_each_kind_has_its_form(kind, name, expected):
    assert arns.arn("eu-west-1", "111122223333", kind, name) == expected
    parsed = arns.parse_arn(expected)
    assert str(parsed) == expected
    assert arns.kind_and_name(parsed.resource) == (kind, name)


def test_partitions_follow_the_region():
    assert arns.iot_arn("cn-north-1", "1", "thing/t").startswith("arn:aws-cn:iot:cn-north-1:")
    assert arns.iot_arn("us-gov-west-1", "1", "thing/t").startswith("arn:aws-us-gov:")


def test_a_resource_keeps_its_colons():
    assert arns.parse_arn("arn:aws:iot:r:1:thing/a:b:c").resource == "thing/a:b:c"


def test_region_and_account_may_be_empty():
    assert arns.parse_arn("arn:aws:s3:::bucket/key") == ("aws", "s3", "", "", "bucket/key")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", 'does not begin with "arn:"'),
        ("thing/t", 'does not begin with "arn:"'),
        ("arn:aws:iot", "the region part is missing"),
        ("arn:aws:iot:r:1", "the resource part is missing"),
        ("arn::iot:r:1:thing/t", "the partition part is empty"),
        ("arn:aws:iot:r:1:", "the resource part is empty"),
    ],
)
def test_what_is_no_arn_says_why(text, words):
    with pytest.raises(ValueError, match="is not an ARN") as caught:
        arns.parse_arn(text)
    assert words in str(caught.value)


def test_an_unknown_kind_is_an_error():
    with pytest.raises(KeyError):
        arns.arn("r", "1", "spaceship", "x")
