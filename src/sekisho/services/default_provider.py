"""Which certificate provider signs what devices ask for over MQTT."""

from __future__ import annotations

from sekisho.services.call import Call
from sekisho.services.work import Document

KIND = "certificateprovider"
DEFAULT = "certificateproviderdefault"
"""One row per operation that a provider answers, with the provider's name: there is one provider in an
account and region, and the row's guard keeps it so."""

OPERATION = "CreateCertificateFromCsr"


async def default_provider(call: Call) -> Document | None:
    """The provider that signs for CreateCertificateFromCsr over MQTT, if there is one."""
    default = await call.work.get(DEFAULT, OPERATION)
    return None if default is None else await call.work.get(KIND, default["certificateProviderName"])
