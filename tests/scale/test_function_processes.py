"""What a node that was killed leaves behind of the functions that it was calling: nothing."""

from __future__ import annotations

import subprocess
import sys

import pytest

from interop.devices import until
from scale.test_workers import alive

FUNCTIONS = """
import os, re, time

def pid(event):
    if event.get("do") == "sleep":
        time.sleep(3600)
    if event.get("do") == "hold everything":
        re.match("(a+)+$", "a" * 64 + "b")  # one call into C that no thread gets past
    return {"pid": os.getpid()}
"""

NODE = """
import asyncio, sys
from sekisho.functions.callables import PythonFunctions

async def main(folder, do):
    functions = PythonFunctions({"pid": "of_users:pid"}, [folder], 1, 10, 0)
    print((await functions.invoke("pid", {}))["pid"], flush=True)
    asked = asyncio.ensure_future(functions.invoke("pid", {"do": do}))
    await asyncio.sleep(0.5)
    print("asked", flush=True)
    await asyncio.sleep(60)

if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "of_users.py").write_text(FUNCTIONS)
    return tmp_path


@pytest.mark.parametrize("do", ["nothing", "sleep", "hold everything"])
def test_a_function_ends_with_a_node_that_was_killed(folder, do):
    node = subprocess.Popen([sys.executable, "-c", NODE, str(folder), do], stdout=subprocess.PIPE, text=True)
    try:
        worker = int(node.stdout.readline())
        assert node.stdout.readline() == "asked\n"
        assert alive(worker)
    finally:
        node.kill()
        node.wait()
        node.stdout.close()
    until(lambda: not alive(worker), within=20.0)
