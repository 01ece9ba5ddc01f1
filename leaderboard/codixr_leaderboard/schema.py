"""The JSON Schemas of a result and of a submission, published beside the results.

``python -m codixr_leaderboard.schema leaderboard`` writes them; a test keeps them equal.
"""

import json
import sys
from pathlib import Path

from pydantic import BaseModel

from codixr.atomic import write_atomically
from codixr_bench.result import Result
from codixr_leaderboard.submission import Submission

KINDS: dict[str, type[BaseModel]] = {
    "result.schema.json": Result,
    "submission.schema.json": Submission,
}


def schemas() -> dict[str, bytes]:
    """File name -> content."""
    found = {}
    for name, kind in KINDS.items():
        schema = {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            **kind.model_json_schema(mode="validation"),
        }
        text = json.dumps(schema, indent=1, sort_keys=True, ensure_ascii=False)
        found[name] = (text + "\n").encode()
    return found


if __name__ == "__main__":
    for file, content in schemas().items():
        write_atomically(Path(sys.argv[1]) / file, content)
