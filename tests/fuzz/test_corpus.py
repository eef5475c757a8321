"""What the fuzzer has found and kept, and the named cases it began with, through the same targets."""

import pytest

from fuzz.corpus import TARGETS, load
from fuzz.seeds import seeds


@pytest.mark.parametrize("target", TARGETS)
def test_kept_inputs(target):
    kept = [*load(target), *seeds(target)]
    assert len(kept) > 50
    for data in kept:
        try:
            TARGETS[target](data)
        except Exception as error:
            raise AssertionError(f"{target} breaks at {data.hex()}") from error
