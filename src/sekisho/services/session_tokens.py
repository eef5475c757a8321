"""Session tokens: everything about temporary credentials, sealed by the keyring and kept nowhere.

Every node of the keyring can open them, and nothing has to be cleaned up. Sealing is authenticated encryption
with the access key's id as context: a token that was changed, or that goes with another key, does not open,
and the comparison is in constant time (NIST SP 800-38D).
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import NamedTuple

import orjson

from sekisho.services.access import Sealer, new_key_id, new_secret
from sekisho.services.work import Document

SESSION_KEY = "ASIA"
"""How the ids of temporary access keys begin (IAM User Guide, "IAM identifiers")."""

LONGEST = 16_384
"""Characters of a token that are looked at."""


class Session(NamedTuple):
    """A role's session, or a user's (no name: the root's). ``expires`` is civil epoch seconds, ``context``
    holds the condition keys that came with it, ``policy`` is the text of its own policy."""

    secret: str
    expires: float
    account: str
    kind: str
    name: str
    entity_id: str
    session: str = ""
    policy: str | None = None
    context: Mapping[str, str] = {}

    def __repr__(self) -> str:
        return f"Session({self.account}, {self.kind}, {self.name}, {self.session})"


def seal_session(
    keyring: Sealer, expires: float, account: str, kind: str, name: str, **more: object
) -> Document:
    """New credentials as the members AccessKeyId, SecretAccessKey, SessionToken and Expiration."""
    id, secret = new_key_id(SESSION_KEY), new_secret()
    content = {"secret": secret, "expires": expires, "account": account, "kind": kind, "name": name, **more}
    token = keyring.seal(orjson.dumps(content).decode(), f"session/{id}")
    return {"AccessKeyId": id, "SecretAccessKey": secret, "SessionToken": token, "Expiration": expires}


def open_session(keyring: Sealer, id: str, token: str) -> Session | None:
    """The session that a token was sealed for with this access key, or None."""
    if not token or len(token) > LONGEST:
        return None
    try:
        # One spelling alone: Base64 as it is read elsewhere passes over what follows its end.
        if base64.b64encode(base64.b64decode(token, validate=True)).decode() != token:
            return None
        text = keyring.open(token, f"session/{id}")
    except Exception:  # whatever is wrong with it, it is not ours
        return None
    return Session(**orjson.loads(text))
