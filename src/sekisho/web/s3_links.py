"""Presigned URLs that the node itself gives out for objects of its accounts."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from typing import Any
from urllib.parse import quote

import orjson

from sekisho.aws import canonical
from sekisho.aws.sigv4 import (
    ALGORITHM,
    TERMINATOR,
    UNSIGNED,
    Credential,
    hmac_sha256,
    scope_of,
    signing_key,
    stamp_of,
)
from sekisho.services.access import AccessKey, create_root_key
from sekisho.services.principals import Principals
from sekisho.services.work import dumps
from sekisho.store import tables
from sekisho.store.statement import Conflict
from sekisho.store.store import Store

LIFE = 3600
KIND = "linkkey"
"""The rows that say with which access key the node signs links for an account; nobody is told its secret."""


class Links:
    def __init__(self, store: Store, keyring: Any, keys: Principals, clock: Any, region: str) -> None:
        self._store = store
        self._keyring = keyring
        self._keys = keys
        self._clock = clock
        self._region = region
        self.base = ""
        """Scheme, host and port, known when the node listens."""

    def lead_to(self, host: str, endpoints: Mapping[str, Any]) -> None:
        """To the API that this machine reaches, or, if it serves other machines, to what these reach."""
        local = host in ("127.0.0.1", "localhost", "::1")
        self.base = f"http://{endpoints['api']}" if local else f"https://{endpoints['https']}"

    async def __call__(self, account: str, bucket: str, key: str) -> str:
        """A URL that gets the object for an hour of real time, by plain HTTP and without any credential."""
        signer = await self._signer(account)
        stamp = stamp_of(self._clock.real())
        scope = (signer.id, stamp[:8], self._region, "s3")
        credential = Credential(*scope, ("host",), "", 0.0, True, LIFE, None)
        fields = [
            ("X-Amz-Algorithm", ALGORITHM),
            ("X-Amz-Credential", "/".join((*scope, TERMINATOR))),
            ("X-Amz-Date", stamp),
            ("X-Amz-Expires", str(LIFE)),
            ("X-Amz-SignedHeaders", "host"),
        ]
        query = canonical.as_sent((name, quote(value, safe="-_.~")) for name, value in fields)
        path = quote(f"/{bucket}/{key}", safe="/-_.~")
        host = self.base.partition("//")[2]
        form = f"GET\n{path}\n{query}\nhost:{host}\n\nhost\n{UNSIGNED}"
        text = f"{ALGORITHM}\n{stamp}\n{scope_of(credential)}\n{sha256(form.encode()).hexdigest()}"
        signature = hmac_sha256(signing_key(credential, signer.secret), text.encode()).hex()
        return f"{self.base}{path}?{query}&X-Amz-Signature={signature}"

    async def _signer(self, account: str) -> AccessKey:
        while True:
            rows = await self._store.fetch(*tables.get_resource("", "", KIND, account))
            if rows:
                found = await self._keys.find(orjson.loads(rows[0]["body"])["accessKeyId"], None)
                if found is not None:
                    return found
            now = self._clock.real()
            key = await create_root_key(self._store, self._keyring, account, now)
            body = dumps({"accessKeyId": key.id})
            written = (
                tables.update_resource("", "", KIND, account, rows[0]["version"], body, now)
                if rows
                else tables.insert_resource("", "", KIND, account, body, now)
            )
            try:
                await self._store.commit([written])
            except Conflict:
                continue
            return key
