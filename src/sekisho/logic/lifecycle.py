"""The states of a device certificate: which may follow which, and which may connect.

Source: the `iot` service model's UpdateCertificate and CertificateStatus; AWS IoT Developer Guide, "Activate
or deactivate a client certificate".
"""

from __future__ import annotations

from typing import Literal

CertificateStatus = Literal[
    "ACTIVE", "INACTIVE", "REVOKED", "PENDING_TRANSFER", "PENDING_ACTIVATION", "REGISTER_INACTIVE"
]

# What UpdateCertificate may set; the others are the service's own.
SETTABLE = ("ACTIVE", "INACTIVE", "REVOKED")

# Why a state cannot be left through UpdateCertificate.
_HELD = {
    "REVOKED": "the certificate is REVOKED, which is final",
    "PENDING_TRANSFER": "the certificate is PENDING_TRANSFER: accept, reject or cancel the transfer first",
}

# Why a certificate in a state may not connect: `reason` of the log event Connection.AuthNError (AWS IoT
# Developer Guide, "CloudWatch Logs entries").
_REFUSALS: dict[str, str | None] = {
    "ACTIVE": None,
    "INACTIVE": "DEVICE_CERTIFICATE_INACTIVE",
    "REVOKED": "DEVICE_CERTIFICATE_REVOKED",
    "PENDING_TRANSFER": "DEVICE_CERTIFICATE_INACTIVE",
    "PENDING_ACTIVATION": "DEVICE_CERTIFICATE_INACTIVE",
    "REGISTER_INACTIVE": "DEVICE_CERTIFICATE_INACTIVE",
}


def check_transition(current: str, new: str) -> str | None:
    """Why UpdateCertificate may not take a certificate from ``current`` to ``new``, or None if it may.

    Setting the state it already has is no change and allowed, as the operation is idempotent.
    """
    if new not in SETTABLE:
        return f"the status {new} cannot be set; only {', '.join(SETTABLE)} can"
    return None if current == new else _HELD.get(current)


def check_registration(status: str) -> str | None:
    """Why a certificate may not be registered with this status, or None if it may."""
    if status in SETTABLE:
        return None
    return f"Not allowed to register certificate with {status} status"


def check_deletion(status: str, certificate_id: str) -> str | None:
    """Why a certificate may not be deleted in this state, or None if it may."""
    if status == "ACTIVE":
        return f"Certificate must be deactivated (not ACTIVE) before deletion. Id: {certificate_id}"
    if status == "PENDING_TRANSFER":
        return f"{_HELD[status]}. Id: {certificate_id}"
    return None


def check_transfer(status: str) -> str | None:
    """Why a certificate may not be transferred in this state, or None if it may."""
    if status == "ACTIVE":
        return "the certificate is ACTIVE and must be deactivated before a transfer"
    return _HELD.get(status)


def may_connect(status: str) -> str | None:
    """None if a certificate in this state may connect, else the reason; unknown states may not."""
    return _REFUSALS.get(status, "NOT_AUTHENTICATED")
