"""Listening sockets that whoever started the node has opened already (sd_listen_fds(3))."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping

FIRST = 3
"""The first descriptor that is handed over."""


class BadActivation(Exception):
    """What was handed over cannot be used; the text says what it is."""


def inherited(environ: Mapping[str, str], settings: tuple[str, ...]) -> dict[str, socket.socket]:
    """Setting → the socket that was handed over for it, non-blocking.

    A socket's name (``FileDescriptorName=`` in its unit) is the setting's without ``.port``: ``https`` for
    ``https.port``. Nothing is inherited that is not meant for this process. Raises BadActivation.
    """
    if environ.get("LISTEN_PID") != str(os.getpid()):
        return {}
    count = environ.get("LISTEN_FDS", "")
    names = environ.get("LISTEN_FDNAMES", "").split(":")
    known = {setting.removesuffix(".port"): setting for setting in settings}
    if not count.isdigit() or len(names) != int(count):
        raise BadActivation(f"LISTEN_FDS is {count!r}, with {len(names)} names in LISTEN_FDNAMES")
    unknown = [name for name in names if name not in known]
    if unknown or len(set(names)) < len(names):
        raise BadActivation(
            f"the sockets handed over are named {', '.join(names)}; expected are some of {', '.join(known)}, "
            "each once (FileDescriptorName= in the socket's unit)"
        )
    found: dict[str, socket.socket] = {}
    for number, name in enumerate(names, FIRST):
        os.set_inheritable(number, False)  # the node's workers must not keep them open
        try:
            sock = socket.socket(fileno=number)
        except OSError as error:
            raise BadActivation(f"descriptor {number} ({name}) is no socket: {error.strerror}") from None
        if not sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            raise BadActivation(f"descriptor {number} ({name}) does not listen")
        sock.setblocking(False)
        found[known[name]] = sock
    return found
