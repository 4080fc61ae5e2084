"""Random orders that are computed, not stored."""

from __future__ import annotations

import math
from hashlib import blake2b

import numpy as np
from jaxtyping import Int64, UInt64


def shuffled(
    positions: Int64[np.ndarray, " k"], n: int, *, seed: int, epoch: int
) -> Int64[np.ndarray, " k"]:
    """What stands at ``positions`` of a random order of 0 .. n - 1, each number exactly once.

    A Feistel network over mixed radices with cycle walking (Black and Rogaway, "Ciphers with
    Arbitrary Finite Domains", 2002): nothing is stored, so 1e9 windows cost what 10 do, workers
    hold no copy of a permutation, and the order can't change with the version of numpy, as
    ``Generator.permutation`` may.
    """
    a = math.isqrt(max(n - 1, 0)) + 1
    b = -(-n // a)
    digest = blake2b(f"{seed}/{epoch}".encode(), digest_size=64).digest()
    keys = np.frombuffer(digest, "<u8").astype(np.uint64)
    out = positions.astype(np.uint64)
    todo = np.arange(len(out))
    while len(todo):
        out[todo] = _feistel(out[todo], np.uint64(a), np.uint64(b), keys)
        todo = todo[out[todo] >= n]  # a * b exceeds n by less than a: few need a second walk
    return out.astype(np.int64)


def _feistel(
    x: UInt64[np.ndarray, " k"], a: np.uint64, b: np.uint64, keys: UInt64[np.ndarray, " rounds"]
) -> UInt64[np.ndarray, " k"]:
    """A keyed permutation of 0 .. a * b - 1, split into x = right * a + left."""
    right, left = x // a, x % a
    for key_left, key_right in keys.reshape(-1, 2):
        left = (left + _mix(right ^ key_left) % a) % a
        right = (right + _mix(left ^ key_right) % b) % b
    return right * a + left


def _mix(x: UInt64[np.ndarray, " k"]) -> UInt64[np.ndarray, " k"]:
    """The finaliser of splitmix64 (Steele, Lea and Flood 2014): every bit changes every other."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))
