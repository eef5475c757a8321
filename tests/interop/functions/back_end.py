"""Functions of a back end, as its developers would deploy them to Lambda."""

from __future__ import annotations

import configparser
from typing import Any

import boto3

DEVICES = "devices/{}/credentials"


def hand_over_credentials(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Credentials for the device that asks, to it alone: the topic names it, and so does the connection."""
    asked_for = event["topic"].split("/")[1]
    if event["clientId"] != asked_for:
        return {}
    where = event["payload"]
    stored = configparser.ConfigParser()
    stored.read(where["profile"])
    sts = boto3.client("sts", region_name="us-east-1", endpoint_url=where["endpoint"], **stored["default"])
    session = sts.assume_role(RoleArn=where["role"], RoleSessionName=asked_for)["Credentials"]
    credentials = {
        "accessKeyId": session["AccessKeyId"],
        "secretAccessKey": session["SecretAccessKey"],
        "sessionToken": session["SessionToken"],
    }
    answer = {"topic": DEVICES.format(asked_for), "payload": {"credentials": credentials}}
    return {"publish": [answer | {"clientId": asked_for}]}
