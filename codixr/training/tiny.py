"""Train the embedded checkpoint: ``python -m codixr.training.tiny STAGE --out DIR``.

Stages, in an order that works: image-vae, prompt-encoders, text-tower, report-vae,
report-vae-refine, image-ldm-F and -L, their refines, report-ldm, alignment-FL, alignment-FT;
then ``export --to FOLDER`` writes float16 weights. Each resumes where it was stopped.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from codixr.data.phantom.dataset import PhantomDataset
from codixr.modality import Modality
from codixr.model import components, presets
from codixr.model.tokenizer import encode, word_tokenizer
from codixr.training import alignment, contrastive, denoising, image_vae, report_vae
from codixr.training.loop import LossFunction, Schedule, train
from codixr.training.studies import TrainingStudies, frozen, image_posteriors, prompt_vectors

SCHEDULES = {
    "image-vae": Schedule(steps=1800, batch=24, learning_rate=1.5e-3, ema=0.995),
    "prompt-encoders": Schedule(steps=1200, batch=128, learning_rate=1.2e-3, ema=0.99),
    "text-tower": Schedule(steps=400, batch=128, learning_rate=1.5e-3, ema=0.98, seed=1),
    "report-vae": Schedule(steps=2600, batch=64, learning_rate=1.5e-3, ema=0.995),
    "report-vae-refine": Schedule(steps=1400, batch=64, learning_rate=8e-4, ema=0.995, seed=1),
    "image-ldm-F": Schedule(steps=2200, batch=64, learning_rate=1e-3, ema=0.998),
    "image-ldm-L": Schedule(steps=2200, batch=64, learning_rate=1e-3, ema=0.998, seed=1),
    "image-ldm-F-refine": Schedule(
        steps=800, batch=64, learning_rate=6e-4, ema=0.99, warmup=0.05, seed=2
    ),
    "image-ldm-L-refine": Schedule(
        steps=800, batch=64, learning_rate=6e-4, ema=0.99, warmup=0.05, seed=3
    ),
    "report-ldm": Schedule(steps=4000, batch=256, learning_rate=1e-3, ema=0.998),
    "alignment-FL": Schedule(steps=400, batch=64, learning_rate=1e-3, ema=0.98),
    "alignment-FT": Schedule(steps=400, batch=64, learning_rate=1e-3, ema=0.98),
}
SUBSETS = ((0,), (1,), (0, 1))
"""``condition_mix``: each other modality alone, and both."""
DROP = 0.1
LatentDraw = Callable[[Tensor, torch.Generator], Tensor]
"""(row numbers [B], generator) -> clean latents [B, ...]."""


class Workshop:
    """The folder a model is trained in, and the parts that are already there."""

    def __init__(self, out: Path, limit: int | None = None) -> None:
        self.out = out
        self.tokenizer = word_tokenizer(PhantomDataset("train").reports())
        index = out / components.INDEX
        self.preset = (
            components.load_preset(out) if index.exists() else presets.tiny(len(self.tokenizer))
        )
        if not index.exists():
            components.save_preset(self.preset, out)
            self.tokenizer.save_pretrained(out / "tokenizer")
        self.studies = TrainingStudies(limit=limit)

    def load(self, name: str) -> torch.nn.Module:
        """A trained, frozen component."""
        return components.load_component(self.preset, name, self.out).requires_grad_(False)

    def tokens(self) -> tuple[Tensor, Tensor]:
        """Token ids and masks of every training report."""
        return encode(self.tokenizer, self.studies.reports, self.preset.prompt.max_tokens)

    def run(
        self, stage: str, module: torch.nn.Module, loss: LossFunction, schedule: Schedule
    ) -> None:
        """Train ``module`` and note what it cost."""
        torch.manual_seed(schedule.seed)
        path = self.out / "checkpoints" / f"{stage}.pt"
        seconds = train(module, loss, len(self.studies), schedule, path)
        print(f"{stage}: {schedule.steps} steps, {seconds:.0f} CPU-s", file=sys.stderr)

    def prompts(self, modality: Modality) -> Tensor:
        """Unit prompt vectors of every training study, computed once."""
        path = self.out / "cache" / f"prompt-{modality}.npy"
        tokens = self.preset.prompt.max_tokens
        return frozen(
            path,
            lambda: prompt_vectors(self.load("prompt_encoder"), self.studies, modality, tokens),  # type: ignore[arg-type]
        )

    @torch.no_grad()
    def null(self, modality: Modality) -> Tensor:
        """The unconditional vector [D] of one kind of prompt: empty text, or an all-zero image."""
        encoder = self.load("prompt_encoder")
        if modality is Modality.T:
            return encoder.encode_text(*encode(self.tokenizer, [""], 77))[0]
        size = self.preset.image_size
        return encoder.encode_image(torch.zeros(1, 1, size, size))[0]


def train_image_vae(shop: Workshop, schedule: Schedule) -> None:
    """Both views through one autoencoder."""
    vae = components.BUILDERS["image_vae"](shop.preset)

    def loss(rows: Tensor, generator: torch.Generator, _progress: float) -> dict[str, Tensor]:
        half = len(rows) // 2
        views = (
            shop.studies.images(Modality.F, rows[:half]),
            shop.studies.images(Modality.L, rows[half:]),
        )
        return image_vae.image_vae_loss(vae, torch.cat(views), generator)

    shop.run("image-vae", vae, loss, schedule)
    some = [shop.studies.images(v, slice(0, 1000)) for v in (Modality.F, Modality.L)]
    image_vae.measure_statistics(vae, torch.cat(some))
    config = vae.autoencoder.config
    autoencoder = dict(shop.preset.image_vae.autoencoder)
    autoencoder |= {"latents_mean": config.latents_mean, "latents_std": config.latents_std}
    shop.preset = replace(
        components.load_preset(shop.out),
        image_vae=replace(shop.preset.image_vae, autoencoder=autoencoder),
    )
    components.save_component(vae, shop.out / "image_vae")
    components.save_preset(shop.preset, shop.out)


def train_prompt_encoders(shop: Workshop, schedule: Schedule) -> None:
    """T-F and T-L contrast."""
    encoder = components.BUILDERS["prompt_encoder"](shop.preset)
    pair = contrastive.ContrastiveLoss(encoder)
    ids, mask = shop.tokens()

    def loss(rows: Tensor, generator: torch.Generator, _progress: float) -> dict[str, Tensor]:
        views = [
            contrastive.augment(shop.studies.images(v, rows), generator)
            for v in (Modality.F, Modality.L)
        ]
        return pair(*views, ids[rows], mask[rows])

    shop.run("prompt-encoders", pair, loss, schedule)
    components.save_component(encoder, shop.out / "prompt_encoder")


def train_text_tower(shop: Workshop, schedule: Schedule) -> None:
    """The text tower alone, against the finished vision tower's vectors: cheap, large batches."""
    encoder = components.BUILDERS["prompt_encoder"](shop.preset)
    encoder.load_state_dict(shop.load("prompt_encoder").state_dict())
    encoder.vision.requires_grad_(False)  # type: ignore[union-attr]
    ids, mask = shop.tokens()
    views = [shop.prompts(m) for m in (Modality.F, Modality.L)]

    def loss(rows: Tensor, _generator: torch.Generator, _progress: float) -> dict[str, Tensor]:
        text = encoder.encode_text(ids[rows], mask[rows])  # type: ignore[operator]
        with_f, with_l = (contrastive.info_nce(view[rows], text, 16.0) for view in views)
        return {"loss": with_f + with_l, "F": with_f.detach(), "L": with_l.detach()}

    shop.run("text-tower", encoder, loss, schedule)
    components.save_component(encoder, shop.out / "prompt_encoder")
    (shop.out / "cache" / "prompt-T.npy").unlink(missing_ok=True)


