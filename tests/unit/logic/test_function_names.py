import pytest

from sekisho.logic.function_names import FunctionName, parse_function, why_not_callable

ARN = "arn:aws:lambda:us-east-1:123456789012:function:"


@pytest.mark.parametrize(
    "text, found",
    [
        ("hook", FunctionName("hook")),
        ("hook:prod-1", FunctionName("hook", "prod-1")),
        ("hook:$LATEST", FunctionName("hook", "$LATEST")),
        (f"{ARN}hook", FunctionName("hook", "", "us-east-1", "123456789012")),
        (f"{ARN}hook:7", FunctionName("hook", "7", "us-east-1", "123456789012")),
        ("arn:aws-cn:lambda:cn-north-1:1:function:h", FunctionName("h", "", "cn-north-1", "1")),
    ],
)
def test_names(text, found):
    assert parse_function(text) == found


NONE = ["", ":", "a b", "a/b", "hook:", "hook:1:2", "x" * 65, "関所", ARN, f"{ARN}a:b:c", f"{ARN}a/b"]
OTHERS = ["arn:aws:lambda", *(ARN.replace(*other) for other in (("function", "layer"), ("lambda", "sns")))]


@pytest.mark.parametrize("text", [*NONE, *OTHERS])
def test_what_names_none(text):
    with pytest.raises(ValueError, match=r"names no function|is not the ARN of a function|is not an ARN"):
        parse_function(text)


def test_callable_is_what_is_in_the_same_place():
    assert why_not_callable(f"{ARN}hook", "us-east-1", "123456789012") is None
    assert "region eu-west-1" in why_not_callable(f"{ARN}hook", "eu-west-1", "123456789012")
    assert "account 1" in why_not_callable(f"{ARN}hook", "us-east-1", "1")
    assert "not an ARN" in why_not_callable("hook", "us-east-1", "123456789012")
