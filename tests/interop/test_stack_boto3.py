"""A whole stack by boto3, as infrastructure tools build, read, change and tear it down."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from api.conftest import placed
from interop.authorizing import SETTINGS
from interop.stack import STAYING, Refused, Stack
from interop.stack_services import STACK

THREADS = 16


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def place(request, tmp_path_factory):
    with placed(request, tmp_path_factory.mktemp("stack") / "node", *SETTINGS) as place:
        yield place


@pytest.fixture
def stack(place):
    clients = {service: place.node.client(service) for service in ("iot", "iam", "acm", "sekisho")}

    def call(service, operation, members):
        try:
            return getattr(clients[service], operation)(**members)
        except ClientError as error:
            raise Refused(error.response["Error"]["Code"]) from error

    return Stack(call)


def rows(place):
    """Resources with their tags, and links."""
    resources = place.sql("SELECT account, region, kind, id FROM resource")
    links = place.sql("SELECT account, region, kind, source, target FROM link")
    return {*resources, *links}


def counts(place):
    tables = ("retained", "session", "connection", "index_document", "index_term", "index_field")
    return {table: place.sql(f"SELECT COUNT(*) FROM {table}") for table in tables}


@pytest.mark.timeout(300)
@pytest.mark.parametrize("round", [1, 2])
def test_build_apply_again_change_and_tear_down(place, stack, round):
    before, counted = rows(place), counts(place)
    for part in STACK:
        stack.build(part)
    for part in STACK:
        stack.again(part)
    for part in STACK:
        stack.shows(part, part.shows)
    for part in STACK:
        stack.change(part)
    for part in STACK:
        stack.holds(part)
    stack.tear_down(STACK, THREADS)
    place.node.client("sekisho").set_clock(reset=True)
    assert [part.name for part in STACK if not stack.is_gone(part)] == []
    left = rows(place) ^ before
    assert {row[2] for row in left} <= STAYING
    assert counts(place) == counted
