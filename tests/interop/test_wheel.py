"""The wheel, outside the checkout: everything that the node reads is in it."""

import os
import subprocess
import sys
from pathlib import Path

from nodes import Node

ROOT = Path(__file__).parents[2]


def test_the_wheel_installs_and_runs_outside_the_checkout(tmp_path, monkeypatch):
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*build, "--wheel-dir", tmp_path / "dist", ROOT], check=True, cwd=tmp_path)
    (wheel,) = (tmp_path / "dist").glob("sekisho-*.whl")
    home = tmp_path / "home"
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", home, wheel]
    subprocess.run(install, check=True, cwd=tmp_path)
    # First on the path, so it hides the checkout, which is installed for editing.
    environment = os.environ | {"PYTHONPATH": str(home)}
    where = [sys.executable, "-c", "import sekisho; print(sekisho.__file__)"]
    shown = subprocess.run(where, check=True, capture_output=True, text=True, cwd=tmp_path, env=environment)
    assert shown.stdout.startswith(str(home))

    monkeypatch.setenv("PYTHONPATH", str(home))
    monkeypatch.chdir(tmp_path)
    node = Node(tmp_path / "data")
    try:
        node.start()
        assert node.client("sts").get_caller_identity()["Account"] == "000000000000"
        assert node.client("sekisho").describe_node()["region"] == "us-east-1"
    finally:
        node.kill()
