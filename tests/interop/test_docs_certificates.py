"""The commands of ``docs/certificates.md`` run, one after the other, as they stand there but for the port."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/certificates.md").read_text()


def test_a_ca_of_ones_own(node, iot, tmp_path):
    (tmp_path / ".sekisho").symlink_to(node.data)
    sekisho = tmp_path / ".venv/bin/sekisho"
    sekisho.parent.mkdir(parents=True)
    sekisho.write_text(f'#!/bin/sh\nexec {sys.executable} -c "from sekisho.cli import main; main()" "$@"\n')
    sekisho.chmod(0o700)
    blocks = re.findall(r"^```sh\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    assert len(blocks) == 2
    text = "".join(blocks).replace("8883", str(node.mqtt[1]))
    found = node.environment() | {"HOME": str(tmp_path), "AWS_EC2_METADATA_DISABLED": "true", "AWS_PAGER": ""}
    environment = found | {"PATH": f"{ROOT / '.venv-awscli/bin'}:{found['PATH']}"}
    ran = subprocess.run(
        ["sh", "-euc", text], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=110
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    [principal] = iot.list_thing_principals(thingName="kettle-7")["principals"]
    assert principal in ran.stdout
    device = iot.describe_certificate(certificateId=principal.rpartition("/")[2])["certificateDescription"]
    ca = iot.describe_ca_certificate(certificateId=device["caCertificateId"])
    assert (device["status"], ca["registrationConfig"]) == ("ACTIVE", {"templateName": "works"})
    assert ca["certificateDescription"]["certificatePem"].strip() in (tmp_path / "works.crt").read_text()
