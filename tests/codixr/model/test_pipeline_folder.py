"""A pipeline's folder as users of diffusers handle it: parts, the hub, swapped schedulers."""

import json
from pathlib import Path
from typing import Any

import diffusers
import pytest
import torch
from diffusers import DiffusionPipeline

from codixr.errors import InputError
from codixr.modality import Modality
from codixr.model import schedulers
from codixr.model.index import save_scheduler
from codixr.model.pipeline import CoDiXRPipeline
from codixr.model.presets import DiffusionConfig
from codixr.model.schedulers import make_scheduler

F, T = Modality.F, Modality.T
TEXT = {"T": "the lungs are clear."}
CALL: dict[str, Any] = {"num_inference_steps": 2, "seed": 3, "output_type": "pt"}


class Hub:
    """Keeps what is sent."""

    sent: dict[str, Any]

    def __init__(self, token: str | None = None) -> None:
        Hub.sent = {"token": token}

    def create_repo(self, name: str, **options: Any) -> str:
        if "/" not in name:
            from huggingface_hub.errors import HFValidationError

            raise HFValidationError("a repository's name is ORG/NAME")
        Hub.sent |= options | {"name": name}
        return f"https://hub.example/{name}"

    def upload_folder(self, *, folder_path: str | Path, **options: Any) -> None:
        folder = Path(folder_path)
        files = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}
        Hub.sent |= options | {"files": files, "card": (folder / "README.md").read_text()}


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> type[Hub]:
    import huggingface_hub

    monkeypatch.setattr(huggingface_hub, "HfApi", Hub)
    return Hub


def test_a_push_to_the_hub_carries_our_card_and_what_was_said(
    pipe: CoDiXRPipeline, hub: type[Hub], tmp_path: Path
) -> None:
    told = {"commit_message": "Epoch 3", "private": True, "token": "t", "create_pr": True}
    address = pipe.push_to_hub("us/model", variant="fp16", torch_dtype="float16", **told)
    assert address == "https://hub.example/us/model"
    assert {key: hub.sent[key] for key in told} == told
    wanted = {"model_index.json", "scheduler/scheduler_config.json"}
    wanted |= {"denoiser_f/diffusion_pytorch_model.fp16.safetensors"}
    assert wanted <= hub.sent["files"]
    assert "library_name: codixr" in hub.sent["card"]
    pipe.save_pretrained(tmp_path / "named", push_to_hub=True, repo_id="us/other")
    assert hub.sent["name"] == "us/other"
    with pytest.raises(InputError, match="the hub did not take model: a repository's name"):
        pipe.push_to_hub("model")


def test_parts_may_be_given_as_objects(pipe: CoDiXRPipeline, tmp_path: Path) -> None:
    pipe.save_pretrained(tmp_path)
    for kind in (CoDiXRPipeline, DiffusionPipeline):
        again = kind.from_pretrained(tmp_path, image_vae=pipe.image_vae, use_safetensors=True)
        assert again.image_vae is pipe.image_vae
        assert torch.equal(again(TEXT, "F", **CALL).images[F], pipe(TEXT, "F", **CALL).images[F])
    other = CoDiXRPipeline.from_pipe(pipe, tokenizer=again.tokenizer)
    assert other.denoiser_f is pipe.denoiser_f
    assert other.tokenizer is again.tokenizer


@pytest.mark.parametrize("name", schedulers.names())
def test_a_scheduler_that_was_saved_is_swapped_as_one_that_was_not(
    tmp_path: Path, name: str
) -> None:
    """Both give what the name gives: no value that nobody chose is kept on disk."""
    config = DiffusionConfig(scheduler="DPMSolverMultistepScheduler")
    by_name = make_scheduler(config, 6, name)
    save_scheduler(make_scheduler(config, 6), tmp_path)
    plain = json.loads((tmp_path / "scheduler_config.json").read_text())
    assert plain["steps_offset"] == 1
    assert "timestep_spacing" not in plain
    saved = diffusers.DPMSolverMultistepScheduler.from_pretrained(tmp_path)
    for own in (saved, make_scheduler(config, 6)):
        swapped = type(by_name).from_config(own.config)
        swapped.set_timesteps(6)
        assert torch.equal(swapped.timesteps, by_name.timesteps)


