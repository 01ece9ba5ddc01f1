"""Any diffusers pipeline: ``--model diffusers:FOLDER``, or ``diffusers:ORG/NAME[@REVISION]``.

Text-to-image pipelines make F or L from T; those that take an ``image`` make it from the other view
as well. The report is the prompt, as it is (a text encoder cuts it at its own limit); where a task
has no T the prompt is empty. Colour becomes grey by luma (0.299 R + 0.587 G + 0.114 B); pictures
are resized to the track's size. Each study has a generator of its own, seeded by its seed.
"""

import inspect
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PILImage

from codixr.data.study import Image
from codixr.errors import InputError
from codixr.modality import Modality
from codixr_bench.model import Conditions, Content, Sample
from codixr_bench.models.local_folder import (
    find_folder,
    folder_sha256,
    no_questions,
    read_json,
    refuse_code,
)
from codixr_bench.models.placing import PlacedModel, Steps
from codixr_bench.task import Task

INDEX = "model_index.json"
_LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)


class DiffusersModel(PlacedModel):
    """A pipeline that takes a prompt, an image, or both, and gives images.

    Args:
        checkpoint: the pipeline's folder, as ``save_pretrained`` writes it.
        steps: denoising steps; the pipeline's own default without.
        guidance: guidance scale; likewise.
        trust_code: run the pipeline's own code, which stands in the folder (``--trust-code``).

    Raises InputError for a folder that is none, a pipeline that takes neither a prompt nor an
    image, and one that needs more than these two (a mask, a class).
    """

    summary = "a diffusers pipeline's folder, or its name on the hub: diffusers:FOLDER"

    def __init__(
        self,
        checkpoint: Path | None = None,
        *,
        steps: int | None = None,
        guidance: float | None = None,
        trust_code: bool = False,
    ) -> None:
        found = find_folder("diffusers", checkpoint, INDEX, "my_pipeline", trusted=trust_code)
        folder = found.path
        kind = read_json(folder / INDEX).get("_class_name")
        if kind == "CoDiXRPipeline":
            raise InputError(f"'{folder}' is a checkpoint of codixr: write --model codixr:{folder}")
        self.pipeline = _load(folder, trusted=trust_code)
        self._takes = _parameters(self.pipeline, folder)
        self._needs_image = _needs_image(self.pipeline, self._takes)
        self.name = found.name
        self.checkpoint_sha256 = folder_sha256(folder)
        self.version = self.checkpoint_sha256[:8]
        self._side: int | None = None
        self.settings = {
            "pipeline": type(self.pipeline).__name__,
            **found.source,
            **({"trust_code": True} if trust_code else {}),
        }
        for name, value in (("num_inference_steps", steps), ("guidance_scale", guidance)):
            if name in self._takes:
                default = self._takes[name].default
                self.settings[name] = value if value is not None else default
            elif value is not None:
                raise InputError(f"'{folder}': this pipeline has no {name}")
        # It paints pictures black that it finds unsafe, which scores them as failures of the model.
        if getattr(self.pipeline, "safety_checker", None) is not None:
            self.pipeline.safety_checker = None
            self.settings["safety_checker"] = "off"

    def use_image_size(self, side: int | None) -> None:
        """The side of the pictures that are asked for; None keeps the pipeline's own."""
        self._side = side
        self.settings["image_size"] = side

    def supports(self, task: Task) -> bool:
        """One picture, from a report where a prompt is taken, from a view where an image is."""
        if len(task.outputs) != 1 or not task.outputs[0].is_image:
            return False
        views = [modality for modality in task.inputs if modality.is_image]
        if "image" not in self._takes if views else self._needs_image:
            return False
        return "prompt" in self._takes or Modality.T not in task.inputs

    def generate(
        self, conditions: Sequence[Conditions], task: Task, seeds: Sequence[int]
    ) -> list[Sample]:
        """Pictures [1, S, S] of ``task.outputs[0]``, one a study."""
        import torch

        arguments: dict[str, Any] = {
            name: self.settings[name]
            for name in ("num_inference_steps", "guidance_scale")
            if name in self.settings
        }
        # Drawn on the CPU: a study's noise is then the same on every device.
        self.placed()
        arguments["generator"] = [torch.Generator().manual_seed(seed) for seed in seeds]
        if "prompt" in self._takes:
            arguments["prompt"] = [str(one.get(Modality.T, "")) for one in conditions]
        view = next((modality for modality in task.inputs if modality.is_image), None)
        if view is not None:
            arguments["image"] = [as_rgb(one[view], self._input_side()) for one in conditions]
        if self._tell is not None and "callback_on_step_end" in self._takes:
            arguments["callback_on_step_end"] = _telling(self._tell)
        with torch.inference_mode():
            made = self.pipeline(**arguments, output_type="np").images
        output = task.outputs[0]
        return [{output: as_grey(picture, self._side)} for picture in np.asarray(made)]

    def network(self) -> Any:
        """The pipeline."""
        return self.pipeline

    def _input_side(self) -> int | None:
        """The side that the pipeline was trained at, where its parts say so."""
        network = getattr(self.pipeline, "unet", None) or getattr(
            self.pipeline, "transformer", None
        )
        size = getattr(getattr(network, "config", None), "sample_size", None)
        return size * int(getattr(self.pipeline, "vae_scale_factor", 1)) if size else None


