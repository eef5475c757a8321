"""Where a node asks for OCSP answers, and where it never does."""

from __future__ import annotations

import pytest

from sekisho.logic.stapling import is_askable


@pytest.mark.parametrize(
    "address", ["127.0.0.1", "10.0.0.7", "192.168.1.1", "93.184.216.34", "::1", "2001:db8::1"]
)
def test_a_responder_may_be_in_any_network(address):
    assert is_askable(address)


@pytest.mark.parametrize(
    "address",
    [
        *("169.254.169.254", "169.254.0.1", "::ffff:169.254.169.254", "fe80::1", "fe80::1%eth0"),
        *("fd00:ec2::254", "224.0.0.1", "0.0.0.0", "::", "", "nobody"),
    ],
)
def test_it_is_never_where_a_machine_gets_its_secrets(address):
    assert not is_askable(address)
