"""One run of libFuzzer through atheris: `python hunt.py TARGET LIBFUZZER-ARGUMENTS`."""

import sys
from pathlib import Path

import atheris

sys.path.insert(0, str(Path(__file__).parents[1]))

OURS = ["sekisho.mqtt", "sekisho.broker", "sekisho.aws"]

with atheris.instrument_imports(include=[*OURS, "wsproto", "h11"]):
    from fuzz.corpus import TARGETS

if __name__ == "__main__":
    name = sys.argv.pop(1)
    # To merge, libFuzzer starts what its first argument says in a shell, again and again.
    atheris.Setup([f"{sys.executable} {__file__} {name}", *sys.argv[1:]], TARGETS[name])
    atheris.Fuzz()
