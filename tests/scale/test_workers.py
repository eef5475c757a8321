"""What a node that was killed leaves behind: nothing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from interop.devices import until

NODE = """
import asyncio, os, sys
from sekisho.workers import Workers

async def main():
    workers = Workers()
    print(await workers.run(os.getpid), await workers.run(os.getppid), flush=True)
    await asyncio.sleep(60)

if __name__ == "__main__":
    asyncio.run(main())
"""


def alive(pid: int) -> bool:
    status = Path(f"/proc/{pid}/status")
    try:
        return "State:\tZ" not in status.read_text()
    except OSError:
        return False


def test_workers_end_with_a_node_that_was_killed():
    node = subprocess.Popen([sys.executable, "-c", NODE], stdout=subprocess.PIPE, text=True)
    try:
        worker, server = map(int, node.stdout.readline().split())
        assert alive(worker)
        assert alive(server)
    finally:
        node.kill()
        node.wait()
        node.stdout.close()
    until(lambda: not alive(worker) and not alive(server))
