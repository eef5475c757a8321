"""The commands of ``docs/factory.md`` work as they stand there."""

from __future__ import annotations

import json
import re
from pathlib import Path

from interop.bench import Bench
from interop.devices import ANYTHING, document
from nodes import running
from vendors import Vendor

PAGE = (Path(__file__).parents[2] / "docs/factory.md").read_text()


def test_the_commands_of_the_page(tmp_path):
    making, importing = re.findall(r"^```sh\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    with running(tmp_path / "node") as node:
        bench = Bench(node, tmp_path / "bench")
        node.client("iot").create_policy(policyName="press", policyDocument=document(*ANYTHING))

        said = bench.sh(making)
        assert "100 devices done, 0 failed" in said
        # What `factory open` prints, OpenSSL prints.
        said = said[said.index("{") :]
        first, end = json.JSONDecoder().raw_decode(said)
        assert json.loads(said[end:]) == first
        assert first["devices"][0]["thingName"] == "press-00001"

        vendor = Vendor()
        chip = vendor.chip("0123f1822c38dd7a01")
        vendor.deliver(bench.folder, [vendor.entry(chip)])
        assert "1 devices done, 0 failed" in bench.sh(importing)
        (bench.folder / "crt").write_text(chip.issued.pem)
        (bench.folder / "key").write_bytes(chip.issued.key_pem)
        with bench.wire("crt", "key") as wire:
            assert wire.connect("press-0123f1822c38dd7a01", 4).code == 0