def train_report_vae(shop: Workshop, schedule: Schedule, *, refine: bool = False) -> None:
    """Reconstruction; beta rises over the first half, words are dropped less in the second.

    ``refine`` goes on from trained weights with a lower beta, so that the latent says more.
    """
    vae = components.BUILDERS["report_vae"](shop.preset)
    if refine:
        vae.load_state_dict(shop.load("report_vae").state_dict())
    ids, mask = shop.tokens()
    unknown = shop.tokenizer.unk_token_id

    def loss(rows: Tensor, generator: torch.Generator, progress: float) -> dict[str, Tensor]:
        return report_vae.report_vae_loss(
            vae,
            ids[rows],
            mask[rows],
            generator,
            beta=0.008 if refine else 0.02 * min(1.0, 2 * progress),
            word_drop=0.2 if refine or progress >= 0.5 else 0.3,
            unknown=unknown,
        )

    shop.run("report-vae-refine" if refine else "report-vae", vae, loss, schedule)
    report_vae.measure_scale(vae, ids, mask)
    components.save_component(vae, shop.out / "report_vae")


def image_latents(shop: Workshop, view: Modality) -> LatentDraw:
    """Draws from the image VAE's posterior of every training picture of ``view``."""
    path = shop.out / "cache" / f"latent-{view}.npy"
    table = frozen(path, lambda: image_posteriors(shop.load("image_vae"), shop.studies, view))  # type: ignore[arg-type]
    return _draws(table, 1.0)


