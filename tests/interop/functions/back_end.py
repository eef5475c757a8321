"""Functions of a back end, as its developers would deploy them to Lambda."""

from __future__ import annotations

import configparser
from typing import Any

DEVICES = "devices/{}/credentials"


def hand_over_credentials(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Credentials for the device that asks, to it alone: the topic names it, and so does the connection."""
    asked_for = event["topic"].split("/")[1]
    if event["clientId"] != asked_for:
        return {}
    stored = configparser.ConfigParser()
    stored.read(event["payload"]["profile"])
    keys = stored["default"]
    credentials = {
        "accessKeyId": keys["aws_access_key_id"],
        "secretAccessKey": keys["aws_secret_access_key"],
    }
    answer = {"topic": DEVICES.format(asked_for), "payload": {"credentials": credentials}}
    return {"publish": [answer | {"clientId": asked_for}]}
