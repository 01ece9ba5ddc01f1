"""The seed of a study: from what the study is, never from where it stands."""

import hashlib
import json

from codixr_bench.task import Task

SEED_BITS = 63
"""Fits a signed 64-bit integer, which is what ``torch.Generator.manual_seed`` takes."""


def study_seed(study_id: str, task: Task, run_seed: int, sample: int = 0) -> int:
    """The seed of one study's sample in one task of one run: 0 <= seed < 2**63.

    Equal whatever the batch size, the number of processes, or where a run was interrupted. The
    parts go through JSON, so that no two different lists of them spell the same text; the first
    sample's list has no number, so that more samples leave it as it is.
    """
    parts = [study_id, task.name, run_seed, *([sample] if sample else [])]
    text = json.dumps(parts, ensure_ascii=True, separators=(",", ":"))
    digest = hashlib.blake2b(text.encode(), digest_size=8, person=b"codixr-seed-v1").digest()
    return int.from_bytes(digest, "big") >> (64 - SEED_BITS)
