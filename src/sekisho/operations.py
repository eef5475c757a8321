"""Which services a node serves, and which files have their operations."""

from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType

from sekisho.aws.service import Service
from sekisho.services import (
    accounts,
    assume_role,
    broker_view,
    ca_certificates,
    caller_identity,
    certificate_providers,
    certificate_registration,
    certificate_transfer,
    certificates,
    connections,
    connectivity,
    encryption_configuration,
    endpoints,
    first_connect,
    fleet_provisioning,
    iam_attachments,
    iam_policies,
    iam_roles,
    iam_users,
    imported_lists,
    index_aggregations,
    index_search,
    indexing,
    messages,
    node,
    package_configuration,
    package_sboms,
    package_versions,
    packages,
    policies,
    policy_attachments,
    provisioning_claims,
    provisioning_templates,
    registration,
    registration_lines,
    registration_tasks,
    renewals,
    role_aliases,
    shared_certificates,
    tags,
    thing_principals,
    thing_types,
    things,
    topic_triggers,
    validity,
)

MODULES: dict[str, Sequence[ModuleType]] = {
    "iot": (
        ca_certificates,
        certificate_providers,
        certificate_registration,
        certificate_transfer,
        certificates,
        connectivity,
        encryption_configuration,
        endpoints,
        index_aggregations,
        index_search,
        indexing,
        package_configuration,
        package_sboms,
        package_versions,
        packages,
        policies,
        policy_attachments,
        provisioning_claims,
        provisioning_templates,
        registration,
        registration_tasks,
        role_aliases,
        tags,
        thing_principals,
        thing_types,
        things,
    ),
    "iot-data": (messages, connections),
    "iot-jobs-data": (),
    "iam": (iam_roles, iam_policies, iam_attachments, iam_users),
    "sts": (caller_identity, assume_role),
    "iotidentity": (fleet_provisioning,),
    "sekisho": (
        node,
        broker_view,
        accounts,
        first_connect,
        imported_lists,
        registration_lines,
        renewals,
        shared_certificates,
        topic_triggers,
        validity,
    ),
}
"""Service → the files of its operations. What the node serves is exactly these services."""

DEVICE_PLANE = "iotidentity"
"""Reached over MQTT, never over HTTP."""


def load_services() -> dict[str, Service]:
    return {name: Service.load(name) for name in MODULES}