def stopped(answer: Any) -> Any:
    return lambda *_: answer


def guided(value: Any) -> Any:
    def callback(pipe: Any, *_: Any) -> dict[str, Any]:
        pipe._guidance_scale = value
        return {}

    return callback


CALLBACK = "callback_on_step_end"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({CALLBACK: stopped(5)}, "callback_on_step_end gave a int"),
        (
            {CALLBACK: stopped({"latents": torch.zeros(3)})},
            r"latents of F have to be \(1, 12, 8, 8\)",
        ),
        ({CALLBACK: stopped({"latents": {"L": 3}})}, "give latents of F back"),
        ({CALLBACK: guided(float("nan"))}, "_guidance_scale nan: give a number from 0"),
        ({CALLBACK: guided("big")}, "_guidance_scale 'big': give a number"),
        ({f"{CALLBACK}_tensor_inputs": "latents"}, "tensor_inputs: give a list"),
        ({"return_dict": "no"}, "return_dict 'no': give True or False"),
        ({"strict_length": 1}, "strict_length 1: give True or False"),
        ({"scheduler": diffusers.DDIMScheduler}, "DDIMScheduler: give its name, or an object"),
        ({"scheduler": ""}, "'' is not a scheduler of diffusers"),
        ({"num_images": 3, "num_images_per_prompt": 2}, "num_images or num_images_per_prompt"),
        ({"latents": torch.zeros(1, 12, 8, 8, dtype=torch.long)}, "give floats, not torch.int64"),
    ],
    ids=lambda x: "+".join(x) if isinstance(x, dict) else "",
)
def test_what_a_call_or_its_callback_says_wrongly_is_refused_in_words(
    pipe: CoDiXRPipeline, change: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        pipe(TEXT, "F", **(CALL | change))
    assert pipe(TEXT, "F", **CALL).images[F].shape == (1, 1, 64, 64)


def test_a_callback_may_give_one_tensor_for_one_output(pipe: CoDiXRPipeline) -> None:
    zero = lambda _p, _i, _t, told: {"latents": 0 * told["latents"][F]}  # noqa: E731
    call = CALL | {"output_type": "latent"}
    assert not pipe(TEXT, "F", callback_on_step_end=zero, **call).images[F].any()


@pytest.mark.parametrize(
    ("use", "message"),
    [
        (lambda p, d: p.save_pretrained(d, safe_serialization=False), "safetensors only"),
        (lambda p, d: p.save_pretrained(d, torch_dtype="int3"), "dtype 'int3': one of"),
        (lambda p, d: p.save_pretrained(d, max_shard_size=None), "max_shard_size None"),
        (lambda p, d: p.save_pretrained(d, token="t"), "save_pretrained: it has no token"),
        (lambda p, d: type(p).from_pretrained(None, foo=1), "from_pretrained has no 'foo'"),
        (lambda p, d: type(p).from_pretrained(None, image_vae="vae"), "has to be a ImageVAE"),
        (lambda p, d: type(p).from_pretrained(None, use_safetensors=False), "safetensors only"),
        (lambda p, d: type(p).from_pipe(p, unet=1), "'unet' is not one of prompt_encoder"),
        (lambda p, d: p.encode_prompts(["clear."]), "prompts: give a list of mappings"),
        (lambda p, d: p.encode_prompts([]), "prompts: give a list of mappings"),
        (lambda p, d: p.encode_prompts([{}]), "there is nothing to encode"),
        (lambda p, d: p.encode_prompts([{T: "a"}, {}]), "they have different modalities"),
        (lambda p, d: p.generate([{T: "clear."}], [F], [1, 2]), "2 seeds for 1 prompts"),
    ],
)
def test_what_does_not_fit_is_refused_in_words(
    pipe: CoDiXRPipeline, tmp_path: Path, use: Any, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        use(pipe, tmp_path / "new")
    assert not (tmp_path / "new").exists()
