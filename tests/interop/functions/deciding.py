"""An authorizer's function as users write them; what it is to do comes with the client's parameters."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

ARN = "arn:aws:iot:us-east-1:000000000000:"


def said(event: dict[str, Any]) -> dict[str, str]:
    """What the client passes: in headers, in the query, and in that of its user name."""
    data = event["protocolData"]
    http = data.get("http", {"headers": {}, "queryString": ""})
    username = data.get("mqtt", {}).get("username", "")
    queries = (http["queryString"].removeprefix("?"), username.partition("?")[2])
    found = dict(http["headers"])
    for query in queries:
        found |= dict(parse_qsl(query))
    return found


def decide(event: dict[str, Any]) -> Any:
    parameters = said(event)
    if "record" in parameters:
        with Path(parameters["record"]).open("a") as file:
            file.write(json.dumps(event) + "\n")
    if "answers" in parameters:
        return json.loads(Path(parameters["answers"]).read_text())
    match parameters.get("do", "allow"):
        case "allow":
            return grant()
        case "refuse":
            return {"isAuthenticated": False}
        case "hang":
            time.sleep(60)
        case "die":
            os._exit(1)
        case "raise":
            raise ValueError("not that one")
        case "answer a list":
            return [1]
    return json.loads(parameters["do"])


def grant(**more: Any) -> dict[str, Any]:
    """What a client may do below its own name, and what no client may."""
    statements = [
        allow("Connect", "client/${iot:ClientId}"),
        allow("Publish", "topic/own/${iot:ClientId}/*", "topic/shared/*"),
        allow("Subscribe", "topicfilter/own/${iot:ClientId}/*"),
        allow("Receive", "topic/own/${iot:ClientId}/*"),
    ]
    document = {"Version": "2012-10-17", "Statement": statements}
    return {"isAuthenticated": True, "principalId": "somebody", "policyDocuments": [document], **more}


def allow(action: str, *resources: str) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": f"iot:{action}", "Resource": [ARN + one for one in resources]}
