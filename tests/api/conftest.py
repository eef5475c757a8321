"""One node per database for all of these tests; what a test makes has names of its own."""

from __future__ import annotations

import contextlib
import itertools
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from api.authorities import account_client
from api.making import Certificate, certificate
from interop.devices import Factory
from nodes import Node, running

NUMBERS = itertools.count(1)

FUNCTIONS = [f"functions.{name}=users_functions:{name}" for name in ("hook", "sign", "answer", "authorize")]
OTHER_ACCOUNTS = "111122223333", "444455556666"

"""What users would write: `users_functions.py`."""


class Place(NamedTuple):
    """A node that runs, and its database read from outside; every value comes as text."""

    node: Node
    sql: Callable[[str], list[tuple[str, ...]]]


def read_sqlite(path: str, text: str) -> list[tuple[str, ...]]:
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        return [tuple(map(str, row)) for row in connection.execute(text)]


@contextlib.contextmanager
def placed(request: pytest.FixtureRequest, data: Path, *settings: str) -> Iterator[Place]:
    """A node on the database that the fixture's parameter names."""
    chosen = ["log.level=debug", f"functions.path={Path(__file__).parent}", *FUNCTIONS, *settings]
    if request.param == "sqlite":

        def sql(text: str) -> list[tuple[str, ...]]:
            return read_sqlite(str(data / "sekisho.db"), text)
    else:
        server = request.getfixturevalue("postgres_server")
        database = server.create_database()
        chosen.append(f"database={server.url(database)}")

        def sql(text: str) -> list[tuple[str, ...]]:
            return [tuple(line.split("|")) for line in server.sql(text, database).splitlines()]

    with running(data, *chosen) as node:
        yield Place(node, sql)
        assert node.stop() == 0, node.log
        own = [line for line in node.log.splitlines() if "function=" not in line]
        assert "Traceback" not in "".join(own)


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with placed(request, tmp_path_factory.mktemp(request.param) / "node") as place:
        yield place


@pytest.fixture(scope="session")
def node(place: Place) -> Node:
    return place.node


@pytest.fixture(scope="session")
def sql(place: Place):
    """Runs a SELECT in the node's database and gives its rows as tuples of text."""
    return place.sql


@pytest.fixture(scope="session")
def iot(node: Node):
    return node.client("iot")


@pytest.fixture(scope="session")
def data(node: Node):
    return node.client("iot-data")


@pytest.fixture(scope="session")
def factory(node: Node, iot, tmp_path_factory: pytest.TempPathFactory) -> Factory:
    """Makes devices."""
    return Factory(node, iot, tmp_path_factory.mktemp("devices"))


@pytest.fixture(scope="session")
def sts(node: Node):
    return node.client("sts")


@pytest.fixture(scope="session")
def acm(node: Node):
    return node.client("acm")


@pytest.fixture(scope="session")
def iam(node: Node):
    return node.client("iam")


@pytest.fixture(scope="session")
def own(node: Node):
    """The node's own service: the civil clock, refusals."""
    return node.client("sekisho")


@pytest.fixture(scope="session")
def other_accounts(node: Node):
    """Clients of the roots of `OTHER_ACCOUNTS`, by account."""
    return {account: account_client(node, account) for account in OTHER_ACCOUNTS}


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """A name that no other test uses, short enough for a template's."""
    words = "".join(c if c.isascii() and c.isalnum() else "-" for c in request.function.__name__[5:])
    return f"{words[:24].strip('-')}-{next(NUMBERS)}"


@pytest.fixture
def cert(iot) -> Certificate:
    """A certificate that is ACTIVE and has nothing attached."""
    return certificate(iot)


@pytest.fixture
def turned(own):
    """The civil clock, to be turned; it is set back afterwards."""
    own.set_clock(frozen=True)
    yield own
    own.set_clock(reset=True)
