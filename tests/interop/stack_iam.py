"""The stack's parts of IAM beside the role that the registry needs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from interop.stack import Part
from interop.stack_registry import ROLE, policy

TAKEN = "EntityAlreadyExists"
MANAGED = {"PolicyName": "stack-managed"}
ITS_ARN = {"PolicyArn": "${managed.Policy.Arn}"}
PROFILE = {"InstanceProfileName": "stack-profile"}
USER = {"UserName": "stack-user"}
GROUP = {"GroupName": "stack-group"}


def attached(kind: str, of: dict[str, Any]) -> Part:
    """The managed policy of a role, user or group."""
    return Part(
        f"managed of {kind}",
        (f"iam.attach_{kind}_policy", of | ITS_ARN),
        "",
        (f"iam.list_attached_{kind}_policies", of),
        {"AttachedPolicies": [MANAGED]},
        delete=[(f"iam.detach_{kind}_policy", of | ITS_ARN)],
    )


def inline(kind: str, of: dict[str, Any]) -> Part:
    named = of | {"PolicyName": "stack-inline"}
    return Part(
        f"inline of {kind}",
        (f"iam.put_{kind}_policy", named | {"PolicyDocument": policy("a")}),
        "",
        (f"iam.list_{kind}_policies", of),
        {"PolicyNames": ["stack-inline"]},
        [(f"iam.put_{kind}_policy", named | {"PolicyDocument": policy("b")})],
        delete=[(f"iam.delete_{kind}_policy", named)],
    )


IAM: Sequence[Part] = (
    Part(
        "managed",
        ("iam.create_policy", MANAGED | {"PolicyDocument": policy("a"), "Description": "", "Path": "/"}),
        TAKEN,
        ("iam.get_policy", ITS_ARN),
        {"Policy": MANAGED | {"Arn": "${managed.Policy.Arn}", "DefaultVersionId": "v1", "Path": "/"}},
        [
            ("iam.create_policy_version", ITS_ARN | {"PolicyDocument": policy("b"), "SetAsDefault": False}),
            ("iam.set_default_policy_version", ITS_ARN | {"VersionId": "v2"}),
        ],
        {"Policy": MANAGED | {"DefaultVersionId": "v2"}},
        [("iam.delete_policy_version", ITS_ARN | {"VersionId": "v1"}), ("iam.delete_policy", ITS_ARN)],
        "DeleteConflict",
    ),
    attached("role", ROLE),
    Part(
        "profile",
        ("iam.create_instance_profile", PROFILE | {"Tags": [{"Key": "team", "Value": "a"}]}),
        TAKEN,
        ("iam.get_instance_profile", PROFILE),
        {"InstanceProfile": PROFILE | {"Path": "/", "Tags": [{"Key": "team", "Value": "a"}]}},
        [("iam.untag_instance_profile", PROFILE | {"TagKeys": ["team"]})],
        {"InstanceProfile": PROFILE | {"Path": "/"}},
        [("iam.delete_instance_profile", PROFILE)],
        "DeleteConflict",
    ),
    Part(
        "role of profile",
        ("iam.add_role_to_instance_profile", PROFILE | ROLE),
        "LimitExceeded",
        ("iam.list_instance_profiles_for_role", ROLE),
        {"InstanceProfiles": [PROFILE | {"Roles": [ROLE]}]},
        delete=[("iam.remove_role_from_instance_profile", PROFILE | ROLE)],
    ),
    Part(
        "user",
        ("iam.create_user", USER | {"Path": "/ci/"}),
        TAKEN,
        ("iam.get_user", USER),
        {"User": USER | {"Path": "/ci/"}},
        [("iam.update_user", USER | {"NewUserName": "stack-user", "NewPath": "/build/"})],
        {"User": USER | {"Path": "/build/"}},
        [("iam.delete_user", USER)],
        "DeleteConflict",
    ),
    Part(
        "key",
        ("iam.create_access_key", USER),
        None,
        ("iam.list_access_keys", USER),
        {"AccessKeyMetadata": [USER | {"Status": "Active"}]},
        [
            (
                "iam.update_access_key",
                USER | {"AccessKeyId": "${key.AccessKey.AccessKeyId}", "Status": "Inactive"},
            )
        ],
        {"AccessKeyMetadata": [USER | {"Status": "Inactive"}]},
        [("iam.delete_access_key", USER | {"AccessKeyId": "${key.AccessKey.AccessKeyId}"})],
    ),
    attached("user", USER),
    inline("user", USER),
    Part(
        "group",
        ("iam.create_group", GROUP | {"Path": "/"}),
        TAKEN,
        ("iam.get_group", GROUP),
        {"Group": GROUP | {"Path": "/"}},
        [("iam.update_group", GROUP | {"NewGroupName": "stack-group", "NewPath": "/build/"})],
        {"Group": GROUP | {"Path": "/build/"}},
        [("iam.delete_group", GROUP)],
        "DeleteConflict",
    ),
    Part(
        "user of group",
        ("iam.add_user_to_group", GROUP | USER),
        "",
        ("iam.list_groups_for_user", USER),
        {"Groups": [GROUP]},
        delete=[("iam.remove_user_from_group", GROUP | USER)],
    ),
    attached("group", GROUP),
    inline("group", GROUP),
)
