"""Any image-to-text model of transformers: ``--model transformers:FOLDER``, or of the hub.

Vision encoder-decoders, BLIP, GIT and whatever else ``AutoModelForImageTextToText`` reads from a
picture alone: F→T and L→T. The decoding is the folder's own ``generation_config``; where that says
nothing of a length, 128 new tokens at most.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from codixr.errors import InputError
from codixr.modality import Modality
from codixr_bench.model import Conditions, Sample
from codixr_bench.models.diffusers import as_rgb
from codixr_bench.models.local_folder import (
    find_folder,
    folder_sha256,
    no_questions,
    read_json,
    refuse_code,
)
from codixr_bench.models.placing import PlacedModel, Steps
from codixr_bench.task import Task

CONFIG = "config.json"
NEW_TOKENS = 128
_CLASSES = ("AutoModelForImageTextToText", "AutoModelForCausalLM", "AutoModel")
"""What a folder's own code may be, by transformers' names: the first that its ``auto_map`` has."""


class TransformersModel(PlacedModel):
    """A model that writes a report from one view.

    Args:
        checkpoint: the model's folder, with its image processor and tokenizer.
        new_tokens: the longest report; the folder's own limit without, or 128.
        trust_code: run the model's own code, which stands in the folder (``--trust-code``).

    Raises InputError for a folder that is none, a model of another kind, and a chat model: that
    needs a prompt, hence a class of its own.
    """

    summary = "an image-to-text model's folder, or its name on the hub: transformers:FOLDER"

    def __init__(
        self,
        checkpoint: Path | None = None,
        *,
        new_tokens: int | None = None,
        trust_code: bool = False,
    ) -> None:
        found = find_folder("transformers", checkpoint, CONFIG, "my_model", trusted=trust_code)
        folder = found.path
        if not trust_code:
            refuse_code("transformers", folder, {})
        with no_questions():
            self.model = _load_model(folder, trusted=trust_code)
            self._image_processor, self._tokenizer = _load_processors(folder, trusted=trust_code)
        generation = self.model.generation_config
        limit = new_tokens or generation.max_new_tokens
        # transformers' own default of 20 tokens would cut a report.
        if limit is None and generation.max_length in (None, 20):
            limit = NEW_TOKENS
        self._limit = {} if limit is None else {"max_new_tokens": int(limit)}
        self.uses_seeds = bool(generation.do_sample)
        self.name = found.name
        self.checkpoint_sha256 = folder_sha256(folder)
        self.version = self.checkpoint_sha256[:8]
        self.settings = {
            "model": type(self.model).__name__,
            "sampling": self.uses_seeds,
            "beams": int(generation.num_beams or 1),
            **self._limit,
            **found.source,
            **({"trust_code": True} if trust_code else {}),
        }

    def supports(self, task: Task) -> bool:
        """A report from one view."""
        return task.outputs == (Modality.T,) and task.inputs in ((Modality.F,), (Modality.L,))

    def generate(
        self, conditions: Sequence[Conditions], task: Task, seeds: Sequence[int]
    ) -> list[Sample]:
        """Reports, one a study; one at a time where they are drawn at random."""
        import torch

        on = self.placed()
        pictures = [as_rgb(one[task.inputs[0]], None) for one in conditions]
        if not self.uses_seeds:
            return [{Modality.T: report} for report in self._write(pictures)]
        samples: list[Sample] = []
        kind = {} if on.type == "cpu" else {"device_type": on.type}
        for picture, seed in zip(pictures, seeds, strict=True):
            with torch.random.fork_rng([] if on.type == "cpu" else [on], **kind):
                torch.manual_seed(seed)
                samples.append({Modality.T: self._write([picture])[0]})
                if self._tell is not None:
                    self._tell(len(samples), len(pictures))
        return samples

    def network(self) -> Any:
        """The model."""
        return self.model

    def _write(self, pictures: Sequence[Any]) -> list[str]:
        import torch

        pixels = self._image_processor(images=list(pictures), return_tensors="pt").pixel_values
        with torch.inference_mode():
            tokens = self.model.generate(
                pixel_values=pixels.to(self.model.device, self.model.dtype),
                **self._limit,
                **self._told_by_token(),
            )
        reports = self._tokenizer.batch_decode(tokens, skip_special_tokens=True)
        return [str(report).strip() for report in reports]

    def _told_by_token(self) -> dict[str, Any]:
        """What has ``generate`` say how many tokens are written, where a batch is one call."""
        if self._tell is None or self.uses_seeds:
            return {}
        from transformers import StoppingCriteriaList

        most = int(self._limit.get("max_new_tokens") or self.model.generation_config.max_length)
        return {"stopping_criteria": StoppingCriteriaList([_Counting(self._tell, most)])}


class _Counting:
    """One of transformers' stopping criteria, which never stops: it counts tokens."""

    def __init__(self, tell: Steps, most: int) -> None:
        self._tell = tell
        self._most = most
        self._written = 0

    def __call__(self, ids: Any, *_: Any, **__: Any) -> Any:
        import torch

        self._written += 1
        self._tell(min(self._written, self._most), self._most)
        return torch.zeros(len(ids), dtype=torch.bool, device=ids.device)


def _load_model(folder: Path, *, trusted: bool) -> Any:
    import transformers
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    config = read_json(folder / CONFIG)
    kind, own = config.get("model_type", "unnamed"), config.get("auto_map")
    named = next((one for one in _CLASSES if trusted and own and one in own), _CLASSES[0])
    try:
        model = getattr(transformers, named).from_pretrained(
            folder, use_safetensors=True, **_loading(trusted=trusted)
        )
    except Exception as error:
        # Whatever is wrong with a folder of somebody's files, it comes out of here.
        if "Unrecognized configuration class" in str(error):
            said = f"a {kind} model writes no text from pictures"
        else:
            lines = str(error).strip().splitlines()
            said = (
                f"transformers cannot load it: {type(error).__name__}: {lines[0] if lines else ''}"
            )
        raise InputError(f"model 'transformers:{folder}': {said}") from error
    return model.eval()


def _loading(*, trusted: bool) -> dict[str, bool]:
    """Nothing is downloaded; code of the folder is run where it is trusted only."""
    return {"local_files_only": True, "trust_remote_code": trusted}


def _load_processors(folder: Path, *, trusted: bool) -> tuple[Any, Any]:
    from transformers import AutoImageProcessor, AutoTokenizer

    try:
        processor = AutoImageProcessor.from_pretrained(folder, **_loading(trusted=trusted))
        tokenizer = AutoTokenizer.from_pretrained(folder, **_loading(trusted=trusted))
    except Exception as error:
        lines = str(error).strip().splitlines()
        raise InputError(
            f"model 'transformers:{folder}': its image processor or tokenizer cannot be loaded: "
            f"{lines[0] if lines else type(error).__name__}"
        ) from error
    if tokenizer.chat_template or (folder / "chat_template.jinja").is_file():
        raise InputError(
            f"model 'transformers:{folder}' is a chat model and needs a prompt: put it in a class "
            "of your own (codixr-bench new-model NAME), and ask it there"
        )
    return processor, tokenizer
