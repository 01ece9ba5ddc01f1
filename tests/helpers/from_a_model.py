"""Two steps of a stage that begins with a model: what tests of ``--init`` run."""

from pathlib import Path

from codixr.commands.train import Request
from codixr.model import components

START = Path(components.__file__).parents[1] / "assets" / "tiny"
QUICK = {
    "steps": "2",
    "batch": "4",
    "validate_every": "0",
    "refine_steps": "0",
    "tracker": "none",
}


def request(out: Path, stage: str, init: Path | None = START, **changes: object) -> Request:
    """A stage on twelve studies of the phantom, from the embedded model or another."""
    values: dict[str, object] = {"settings": QUICK, "limit": 12, "threads": 1, "init": init}
    return Request(stage=stage, preset="tiny", data="phantom", out=out, **(values | changes))  # type: ignore[arg-type]
