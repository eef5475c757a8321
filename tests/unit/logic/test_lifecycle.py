import pytest

from sekisho.logic import lifecycle

ALL = ["ACTIVE", "INACTIVE", "REVOKED", "PENDING_TRANSFER", "PENDING_ACTIVATION", "REGISTER_INACTIVE"]
ALLOWED = {
    (current, new)
    for current in ("ACTIVE", "INACTIVE", "PENDING_ACTIVATION", "REGISTER_INACTIVE")
    for new in ("ACTIVE", "INACTIVE", "REVOKED")
} | {("REVOKED", "REVOKED")}


@pytest.mark.parametrize("current", ALL)
@pytest.mark.parametrize("new", ALL)
def test_every_transition(current, new):
    assert (lifecycle.check_transition(current, new) is None) is ((current, new) in ALLOWED)


def test_words_say_why():
    assert "final" in lifecycle.check_transition("REVOKED", "ACTIVE")
    assert "transfer" in lifecycle.check_transition("PENDING_TRANSFER", "ACTIVE")
    assert "PENDING_ACTIVATION cannot be set" in lifecycle.check_transition("ACTIVE", "PENDING_ACTIVATION")
    # The real service's words.
    assert (
        lifecycle.check_registration("PENDING_ACTIVATION")
        == "Not allowed to register certificate with PENDING_ACTIVATION status"
    )
    assert (
        lifecycle.check_deletion("ACTIVE", "ab")
        == "Certificate must be deactivated (not ACTIVE) before deletion. Id: ab"
    )


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        ("ACTIVE", None),
        ("INACTIVE", "DEVICE_CERTIFICATE_INACTIVE"),
        ("REVOKED", "DEVICE_CERTIFICATE_REVOKED"),
        ("PENDING_TRANSFER", "DEVICE_CERTIFICATE_INACTIVE"),
        ("PENDING_ACTIVATION", "DEVICE_CERTIFICATE_INACTIVE"),
        ("REGISTER_INACTIVE", "DEVICE_CERTIFICATE_INACTIVE"),
        ("SOMETHING_NEW", "NOT_AUTHENTICATED"),
    ],
)
def test_only_active_connects(status, reason):
    assert lifecycle.may_connect(status) == reason


def test_registration_deletion_transfer():
    assert lifecycle.check_registration("REVOKED") is None
    assert lifecycle.check_deletion("REVOKED", "x") is None
    assert lifecycle.check_deletion("PENDING_TRANSFER", "x")
    assert lifecycle.check_transfer("INACTIVE") is None
    assert lifecycle.check_transfer("ACTIVE")
    assert lifecycle.check_transfer("REVOKED")
