"""PKCS #11 tokens for tests: SoftHSM2, each test with tokens of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

MODULE = "/usr/lib/softhsm/libsofthsm2.so"
EXAMPLES = Path(__file__).parents[1] / "examples"

LOOK = """
import os, sys, pkcs11
token = pkcs11.lib(sys.argv[1]).get_token(token_label=sys.argv[2])
with token.open(user_pin=os.environ["PKCS11_PIN"]) as session:
    public = session.get_key(label=sys.argv[3], object_class=pkcs11.ObjectClass.PUBLIC_KEY)
    private = session.get_key(label=sys.argv[3], object_class=pkcs11.ObjectClass.PRIVATE_KEY)
    print(public[pkcs11.Attribute.EC_POINT].hex())
    try:
        print(private[pkcs11.Attribute.VALUE])
    except pkcs11.PKCS11Error as error:
        print(type(error).__name__)
"""
MAKE = """
import os, sys
from secure_element import signed_request
print(signed_request(sys.argv[1], sys.argv[2], os.environ["PKCS11_PIN"], sys.argv[3]))
"""


class Tokens:
    """A folder of tokens; ``environment`` is what a program needs to find them."""

    pin = "4321"

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "tokens"
        self.folder.mkdir(parents=True)
        configuration = folder / "softhsm2.conf"
        configuration.write_text(f"directories.tokendir = {self.folder}\nobjectstore.backend = file\n")
        self.environment = os.environ | {"SOFTHSM2_CONF": str(configuration), "PKCS11_PIN": self.pin}

    def new(self, label: str) -> str:
        """Make a token; its label."""
        command = ["softhsm2-util", "--init-token", "--free", "--label", label]
        command += ["--pin", self.pin, "--so-pin", "8765"]
        subprocess.run(command, env=self.environment, check=True, capture_output=True)
        return label

    def look(self, token: str, label: str) -> tuple[bytes, str]:
        """A key's public point, and how the token refuses to tell the private half to who has the PIN."""
        point, refusal = self._run(LOOK, token, label).splitlines()
        return bytes.fromhex(point), refusal

    def make_key(self, token: str, label: str) -> str:
        """Make a key as the example does; its signing request."""
        return self._run(MAKE, token, label)

    def _run(self, script: str, *words: str) -> str:
        # A process of its own: the library reads its configuration once.
        command = [sys.executable, "-c", script, MODULE, *words]
        environment = self.environment | {"PYTHONPATH": str(EXAMPLES)}
        return subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout
