"""Fixtures of the tests that every implementation must pass."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from contract.stores import Body, on_store


@pytest.fixture
def run(database_url: str) -> Callable[[Body], None]:
    """Runs a test's body with an empty database of each kind in turn."""
    return lambda body: on_store(database_url, body)
