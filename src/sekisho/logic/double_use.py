"""Whether one certificate is used by several devices: what its connections tell.

AWS IoT Device Defender has an audit check for it, DEVICE_CERTIFICATE_SHARED_CHECK (AWS IoT Developer Guide):
one certificate, several client ids at once. Of copies that use the same client id each takes the connection
from the other; that is seen here as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import inf
from typing import NamedTuple

TAKEN = "DUPLICATE_CLIENTID"
"""Why a connection ended that another one with its client id took over."""


class Use(NamedTuple):
    """One connection; ``disconnected`` is infinite while it lasts."""

    client_id: str
    address: str
    connected: float
    disconnected: float = inf
    reason: str = ""


class DoubleUse(NamedTuple):
    """``concurrent``: connections that began while one with another client id lasted. ``returned``:
    connections that took a client id back to an address from which another address had taken it. The client
    ids and addresses are those that took part, ``last`` is when it happened last."""

    concurrent: int
    returned: int
    client_ids: list[str]
    addresses: list[str]
    last: float


def double_use(uses: Sequence[Use]) -> DoubleUse | None:
    """What the connections of one certificate, oldest first, say of copies of it; None if nothing.

    A device that changes its network takes its own connection over once, and does not come back to the old
    address by doing so: that is no copy.
    """
    lasting: list[Use] = []
    taken: dict[str, list[Use]] = {}
    concurrent, returned, last = 0, 0, 0.0
    parts: list[Use] = []
    for use in uses:
        lasting = [other for other in lasting if other.disconnected > use.connected]
        others = [other for other in lasting if other.client_id != use.client_id]
        chain = taken.setdefault(use.client_id, [])
        back = len(chain) == 2 and chain[0].address == use.address != chain[1].address
        if others or back:
            concurrent += bool(others)
            returned += back
            parts += [use, *others, *(chain if back else ())]
            last = use.connected
        lasting.append(use)
        # The last two of those that took over from each other without a pause.
        taken[use.client_id] = [*chain[-1:], use] if use.reason == TAKEN else []
    if not parts:
        return None
    return DoubleUse(
        concurrent,
        returned,
        sorted({part.client_id for part in parts}),
        sorted({part.address for part in parts}),
        last,
    )
