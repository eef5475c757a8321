"""Fixtures for every room's tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

import servers

settings.register_profile("unhurried", deadline=None)  # a busy machine is no mistake of the program
settings.load_profile("unhurried")


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[servers.PostgresServer]:
    """One PostgreSQL server for the whole run; each test makes a database of its own in it."""
    with servers.postgres() as server:
        yield server


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """A database file that does not exist yet, in a folder that does not exist yet."""
    return f"sqlite:{tmp_path / 'home' / 'sekisho.db'}"


@pytest.fixture
def postgres_url(postgres_server: servers.PostgresServer) -> Iterator[str]:
    """An empty database."""
    name = postgres_server.create_database()
    yield postgres_server.url(name)
    postgres_server.drop_database(name)


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """An empty database of each kind in turn."""
    url: str = request.getfixturevalue("sqlite_url" if request.param == "sqlite" else "postgres_url")
    return url


WHOLE = Path(__file__).parent / "api"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what is judged at the end of a run of all tests of the API, when this is none."""
    run = {item.path for item in items}
    if not set(WHOLE.glob("test_*.py")) <= run or config.option.keyword:
        left_out = [item for item in items if item.path.name == "test_error_shapes.py"]
        items[:] = [item for item in items if item not in left_out]
        config.hook.pytest_deselected(items=left_out)
