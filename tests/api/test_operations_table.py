"""The table of operations is true: every operation of every model is called on a running node."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from api.making import NOT_IMPLEMENTED
from api.raw import Answer, call
from sekisho.cli.operations import operations_table, real_operations
from sekisho.operations import DEVICE_PLANE, MODULES, load_services

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "operations.md"
SERVICES = load_services()
OVER_HTTP = [name for name in MODULES if name != DEVICE_PLANE]


def ask(node, service: str, operation) -> Answer:
    """A request for the operation with nonsense for its labels and nothing in its body."""
    if SERVICES[service].protocol == "query":
        version = SERVICES[service].model.api_version
        body = f"Action={operation.name}&Version={version}".encode()
        headers = {"content-type": "application/x-www-form-urlencoded"}
        return call(node, "POST", "/", body, service=service, headers=headers)
    if SERVICES[service].protocol == "json":
        target = f"{SERVICES[service].model.metadata['targetPrefix']}.{operation.name}"
        headers = {"x-amz-target": target, "content-type": "application/x-amz-json-1.1"}
        return call(node, "POST", "/", b"{}", service=service, headers=headers)
    http = operation.model.http
    target = re.sub(r"\{[^}]+\}", "-", http["requestUri"])
    return call(node, http["method"], target, service=SERVICES[service].signing_name)


def test_the_committed_table_is_the_generated_one():
    assert DOCUMENT.read_text().strip() == operations_table(), "run: make docs"


def test_the_command_prints_it(capsys):
    from typer.testing import CliRunner

    from sekisho.cli.commands import app

    answer = CliRunner().invoke(app, ["operations"])
    assert answer.exit_code == 0
    assert answer.stdout.strip() == operations_table()


def test_every_real_operation_that_http_reaches_has_a_test():
    rows = re.findall(r"^\| (\w+) \| *(.*?) *\|$", operations_table(), re.MULTILINE)
    assert len(rows) >= sum(len(real_operations()[name]) for name in OVER_HTTP)
    assert [operation for operation, proof in rows if not proof] == []


@pytest.mark.parametrize("service", OVER_HTTP)
def test_what_is_in_the_table_is_real_and_nothing_else_is(node, service):
    real = real_operations()[service]
    wrong = []
    for operation in SERVICES[service].operations.values():
        answer = ask(node, service, operation)
        text = answer.body.decode()
        refused = answer.status == 501 and NOT_IMPLEMENTED in text + answer.code and operation.name in text
        if operation.name in real:
            if answer.status in (403, 500, 501, 503) or answer.code == "UnknownOperationException":
                wrong.append((operation.name, answer.status, text))
        elif not refused:
            wrong.append((operation.name, answer.status, text))
    assert wrong == []


def test_env_leads_the_clients_of_every_service_to_the_node(node):
    environment = node.environment()
    for service in OVER_HTTP:
        words = SERVICES[service].model.service_id.replace(" ", "_").upper()
        assert environment.get(f"AWS_ENDPOINT_URL_{words}") == f"https://{node.endpoints['https']}", service


def test_the_device_plane_is_not_reached_over_http(node):
    for operation in SERVICES[DEVICE_PLANE].operations.values():
        target = re.sub(r"\{[^}]+\}", "-", operation.model.http["requestUri"])
        answer = call(node, operation.model.http["method"], target, service=DEVICE_PLANE)
        assert (answer.status, answer.code) == (404, "UnknownOperationException")
