"""What every kind of function does: one object in, one object out. One body, every implementation."""

from __future__ import annotations

import asyncio
import time

import pytest

from contract.function_kinds import ARN, closing, endpoint, refused, run
from contract.function_kinds import folder as folder
from contract.function_kinds import lambda_server as lambda_server
from contract.function_kinds import make as make
from sekisho.aws.errors import InvalidSignatureException
from sekisho.aws.request import Request
from sekisho.aws.sigv4 import credential_of, verify
from sekisho.functions.chosen import choose
from sekisho.functions.endpoint import EndpointFunctions
from sekisho.functions.interface import MOST


@pytest.mark.parametrize("name", ["echo", f"{ARN}echo", f"{ARN}echo:prod", "echo:1"])
def test_an_object_goes_in_and_one_comes_out(make, name):
    async def body():
        event = {"text": "関所", "list": [1, None, 2.5], "empty": {}}
        async with make() as functions:
            assert await functions.invoke(name, event) == {"heard": event}
            assert await functions.invoke(name, {}) == {"heard": {}}

    run(body())


@pytest.mark.parametrize(
    "name, words",
    [
        ("wrong", "function wrong"),
        ("nothing", "answered null, not a JSON object"),
        ("unsayable", "unsayable"),
        ("elsewhere", "there is no function elsewhere"),
        ("a/b", "names no function"),
        ("arn:aws:sns:us-east-1:000000000000:topic", "not the ARN of a function"),
        (f"{ARN}echo:1:2", "names no function"),
    ],
)
def test_what_fails_is_told_and_harms_no_other_call(make, name, words):
    async def body():
        async with make() as functions:
            told = await refused(functions, name, {"token": "hidden"})
            assert words in told
            assert "secret" not in told
            assert "hidden" not in told
            assert await functions.invoke("echo", {"a": 1}) == {"heard": {"a": 1}}

    run(body())


def test_what_is_too_long_is_told_in_both_directions(make):
    async def body():
        async with make() as functions:
            assert "bytes" in await refused(functions, "echo", {"a": "x" * MOST})
            await refused(functions, "long", {"size": MOST})
            assert len((await functions.invoke("long", {"size": MOST - 100}))["a"]) == MOST - 100

    run(body())


def test_one_that_hangs_is_given_up_and_others_go_on(make):
    async def body():
        async with make() as functions:
            hanging = asyncio.create_task(refused(functions, "hangs", {}))
            for number in range(5):
                assert await functions.invoke("echo", {"n": number}) == {"heard": {"n": number}}
            assert not hanging.done()
            assert "did not answer within 5 s" in await hanging

    run(body())


def test_one_that_dies_fails_its_own_call_only(make):
    async def body():
        async with make() as functions:
            await refused(functions, "dies", {})
            assert await functions.invoke("dies", {"die": False}) == {"alive": True}

    run(body())


def test_calls_beyond_the_queue_are_refused_at_once(make):
    async def body():
        async with make(at_once=1, waiting=1) as functions:
            first = asyncio.create_task(refused(functions, "hangs", {}))
            second = asyncio.create_task(refused(functions, "hangs", {}))
            await asyncio.sleep(0.1)
            assert "waiting already" in await refused(functions, "hangs", {})
            assert not first.done()
            await asyncio.gather(first, second)

    run(body())


def test_many_at_once_are_all_answered_each_with_its_own(make):
    async def body():
        async with make() as functions:
            answers = await asyncio.gather(*(functions.invoke("echo", {"n": n}) for n in range(50)))
            assert answers == [{"heard": {"n": n}} for n in range(50)]

    run(body())


# --- the endpoint ------------------------------------------------------------------------------------------


def test_requests_are_as_lambda_wants_them(lambda_server):
    async def body():
        async with closing(endpoint(lambda_server, "AKIDEXAMPLE", "secret")) as functions:
            await functions.invoke(f"{ARN}echo:prod", {"a": 1})
        async with closing(endpoint(lambda_server)) as functions:
            await functions.invoke("echo", {"a": 1})

    run(body())
    (path, signed, raw), (plain, unsigned, _) = lambda_server.seen[-2:]
    assert path == "/2015-03-31/functions/echo/invocations?Qualifier=prod"
    assert plain == "/2015-03-31/functions/echo/invocations"
    assert signed["X-Amz-Invocation-Type"] == "RequestResponse"
    assert signed["Authorization"].startswith("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/")
    assert "/us-east-1/lambda/aws4_request" in signed["Authorization"]
    assert "Authorization" not in unsigned
    # As the node itself judges who signs what it is sent.
    headers = {name.lower(): value for name, value in signed.items()}
    request = Request("POST", *path.split("?"), headers, raw)
    verify(request, credential_of(request), "secret", time.time())
    with pytest.raises(InvalidSignatureException):
        verify(request, credential_of(request), "another secret", time.time())


def test_an_endpoint_where_nobody_is():
    async def body():
        functions = EndpointFunctions("http://127.0.0.1:1", "us-east-1", "", "", 2, 2)
        assert "cannot be used: ConnectionRefusedError" in await refused(functions, "echo", {})

    run(body())


# --- the choice --------------------------------------------------------------------------------------------


def test_what_is_not_named_is_asked_for_at_the_endpoint(folder, lambda_server):
    settings = {
        "path": str(folder),
        "endpoint": f"http://127.0.0.1:{lambda_server.server_address[1]}",
        "access_key": "",
        "secret_key": "",
        "concurrency": 2,
        "waiting": 2,
        "memory": 0,
    }

    async def body():
        async with closing(choose(settings, {"pid": "users_own:pid"}, "us-east-1")) as functions:
            assert set(await functions.invoke("pid", {})) == {"pid"}
            assert await functions.invoke("echo", {}) == {"heard": {}}
        async with closing(choose(settings | {"endpoint": ""}, {}, "us-east-1")) as functions:
            assert "there is no function echo" in await refused(functions, "echo", {})

    run(body())
