"""The table of what works, made from the node's own bindings."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sekisho.operations import DEVICE_PLANE, MODULES, load_services
from sekisho.services.api import Api

TESTS = Path(__file__).resolve().parents[3] / "tests" / "api"
"""Where the tests are in a checkout; an installed package has none, and its table no second column."""

CLIENTS = {
    "iot": "iot",
    "data": "iot-data",
    "iam": "iam",
    "sts": "sts",
    "acm": "acm",
    "own": "sekisho",
    "turned": "sekisho",
}
"""What the tests call their clients, and the services of these."""

REST = {
    DEVICE_PLANE: "Over MQTT, on the reserved topics of fleet provisioning.",
    "sekisho": "The node's own service, beyond AWS.",
}
"""What is said of a service whose model is the project's own; of the others, what the rest of it answers."""


def real_operations() -> dict[str, list[str]]:
    """Service → the operations that are real, sorted; a service may have none yet."""
    nothing: Any = None
    services = load_services()
    api = Api(nothing, services, MODULES)
    return {
        name: sorted(operation for operation in service.operations if api.is_real(name, operation))
        for name, service in services.items()
    }


def operations_table() -> str:
    """Every real operation in Markdown, and in a checkout the test file that uses it most."""
    proofs = _proofs() if TESTS.is_dir() else None
    parts = [
        "# Operations",
        "What this node does, by service. This page is generated (`make docs`), and a test calls every "
        "operation of these models against a running node to hold it to the truth.",
    ]
    python_names = {
        (name, operation.name): operation.python_name
        for name, service in load_services().items()
        for operation in service.operations.values()
    }
    for name, operations in real_operations().items():
        parts.append(f"## {name}")
        over_http = proofs is not None and name != DEVICE_PLANE
        if operations:
            parts.append("\n".join(_head(over_http)))
        for operation in operations:
            proof = (proofs or {}).get((name, python_names[name, operation]), "")
            parts[-1] += f"\n| {operation} | {proof} |" if over_http else f"\n| {operation} |"
        every = "Every other" if operations else "Every"
        parts.append(REST.get(name, f"{every} operation of botocore's model answers 501 with its name."))
    return "\n\n".join(parts)


def _head(with_proof: bool) -> list[str]:
    return ["| operation | tested in |", "|---|---|"] if with_proof else ["| operation |", "|---|"]


def _proofs() -> dict[tuple[str, str], str]:
    """(Service, method of its client) → the file where most tests use it, of equals the narrowest."""
    tests: dict[tuple[str, str], Counter[str]] = {}
    breadth: Counter[str] = Counter()
    for file in sorted(TESTS.glob("test_*.py")):
        uses: Counter[tuple[str, str]] = Counter()
        for function in ast.walk(ast.parse(file.read_text())):
            if isinstance(function, ast.FunctionDef) and function.name.startswith("test_"):
                uses.update(set(_used(function)))
        breadth[file.name] = len(uses)
        for used, count in uses.items():
            tests.setdefault(used, Counter())[file.name] = count

    def rank(found: tuple[str, int]) -> tuple[int, int, str]:
        name, count = found
        return -count, breadth[name], name

    return {used: f"tests/api/{min(files.items(), key=rank)[0]}" for used, files in tests.items()}


def _used(function: ast.FunctionDef) -> Iterator[tuple[str, str]]:
    """The methods of clients that a function's body names: ``iot.list_things``, ``f(iot, "list_things")``."""
    for node in ast.walk(function):
        match node:
            case ast.Attribute(value=ast.Name(id=client), attr=method) if client in CLIENTS:
                yield CLIENTS[client], method
            case ast.Call(args=[ast.Name(id=client), ast.Constant(value=str(method)), *_]) if (
                client in CLIENTS
            ):
                yield CLIENTS[client], method