def as_grey(picture: NDArray[np.floating], side: int | None) -> Image:
    """[H, W, 1 or 3] in [0, 1] -> float32 [1, side, side]; InputError for one that isn't square."""
    pixels = np.asarray(picture, dtype=np.float32)
    grey = pixels[..., 0] if pixels.shape[-1] == 1 else pixels @ _LUMA
    height, width = grey.shape
    if height != width:
        raise InputError(f"the pipeline's pictures are {width}×{height}; square ones are needed")
    if side is not None and side != height:
        small = PILImage.fromarray(grey).resize((side, side), PILImage.Resampling.BILINEAR)
        grey = np.array(small, dtype=np.float32)
    return np.asarray(grey.clip(0.0, 1.0), dtype=np.float32)[None]


def as_rgb(content: Content, side: int | None) -> PILImage.Image:
    """A view [1, S, S] in [0, 1] -> an 8-bit RGB picture of ``side``."""
    if isinstance(content, str):
        raise TypeError("a view is needed, not text")
    picture = PILImage.fromarray(np.rint(content[0] * 255.0).astype(np.uint8)).convert("RGB")
    if side is not None and picture.size != (side, side):
        picture = picture.resize((side, side), PILImage.Resampling.BILINEAR)
    return picture


def _load(folder: Path, *, trusted: bool) -> Any:
    import diffusers
    import transformers as library
    from diffusers import DiffusionPipeline, pipelines
    from diffusers.utils import logging
    from transformers.utils import logging as transformers_logging

    for talks in (logging, transformers_logging):
        talks.set_verbosity_error()
        talks.disable_progress_bar()
    # A safety checker's library is the folder of diffusers' pipeline that it belongs to.
    known = {name: getattr(pipelines, name) for name in dir(pipelines) if name[0] != "_"}
    if not trusted:
        refuse_code("diffusers", folder, known | {"diffusers": diffusers, "transformers": library})
    try:
        with no_questions():
            pipeline = DiffusionPipeline.from_pretrained(
                folder, local_files_only=True, trust_remote_code=trusted, use_safetensors=True
            )
    except Exception as error:
        # Whatever is wrong with a folder of several libraries' files, it comes out of here.
        first = str(error).strip().splitlines()[0] if str(error).strip() else ""
        raise InputError(
            f"model 'diffusers:{folder}': diffusers cannot load it: {type(error).__name__}: {first}"
        ) from error
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def _telling(tell: Steps) -> Callable[..., dict[str, Any]]:
    """diffusers' callback after a step."""

    def after(pipeline: Any, step: int, timestep: Any, tensors: dict[str, Any]) -> dict[str, Any]:
        of = int(getattr(pipeline, "num_timesteps", 0) or step + 1)
        tell(min(step + 1, of), of)
        return tensors

    return after


def _parameters(pipeline: Any, folder: Path) -> dict[str, inspect.Parameter]:
    """The pipeline's arguments; InputError where the benchmark cannot serve them."""
    kind = type(pipeline).__name__
    takes = dict(inspect.signature(pipeline.__call__).parameters)
    if not {"prompt", "image"} & set(takes):
        raise InputError(
            f"'{folder}': a {kind} takes neither a prompt nor an image, so it can follow no input"
        )
    if "generator" not in takes:
        raise InputError(f"'{folder}': a {kind} takes no generator, so a study has no seed")
    more = [
        name for name, one in takes.items() if _required(one) and name not in ("prompt", "image")
    ]
    if more:
        raise InputError(f"'{folder}': a {kind} needs {', '.join(more)} too, which no task gives")
    return takes


def _needs_image(pipeline: Any, takes: dict[str, inspect.Parameter]) -> bool:
    """Whether it cannot do without an image: its default of None says nothing of that."""
    from diffusers.pipelines.auto_pipeline import AUTO_TEXT2IMAGE_PIPELINES_MAPPING

    makes_from_text = isinstance(pipeline, tuple(AUTO_TEXT2IMAGE_PIPELINES_MAPPING.values()))
    return "image" in takes and (_required(takes["image"]) or not makes_from_text)


def _required(parameter: inspect.Parameter) -> bool:
    positional = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return parameter.default is inspect.Parameter.empty and parameter.kind not in positional
