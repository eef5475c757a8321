"""A pre-authentication function, as an operator would write it: who may come is in a file."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

FOLDER = Path(os.environ.get("CHECKS_FOLDER", "/nowhere"))


def check(event: dict[str, Any]) -> Any:
    with (FOLDER / "events").open("a") as file:
        file.write(json.dumps(event) + "\n")
    verdict = (FOLDER / event["principalId"]).read_text()
    if verdict == "raise":
        raise ValueError("not that one")
    return json.loads(verdict)