def report_latents(shop: Workshop) -> LatentDraw:
    """Draws from the report VAE's posterior of every training report, its spread halved."""
    vae = shop.load("report_vae")
    ids, mask = shop.tokens()

    @torch.no_grad()
    def posteriors() -> Tensor:
        pairs = zip(ids.split(256), mask.split(256), strict=True)
        both = [vae.posterior(i, m) for i, m in pairs]
        mean, logvar = (torch.cat(part) for part in zip(*both, strict=True))
        return torch.stack([mean, (0.5 * logvar).exp()], 1) * vae.latent_scale

    return _draws(frozen(shop.out / "cache" / "latent-T.npy", posteriors), 0.5)


def _draws(table: Tensor, spread: float) -> LatentDraw:
    def draw(rows: Tensor, generator: torch.Generator) -> Tensor:
        mean, std = table[rows].unbind(1)
        return mean + spread * std * torch.randn(mean.shape, generator=generator)

    return draw


def train_image_ldm(
    shop: Workshop, schedule: Schedule, view: Modality, *, refine: bool = False
) -> None:
    """The denoiser of one view, given T, the other view, or both; ``refine`` goes on from one."""
    other = Modality.L if view is Modality.F else Modality.F
    stage = f"image-ldm-{view}{'-refine' if refine else ''}"
    draw, given = image_latents(shop, view), (Modality.T, other)
    _train_denoiser(shop, stage, view, draw, given, schedule, refine=refine)


def train_report_ldm(shop: Workshop, schedule: Schedule) -> None:
    """The report denoiser, given F, L, or both."""
    given = (Modality.F, Modality.L)
    _train_denoiser(shop, "report-ldm", Modality.T, report_latents(shop), given, schedule)


