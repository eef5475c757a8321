"""A node's TLS sends no session tickets, which OpenSSL's Python bindings have no function for.

AWS IoT supports none (AWS IoT Developer Guide, Transport security in AWS IoT Core). In TLS 1.3 a server sends
two after every handshake, whatever ``SSL_OP_NO_TICKET`` says (SSL_CTX_set_num_tickets(3)): a tenth of what a
connection costs, for nothing.
"""

from __future__ import annotations

import os
from pathlib import Path

NAME = "OPENSSL_CONF"
"""Where OpenSSL looks for its file when it is loaded (config(5))."""


def send_no_tickets() -> None:
    """To be called before anything has loaded OpenSSL. An operator's own file stands instead."""
    if NAME in os.environ:
        return
    os.environ[NAME] = str(Path(__file__).with_name("openssl.cnf"))
    try:
        import cryptography.hazmat.bindings._rust  # noqa: F401 - it has OpenSSL within it
    finally:
        # Neither Python's own TLS nor any other program is meant.
        del os.environ[NAME]
