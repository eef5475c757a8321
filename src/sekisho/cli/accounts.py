"""``sekisho account``: accounts beside the default one."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError, ParamValidationError

from sekisho.cli.commands import credentials_path, fail, own_client
from sekisho.keyring import write_private

DIGITS = 12


def create(data: Path, id: str | None, name: str | None) -> str:
    """Make an account, and write its root's key beside the default account's; the answer is what to say."""
    id = id or "".join(secrets.choice("0123456789") for _ in range(DIGITS))
    if not (len(id) == DIGITS and id.isascii() and id.isdigit()):
        raise fail(f"{id}: an account's id is {DIGITS} digits")
    path = credentials_path(data, id)
    if path.exists():
        raise fail(f"{path} is there already, and would be lost")
    members = {"accountName": name} if name else {}
    try:
        made = own_client(data).create_account(accountId=id, **members)
    except ClientError as error:
        raise fail(error.response["Error"]["Message"]) from None
    except ParamValidationError as error:
        raise fail(str(error)) from None
    write_private(
        path,
        f"[default]\naws_access_key_id = {made['accessKeyId']}\n"
        f"aws_secret_access_key = {made['secretAccessKey']}\n",
    )
    use = f'Use it: eval "$(sekisho env --data {data} --account {id})"'
    return f"account {id}\nkey of its root: {path}\n{use}"


def described(data: Path) -> Iterator[dict[str, Any]]:
    """The accounts as ListAccounts tells them."""
    for page in own_client(data).get_paginator("list_accounts").paginate():
        yield from page["accounts"]


def listed(data: Path) -> Iterator[str]:
    """A line for each account, and for each of its endpoints."""
    for account in described(data):
        yield f"{account['accountId']}  {account.get('accountName', '')}".rstrip()
        for endpoint in account["endpoints"]:
            yield f"  {endpoint['region']:<16}{endpoint['endpointType']:<24}{endpoint['address']}"