def train_alignment(shop: Workshop, schedule: Schedule, second: Modality) -> None:
    """F+L given T, or F+T given L: environment parts only, F's frozen in the second."""
    stage, frontal = f"alignment-F{second}", Modality.F
    given = Modality.T if second is Modality.L else Modality.L
    names = [f"denoiser_{m.lower()}" for m in (frontal, second)]
    flows = torch.nn.ModuleList(shop.load(name) for name in names)
    learning = flows if second is Modality.L else flows[1:]
    for flow in learning:
        flow.environment.requires_grad_(True)
    draws = (
        image_latents(shop, frontal),
        image_latents(shop, second) if second.is_image else report_latents(shop),
    )
    prompts, scale = shop.prompts(given), shop.preset.diffusion.context_scale
    abars = denoising.alphas_cumulative(shop.preset.diffusion)

    def loss(rows: Tensor, generator: torch.Generator, _progress: float) -> dict[str, Tensor]:
        latents = (draws[0](rows, generator), draws[1](rows, generator))
        condition = prompts[rows] * scale
        return alignment.alignment_loss(*flows, latents, condition, abars, generator)

    shop.run(stage, flows, loss, schedule)
    for name, flow in zip(names, flows, strict=True):
        components.save_component(flow, shop.out / name)


def _train_denoiser(
    shop: Workshop,
    stage: str,
    made: Modality,
    draw: LatentDraw,
    given: tuple[Modality, Modality],
    schedule: Schedule,
    *,
    refine: bool = False,
) -> None:
    name = f"denoiser_{made.lower()}"
    denoiser = components.BUILDERS[name](shop.preset)
    if refine:
        denoiser.load_state_dict(shop.load(name).state_dict())
    denoiser.environment.requires_grad_(False)  # type: ignore[union-attr]
    prompts = [shop.prompts(m) for m in given]
    nulls = [shop.null(m) for m in given]
    abars = denoising.alphas_cumulative(shop.preset.diffusion)
    scale = shop.preset.diffusion.context_scale

    def loss(rows: Tensor, generator: torch.Generator, _progress: float) -> dict[str, Tensor]:
        some = [p[rows] for p in prompts]
        condition = denoising.mix_conditions(some, nulls, SUBSETS, DROP, generator) * scale
        clean = draw(rows, generator)
        return {"loss": denoising.denoising_loss(denoiser, clean, condition, abars, generator)}

    shop.run(stage, denoiser, loss, schedule)
    components.save_component(denoiser, shop.out / name)


def export(shop: Workshop, folder: Path) -> None:
    """Write the model as float16 safetensors, the form that is shipped."""
    for name in components.BUILDERS:
        module = components.load_component(shop.preset, name, shop.out)
        components.save_component(module, folder / name, torch.float16)
    shop.tokenizer.save_pretrained(folder / "tokenizer")
    components.save_preset(shop.preset, folder)


def main(argv: Sequence[str] | None = None) -> None:
    """Run one stage."""
    parser = argparse.ArgumentParser(description=__doc__)
    torch.set_num_threads(1)  # two threads on a shared machine were slower than one
    parser.add_argument("stage", choices=[*SCHEDULES, "export"])
    parser.add_argument("--out", type=Path, required=True, help="the folder to train in")
    parser.add_argument("--to", type=Path, help="where export writes the model")
    parser.add_argument("--steps", type=int, help="train for so many steps instead")
    parser.add_argument("--limit", type=int, help="train on the first studies only")
    args = parser.parse_args(argv)
    if args.stage == "export" and args.to is None:
        parser.error("export needs --to FOLDER")
    shop = Workshop(args.out, args.limit)
    if args.stage == "export":
        export(shop, args.to)
        return
    schedule = SCHEDULES[args.stage]
    if args.steps:
        schedule = replace(schedule, steps=args.steps)
    if args.stage.startswith("image-ldm"):
        view, refine = Modality(args.stage.split("-")[2]), args.stage.endswith("-refine")
        train_image_ldm(shop, schedule, view, refine=refine)
    elif args.stage.startswith("alignment"):
        train_alignment(shop, schedule, Modality(args.stage[-1]))
    else:
        {
            "image-vae": train_image_vae,
            "prompt-encoders": train_prompt_encoders,
            "text-tower": train_text_tower,
            "report-vae": train_report_vae,
            "report-vae-refine": partial(train_report_vae, refine=True),
            "report-ldm": train_report_ldm,
        }[args.stage](shop, schedule)


if __name__ == "__main__":
    main()
