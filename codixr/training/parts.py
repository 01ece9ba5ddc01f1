"""Which stages make and change which component, and what a folder lacks to be a finished model."""

import shlex
from collections.abc import Iterable
from typing import TYPE_CHECKING

from codixr.errors import InputError
from codixr.training.recipes import STAGES

if TYPE_CHECKING:
    from codixr.training.folder import TrainingFolder

MAKERS = {
    "image_vae": "image-vae",
    "prompt_encoder": "prompt-encoders",
    "report_vae": "report-vae",
    "denoiser_f": "image-ldm-F",
    "denoiser_l": "image-ldm-L",
    "denoiser_t": "report-ldm",
}
"""Component -> the stage that makes it."""
CHANGERS: dict[str, tuple[str, ...]] = {
    "image_vae": (),
    "prompt_encoder": ("prompt-wording", "prompt-details", "prompt-lexicon"),
    "report_vae": (),
    "denoiser_f": ("alignment-F+L",),
    "denoiser_l": ("alignment-F+L",),
    "denoiser_t": ("alignment-F+T",),
}
"""Component -> the stages that train it, or a part of it, further."""
ENCODER_STAGES = ("image-vae", "prompt-encoders", "prompt-details", "report-vae")
"""The stages that change what the denoisers work on."""
WORDING = ("prompt-wording", "prompt-lexicon")
"""Stages of the phantom alone: only its findings have wordings of ours."""
ENCODERS = ("image_vae", "prompt_encoder", "report_vae")
"""What the denoisers' stages run, or have cached."""


def stage_words(stage: str) -> str:
    """A stage as ``codixr train`` takes it."""
    words = {
        "image-ldm-F": "image-ldm --view F",
        "image-ldm-L": "image-ldm --view L",
        "alignment-F+L": "alignment --pair F+L",
        "alignment-F+T": "alignment --pair F+T",
    }
    return words.get(stage, stage)


def stage_command(stage: str, folder: "TrainingFolder") -> str:
    """The command line that runs a stage of a folder, on the studies that it was opened with."""
    limit = "" if folder.limit is None else f" --limit {folder.limit}"
    return (
        f"`codixr train {stage_words(stage)} --preset {folder.preset.name} "
        f"--data {shlex.quote(folder.data)} --out {shlex.quote(str(folder.out))}{limit}`"
    )


def not_finished(folder: "TrainingFolder", name: str, needed_by: str) -> InputError:
    """The error for a component that no stage has made: which command makes it."""
    maker = MAKERS[name]
    command = stage_command(maker, folder)
    if name == "image_vae" and folder.preset.name == "paper":
        command = "--init FOLDER, a converted checkpoint with Stable Diffusion's"
    return InputError(f"{needed_by} needs {maker}, which is not finished: first {command}")


def check_order(folder: "TrainingFolder", stages: Iterable[str]) -> None:
    """InputError where one of ``stages`` would change what a later, finished one builds on.

    It has trained the same component since, or was trained with it as it is. Before the first of
    them runs: what it makes would not fit what is there.
    """
    for stage in (s for s in stages if folder.done(s) is None):
        for name, maker in MAKERS.items():
            chain = (maker, *CHANGERS[name])
            if stage not in chain:
                continue
            again = [s for s in chain[chain.index(stage) + 1 :] if folder.done(s) is not None]
            # A lesson in wording leaves the vectors that others know.
            using = [] if stage in WORDING else _trained_with(folder, name, behind=stage)
            later = again or [s for s in using if s not in chain]
            if not later:
                continue
            cure = "give another --out"
            if folder.init is None:
                places = " and ".join(str(folder.stage_folder(other)) for other in later)
                cure += f", or remove {places} to train that again behind it"
            were = "were" if len(later) > 1 else "was"
            done = "which has trained it" if again else f"which {were} trained with it"
            raise InputError(
                f"{stage} would train {name} before {', '.join(later)}, {done} in {folder.out} "
                f"already: {cure}"
            )


def _trained_with(folder: "TrainingFolder", part: str, behind: str) -> list[str]:
    """The finished stages that come behind a stage and had a component among their inputs."""
    notes = {stage: folder.done(stage) for stage in STAGES[STAGES.index(behind) + 1 :]}
    return [stage for stage, note in notes.items() if note and part in note["inputs"]]


def lacks(folder: "TrainingFolder") -> str:
    """Why a folder and its ``--init`` make no finished model together; "" where they do.

    An encoder made anew makes other latents or vectors than those that the denoisers of ``--init``
    know: they have to be trained on them first.
    """
    if missing := [name for name in MAKERS if not folder.has(name)]:
        return f"neither it nor --init {folder.init} has {', '.join(missing)}"
    anew = [stage for stage in ENCODER_STAGES if folder.done(stage) is not None]
    old = [
        name
        for name, stage in MAKERS.items()
        if name not in ENCODERS and folder.done(stage) is None
    ]
    if anew and old:
        return f"{', '.join(old)} of --init {folder.init} don't know what {anew[-1]} made"
    return ""
