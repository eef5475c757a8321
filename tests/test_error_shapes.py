"""Every error shape of the models that a real operation can raise is raised by a test, or listed.

It can be judged only at the end of a run of all tests of the API, so otherwise it is left out (conftest.py).
"""

from __future__ import annotations

import answers
from sekisho.cli.operations import real_operations
from sekisho.operations import DEVICE_PLANE, MODULES, load_services
from unreached import EVERYWHERE, FAILING, UNREACHED

SERVICES = [name for name in MODULES if name not in (DEVICE_PLANE, "sekisho")]
"""AWS's that HTTP reaches."""


def modelled() -> set[tuple[str, str, str]]:
    found = set()
    loaded = load_services()
    for service in SERVICES:
        for name in real_operations()[service]:
            model = loaded[service].operations[name].model
            for shape in model.error_shapes:
                code = shape.metadata.get("error", {}).get("code", shape.name)
                if shape.name not in EVERYWHERE:
                    found.add((service, name, code))
    return found


def test_every_operation_has_succeeded_once():
    succeeded = {(service, operation) for service, operation, code in answers.SEEN if not code}
    real = {(service, name) for service in SERVICES for name in real_operations()[service]}
    assert sorted(real - succeeded) == sorted(FAILING)


def test_every_error_was_raised_or_is_listed():
    listed = {
        (service, operation, code)
        for service, operation, code in modelled()
        if (operation, code) in UNREACHED
    }
    assert sorted(modelled() - answers.SEEN - listed) == []


def test_nothing_is_listed_that_was_raised_after_all():
    raised = {(operation, code) for _, operation, code in answers.SEEN}
    assert sorted(set(UNREACHED) & raised) == []
    assert sorted(set(UNREACHED) - {(operation, code) for _, operation, code in modelled()}) == []
