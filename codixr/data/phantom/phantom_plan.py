"""The simulated studies in prepared form: the same kind of folder that real data become."""

from dataclasses import dataclass

from codixr.data.manifest import Step
from codixr.data.phantom.dataset import SIZES, SPLIT_SIZES, PhantomDataset
from codixr.data.phantom.render import VERSION
from codixr.data.preparation_plan import Made, Plan
from codixr.data.shard_file import Row
from codixr.data.sizes import PHANTOM_TRACKS
from codixr.data.study import Split
from codixr.errors import InputError


@dataclass(frozen=True, slots=True)
class PhantomMaker:
    """(split, index) → its row, rendered on the spot."""

    seed: int
    size: int

    def __call__(self, item: tuple[Split, int]) -> Made:
        """The study at ``index`` of the split."""
        split, index = item
        return Made(Row(PhantomDataset(split, size=self.size, seed=self.seed)[index]))


def plan_phantom(seed: int = 0, size: int = 64, limit: int | None = None) -> Plan:
    """All simulated studies, or the first ``limit`` of each split.

    InputError for a size other than 64 or 256, a negative seed, a limit under 1.
    """
    if size not in SIZES:
        raise InputError(f"--image-size {size}: use 64 or 256")
    if seed < 0 or (limit is not None and limit < 1):
        raise InputError(
            f"--seed {seed} and --limit {limit}: use a seed of 0 and a limit of 1 or more"
        )
    counts = {split: n if limit is None else min(n, limit) for split, n in SPLIT_SIZES.items()}
    total = sum(SPLIT_SIZES.values())
    left_out = total - sum(counts.values())
    return Plan(
        track=PHANTOM_TRACKS[size],
        version=VERSION,
        simulated=True,
        image_size=size,
        recipe={"seed": seed, "limit": limit},
        items={split: [(split, i) for i in range(n)] for split, n in counts.items()},
        make=PhantomMaker(seed, size),
        ledger=(
            Step(
                name="simulated",
                unit="studies",
                before=total,
                after=total - left_out,
                removed={"over --limit": left_out} if left_out else {},
            ),
        ),
    )
