"""Whole checkpoints: what opens them, what they open, and what is refused."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from transformers import (
    BertModel,
    CLIPConfig,
    CLIPModel,
    CLIPTextModelWithProjection,
    CLIPVisionModelWithProjection,
    GPT2LMHeadModel,
)

from codixr.errors import InputError
from codixr.model import components, pretrained
from codixr.model.pipeline import CoDiXRPipeline
from codixr.model.presets import TokenizerConfig
from codixr.model.tokenizer import (
    Tokenizers,
    load_tokenizers,
    save_tokenizers,
    with_ends,
    word_tokenizer,
)


def test_the_libraries_open_their_folders_directly(
    checkpoint: Path, pipe: CoDiXRPipeline, tmp_path: Path
) -> None:
    plain = replace(pipe.preset.prompt, stem_widths=())
    encoder = components.BUILDERS["prompt_encoder"](replace(pipe.preset, prompt=plain))
    components.save_component(encoder, tmp_path)
    for ours, opened in (
        (pipe.denoisers["F"].unet, UNet2DConditionModel.from_pretrained(checkpoint / "denoiser_f")),
        (pipe.image_vae.autoencoder, AutoencoderKL.from_pretrained(checkpoint / "image_vae")),
        (encoder.text, CLIPTextModelWithProjection.from_pretrained(tmp_path / "text")),
        (encoder.vision, CLIPVisionModelWithProjection.from_pretrained(tmp_path / "vision")),
        (pipe.report_vae.encoder, BertModel.from_pretrained(checkpoint / "report_vae/encoder")),
        (
            pipe.report_vae.decoder,
            GPT2LMHeadModel.from_pretrained(checkpoint / "report_vae/decoder"),
        ),
    ):
        state = opened.state_dict()
        for name, tensor in ours.state_dict().items():
            assert torch.equal(tensor, state[name].to(tensor.dtype)), name


def test_saving_in_shards_and_loading_in_half_precision_keep_the_numbers(
    pipe: CoDiXRPipeline, tmp_path: Path
) -> None:
    pipe.save_pretrained(tmp_path, torch_dtype=torch.float16, max_shard_size="1MB")
    assert len(list((tmp_path / "denoiser_f").glob("*-of-*.safetensors"))) > 2
    again = CoDiXRPipeline.from_pretrained(tmp_path, torch_dtype=torch.float16)
    assert again.dtype is torch.float16
    for name, module in pipe.modules.items():
        for a, b in zip(module.parameters(), again.modules[name].parameters(), strict=True):
            assert torch.equal(a.to(torch.float16), b)
    assert (tmp_path / "README.md").read_text().startswith("---\n")
    next((tmp_path / "denoiser_f").glob("*-00002-of-*.safetensors")).unlink()
    with pytest.raises(InputError, match=r"lacks .*00002"):
        CoDiXRPipeline.from_pretrained(tmp_path)


def test_a_half_written_folder_is_refused_and_an_interrupted_save_leaves_one(
    pipe: CoDiXRPipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipe.save_pretrained(tmp_path)
    monkeypatch.setattr(
        pretrained, "save_tokenizers", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt)
    )
    with pytest.raises(KeyboardInterrupt):
        pipe.save_pretrained(tmp_path)
    with pytest.raises(InputError, match="is half-written"):
        CoDiXRPipeline.from_pretrained(tmp_path)


def test_a_hub_that_cannot_be_reached_says_how_to_bring_the_folder(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import huggingface_hub

    def offline(*_args: object, **_options: object) -> str:
        raise OSError("no route to host")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", offline)
    with pytest.raises(InputError, match=r"hf download lab/model --revision v1 --local-dir DIR"):
        CoDiXRPipeline.from_pretrained("lab/model", revision="v1")


def test_a_hub_s_snapshot_is_pinned_and_read(
    checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import huggingface_hub

    asked = {}

    def download(name: str, revision: str | None, allow_patterns: list[str]) -> str:
        asked[name] = revision
        return str(checkpoint)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    assert pretrained.find("lab/model", "abc123") == checkpoint
    assert asked == {"lab/model": "abc123"}


def test_three_tokenizers_live_in_three_folders_and_one_in_one(tmp_path: Path) -> None:
    one, two, three = (word_tokenizer([text]) for text in ("a", "b c", "d e f"))
    config = TokenizerConfig("tokenizer", "report_encoder_tokenizer", "report_decoder_tokenizer")
    save_tokenizers(Tokenizers(one, two, three), config, tmp_path)
    again = load_tokenizers(config, tmp_path)
    lengths = [len(t) for t in (again.prompt, again.report_encoder, again.report_decoder)]
    assert lengths == [5, 6, 7]
    shutil.rmtree(tmp_path / "report_decoder_tokenizer")
    with pytest.raises(InputError, match=r"lacks .*report_decoder_tokenizer"):
        load_tokenizers(config, tmp_path)
    same = load_tokenizers(TokenizerConfig(), tmp_path)
    assert same.prompt is same.report_decoder


def test_gpt_2_s_vocabulary_gets_its_ends_in_optimus_order(tmp_path: Path) -> None:
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import AutoTokenizer, PreTrainedTokenizerFast

    core = Tokenizer(models.WordLevel({"clear": 0, "lungs": 1, "x": 2}, unk_token="x"))
    core.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer = with_ends(PreTrainedTokenizerFast(tokenizer_object=core), "<PAD>", "<BOS>", "<EOS>")
    tokenizer.save_pretrained(tmp_path)
    again = AutoTokenizer.from_pretrained(tmp_path)
    assert (again.pad_token_id, again.bos_token_id, again.eos_token_id) == (3, 4, 5)
    assert again(["clear lungs", "clear"], padding=True)["input_ids"] == [
        [4, 0, 1, 5],
        [4, 0, 5, 3],
    ]


def test_other_projects_parts_load_in_place_of_ours(
    checkpoint: Path, pipe: CoDiXRPipeline, tmp_path: Path
) -> None:
    torch.manual_seed(5)
    unet = UNet2DConditionModel(**pipe.preset.image_unet)
    unet.save_pretrained(tmp_path / "unet")
    vae = AutoencoderKL(
        block_out_channels=(8, 8, 8, 8),
        down_block_types=["DownEncoderBlock2D"] * 4,
        up_block_types=["UpDecoderBlock2D"] * 4,
        norm_num_groups=4,
        latent_channels=12,
    )
    vae.save_pretrained(tmp_path / "vae")
    tower = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 4}
    vocabulary = {
        "vocab_size": len(pipe.tokenizer),
        "pad_token_id": 0,
        "bos_token_id": 1,
        "eos_token_id": 2,
    }
    clip = CLIPModel(
        CLIPConfig(
            text_config={**tower, **vocabulary},
            vision_config={**tower, "image_size": 32, "patch_size": 16},
            projection_dim=256,
        )
    )
    clip.save_pretrained(tmp_path / "clip")
    pipe.tokenizer.save_pretrained(tmp_path / "clip")
    places = {
        "image_vae": tmp_path / "vae",
        "denoiser_f": tmp_path / "unet",
        "prompt_encoder": tmp_path / "clip",
    }
    mixed = CoDiXRPipeline.from_pretrained(checkpoint, components=places)
    for name, ours, theirs in (
        ("vae", mixed.image_vae.autoencoder, vae),
        ("unet", mixed.denoisers["F"].unet, unet),
        ("clip", mixed.prompt_encoder.vision, clip),
    ):
        state = theirs.state_dict()
        for key, tensor in ours.state_dict().items():
            assert torch.equal(tensor, state[key]), (name, key)
    kept, old = mixed.denoisers["F"].environment, pipe.denoisers["F"].environment
    assert torch.equal(kept.encoder.out.weight, old.encoder.out.weight)
    mixed.save_pretrained(tmp_path / "mixed")
    again = CoDiXRPipeline.from_pretrained(tmp_path / "mixed")
    result = again({"T": "the lungs are clear."}, "F", seed=0, num_inference_steps=2)
    assert result.images["F"][0].size == (64, 64)


def test_parts_that_do_not_fit_are_refused(checkpoint: Path, tmp_path: Path) -> None:
    vae = {"norm_num_groups": 4, "block_out_channels": (8,)}
    AutoencoderKL(**vae, latent_channels=12).save_pretrained(tmp_path / "vae")
    AutoencoderKL(**vae).save_pretrained(tmp_path / "narrow")
    load = CoDiXRPipeline.from_pretrained
    with pytest.raises(InputError, match="latent side would be 64, the denoisers take 8"):
        load(checkpoint, components={"image_vae": tmp_path / "vae"})
    with pytest.raises(InputError, match="channels would be 4, the denoisers take 12"):
        load(checkpoint, components={"image_vae": tmp_path / "narrow"})
    with pytest.raises(InputError, match="'vae' is none of"):
        load(checkpoint, components={"vae": tmp_path / "vae"})
    with pytest.raises(InputError, match="cannot be read"):
        load(checkpoint, components={"image_vae": tmp_path / "nowhere"})


@pytest.mark.parametrize(
    "words", [["small", "left", "effusion"], [f"word{i}" for i in range(2000)]]
)
def test_a_tokenizer_of_another_model_is_refused(words: list[str], tmp_path: Path) -> None:
    own = tmp_path / "own"
    shutil.copytree(Path(components.__file__).parents[1] / "assets" / "tiny", own)
    word_tokenizer(words).save_pretrained(own / "tokenizer")
    with pytest.raises(InputError, match=r"prompt's tokenizer has .* of different models"):
        CoDiXRPipeline.from_pretrained(own)
