"""The soak with few requests; HADAL_SOAK_REQUESTS=10000 for the whole one (see soak.py)."""
import os

import pytest

import soak


@pytest.mark.skipif(not soak.PROGRAM.exists(), reason="the program is absent")
def test_nothing_is_left_over():
    soak.soak(int(os.environ.get("HADAL_SOAK_REQUESTS", "1000")))
