"""One node for all of these tests, on SQLite, and devices on it."""

from __future__ import annotations

import pytest

from interop.authorizing import SETTINGS as AUTHORIZING
from interop.claiming import claim as claim
from interop.claiming import newcomer as newcomer
from interop.claiming import templates as templates
from interop.devices import ANYTHING, Factory
from nodes import running


@pytest.fixture(scope="session")
def node(tmp_path_factory):
    with running(tmp_path_factory.mktemp("interop") / "node") as node:
        yield node


@pytest.fixture(scope="session")
def gate(tmp_path_factory):
    """A node with a function for authorizers, which may ask for shorter times than AWS lets them."""
    settings = (*AUTHORIZING, "custom_auth.shortest_seconds=1", "log.level=debug")
    with running(tmp_path_factory.mktemp("interop") / "gate", *settings) as node:
        yield node


@pytest.fixture(scope="session")
def iot(node):
    return node.client("iot")


@pytest.fixture(scope="session")
def iot_data(node):
    return node.client("iot-data")


@pytest.fixture(scope="session")
def own(node):
    """The node's own service: refusals and the civil clock."""
    return node.client("sekisho")


@pytest.fixture(scope="session")
def device(node, iot, tmp_path_factory):
    """Makes a device: certificate, thing, and a policy for no more than its own topics."""
    return Factory(node, iot, tmp_path_factory.mktemp("devices"))


@pytest.fixture(scope="session")
def anything(device):
    """A device that may do anything."""
    return device("anything", statements=ANYTHING)


@pytest.fixture
def observer(anything, request):
    """A connection that has subscribed to nothing yet and may see everything."""
    with anything.online(f"observer-{request.node.name}"[:100]) as wire:
        yield wire


@pytest.fixture(params=[4, 5], ids=["3.1.1", "5"])
def version(request):
    """The protocol level of MQTT."""
    return request.param


@pytest.fixture
def name(request):
    """A client id and topic of the test's own."""
    return request.node.name.translate(str.maketrans("[]", "--"))[:100]
