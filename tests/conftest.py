"""What every test shares: one thread, seeded generators, reproducible examples."""

import os
import random

# Tests are many and their tensors small: one thread each is fastest, and sums are then repeatable.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import hypothesis
import numpy as np
import pytest
import torch

torch.set_num_threads(1)
# derandomize: the same examples on every machine; deadline: a slow machine is no failure.
hypothesis.settings.register_profile("farframe", derandomize=True, deadline=None, database=None)
hypothesis.settings.load_profile("farframe")


@pytest.fixture(autouse=True)
def seeded() -> None:
    """Every test starts from the same random state, alone or in a suite."""
    random.seed(0)
    np.random.seed(0)
    torch.manual_seed(0)
