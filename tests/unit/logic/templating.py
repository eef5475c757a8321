"""Pieces of provisioning templates."""

import json

from sekisho.logic.templates import parse_template

ID = "AWS::IoT::Certificate::Id"
POLICY = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": ["iot:Publish"], "Resource": ["*"]}],
}


def parse(document, kind="FLEET_PROVISIONING"):
    return parse_template(json.dumps(document), kind)


def thing(**properties):
    return {"Type": "AWS::IoT::Thing", "Properties": {"ThingName": "t"} | properties}


def certificate(**properties):
    return {"Type": "AWS::IoT::Certificate", "Properties": properties}


def policy(**properties):
    return {"Type": "AWS::IoT::Policy", "Properties": properties}
