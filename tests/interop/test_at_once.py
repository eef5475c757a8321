"""Who comes after an operation of the same node was answered finds what it did: no second in between."""

from __future__ import annotations

import itertools

from interop.devices import ANYTHING
from interop.wire import Wire

ROUNDS = 20


def test_a_certificate_and_its_policies_are_as_they_have_just_been_made(node, device, iot):
    one, numbers = device("at-once", statements=ANYTHING), itertools.count()

    def comes_in():
        with Wire(node.mqtt, node.ca, one.identity) as wire:
            return wire.connect(f"at-once-{next(numbers)}", 5).code == 0

    for _ in range(ROUNDS):
        iot.update_certificate(certificateId=one.certificate_id, newStatus="INACTIVE")
        assert not comes_in()
        iot.update_certificate(certificateId=one.certificate_id, newStatus="ACTIVE")
        assert comes_in()
        iot.detach_policy(policyName=one.policy, target=one.arn)
        assert not comes_in()
        iot.attach_policy(policyName=one.policy, target=one.arn)
        assert comes_in()
