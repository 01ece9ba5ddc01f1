"""DICOM files broken in every way that a seed can think of."""

import random

SIZE = 32
SHARD_SIZE = 16
"""Of the prepared folders in these tests: several shards a split."""


def mutate(content: bytes, seed: int) -> bytes:
    """One to eight changes: bits, bytes, runs, cuts, repeats, and numbers in header places."""
    rng = random.Random(seed)
    data = bytearray(content)
    for _ in range(rng.choice((1, 1, 2, 4, 8))):
        # Most changes hit the header: a changed pixel is a picture like any other.
        end = min(len(data), rng.choice((700, 1200, len(data))))
        at = rng.randrange(132, max(end, 133))
        match rng.randrange(7):
            case 0:
                data[at : at + 1] = (
                    bytes([data[at] ^ (1 << rng.randrange(8))]) if data[at:] else b""
                )
            case 1:
                data[at : at + rng.randrange(1, 5)] = rng.randbytes(rng.randrange(1, 5))
            case 2:
                data[at : at + 2] = rng.choice((b"\0\0", b"\xff\xff", b"\xff\x7f", b"\1\0"))
            case 3:
                data[at : at + 4] = b"\xff" * 4
            case 4:
                del data[at : at + rng.choice((1, 2, 8, 100))]
            case 5:
                data = data[: rng.randrange(132, len(data))] if len(data) > 133 else data
            case 6:
                data[at:at] = data[at : at + rng.choice((1, 4, 64))]
    return bytes(data)
