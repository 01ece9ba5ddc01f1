"""What a stage needs on each GPU, in bytes and hours, worked out from the preset without weights.

Autocast does nothing on ``meta``: activations are counted in float32, more than bf16 needs, and the
narrow copies that it makes of the weights are added. Gradients lie in what DDP exchanges
(``gradient_as_bucket_view``), so its buckets cost nothing more; sharded, weights, gradients, AdamW
and the average are divided by the GPUs, and what is gathered of the weights is added.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from codixr.training.plan_sizes import Sizes
from codixr.training.settings import resolved
from codixr.training.stage_config import StageConfig

GB = 1e9


@dataclass(frozen=True)
class Machine:
    """What a plan is for."""

    gpus: int = 4
    memory_gb: float = 80.0
    """Of each GPU."""
    sharded: bool = False
    """FSDP in place of DDP."""
    studies: int = 70_000
    """To train on: what epochs are counted by."""
    tflops: float | None = None
    """Operations a second that each GPU keeps up, in 10^12; None where no hours are asked for."""


@dataclass(frozen=True)
class MemoryPlan:
    """Bytes on each GPU, but for ``studies`` and the counts of parameters."""

    stage: str
    learning: int
    """Parameters that are trained."""
    frozen: int
    """Parameters that are only run."""
    weights: float
    """In float32, and autocast's copies where it is on; sharded, what is gathered too."""
    gradients: float
    optimizer: float
    average: float
    beside: float
    """Frozen encoders, where they run at every step; cached, they leave the GPU."""
    activations: float
    """Of one study, kept for the backward pass, with gradient checkpointing where it is on."""
    activations_whole: float
    """The same without gradient checkpointing."""
    working: float
    """What AdamW's update needs for a moment, when the activations are gone."""
    studies: int
    """At once on a GPU."""
    accumulate: int
    checkpointing: bool
    work: float
    """Floating-point operations of the whole stage, over all GPUs."""
    hours: float | None

    @property
    def fixed(self) -> float:
        """What does not grow with the batch."""
        own = self.weights + self.gradients + self.optimizer + self.average
        return own + self.beside

    @property
    def total(self) -> float:
        """The most at once: in the backward pass, or in AdamW's update."""
        return self.fixed + max(self.studies * self.activations, self.working)


def plan(stage: str, sizes: Sizes, config: StageConfig, machine: Machine) -> MemoryPlan:
    """The plan of a stage, with the least accumulation, then checkpointing, that fits.

    A tenth of the memory is left to the libraries. Where nothing fits, the last try stands.
    """
    found = None
    for accumulate, checkpointing in _tries(config, machine.gpus):
        found = _try(stage, sizes, config, machine, accumulate, checkpointing=checkpointing)
        if found.total <= 0.9 * machine.memory_gb * GB:
            break
    assert found is not None
    return found


def _tries(config: StageConfig, gpus: int) -> Iterator[tuple[int, bool]]:
    """(accumulate, whether gradients are checkpointed), the fastest first; what is asked stays."""
    share = config.batch // gpus
    steps = [config.accumulate]
    if config.accumulates and config.accumulate == 1:
        steps = [n for n in range(1, share + 1) if share % n == 0]
    if not config.checkpoint_gradients:
        yield from ((n, False) for n in steps if share // n >= min(8, share))
    yield from ((n, True) for n in steps)


def _try(
    stage: str,
    sizes: Sizes,
    config: StageConfig,
    machine: Machine,
    accumulate: int,
    *,
    checkpointing: bool,
) -> MemoryPlan:
    total = sizes.learning + sizes.frozen
    narrow = config.precision != "no"
    parts = machine.gpus if machine.sharded else 1
    weights = (6.0 if narrow else 4.0) * total
    if machine.sharded:  # the shards, and at once the root, a block and the next one
        weights = 4.0 * total / parts + (2.0 if narrow else 4.0) * (sizes.root + 2 * sizes.block)
    # Computed twice, a forward pass is done twice.
    work = sizes.work + (sizes.work_forward if checkpointing else 0.0)
    done = resolved(config, machine.studies).total_steps * config.batch * work
    rate = None if machine.tflops is None else machine.gpus * machine.tflops * 1e12
    return MemoryPlan(
        stage=stage,
        learning=sizes.learning,
        frozen=sizes.frozen,
        weights=weights,
        gradients=4.0 * sizes.learning / parts,
        optimizer=8.0 * sizes.learning / parts,
        average=4.0 * sizes.learning / parts,
        beside=0.0 if config.cache else (6.0 if narrow else 4.0) * sizes.beside,
        activations=sizes.kept_checkpointed if checkpointing else sizes.kept,
        activations_whole=sizes.kept,
        working=4.0 * sizes.learning / parts,
        studies=config.batch // machine.gpus // accumulate,
        accumulate=accumulate,
        checkpointing=checkpointing,
        work=done,
        hours=None if rate is None else done / rate / 3600,
    )


def table(plans: list[MemoryPlan], machine: Machine) -> str:
    """The plans as a table, GB on each GPU."""
    way = "FSDP" if machine.sharded else "DDP" if machine.gpus > 1 else "alone"
    lines = [
        f"GB on each of {machine.gpus} GPUs of {machine.memory_gb:g} GB ({way}), and the work for "
        f"{machine.studies:,} studies: weights in float32 (and autocast's copies), activations as "
        "kept for the backward pass, counted in float32",
        "",
        "| stage | trained M | frozen M | weights | gradients | AdamW | average | beside | a study "
        "| with checkpointing | studies at once | total | PFLOP | hours | settings |",
        "|---" * 15 + "|",
    ]
    for p in plans:
        settings = []
        if p.accumulate > 1:
            settings.append(f"accumulate={p.accumulate}")
        if p.checkpointing:
            settings.append("checkpoint_gradients=true")
        if p.total > 0.9 * machine.memory_gb * GB:
            settings.append("does not fit: more GPUs" + ("" if machine.sharded else ", or FSDP"))
        numbers = [p.weights, p.gradients, p.optimizer, p.average, p.beside]
        saved = f"{p.activations / GB:.3f}" if p.checkpointing else "-"
        lines.append(
            f"| {p.stage} | {p.learning / 1e6:,.1f} | {p.frozen / 1e6:,.1f} | "
            + " | ".join(f"{n / GB:.1f}" for n in numbers)
            + f" | {p.activations_whole / GB:.3f} | {saved} | {p.studies} | {p.total / GB:.1f} | "
            + f"{p.work / 1e15:,.0f} | {'-' if p.hours is None else f'{p.hours:,.1f}'} | "
            + f"{', '.join(settings) or 'as it is'} |"
        )
    hours = [p.hours for p in plans if p.hours is not None]
    if hours:
        lines += ["", f"{sum(hours):,.1f} hours in all at {machine.tflops:.3g} TFLOP/s a GPU"]
    return "\n".join(lines)
