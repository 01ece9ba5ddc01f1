"""Tiny random models in their libraries' own folders."""

import json
from pathlib import Path

import torch

WORDS = ["no", "acute", "disease", "effusion", "edema", "lungs", "are", "clear", "opacity", "."]


def text_to_image(folder: Path) -> Path:
    """A Stable Diffusion pipeline of 16×16 pictures, two steps by default."""
    from diffusers import StableDiffusionPipeline

    return _stable_diffusion(StableDiffusionPipeline, folder)


def image_to_image(folder: Path) -> Path:
    """The same parts, from a picture and a prompt."""
    from diffusers import StableDiffusionImg2ImgPipeline

    return _stable_diffusion(StableDiffusionImg2ImgPipeline, folder)


def unconditional(folder: Path) -> Path:
    """A pipeline that follows nothing."""
    from diffusers import DDPMPipeline, DDPMScheduler, UNet2DModel

    unet = UNet2DModel(
        sample_size=8,
        in_channels=1,
        out_channels=1,
        block_out_channels=(8,),
        down_block_types=("DownBlock2D",),
        up_block_types=("UpBlock2D",),
        norm_num_groups=2,
    )
    DDPMPipeline(unet=unet, scheduler=DDPMScheduler()).save_pretrained(folder)
    return folder


def image_to_text(folder: Path, *, sampling: bool = False) -> Path:
    """A vision encoder-decoder: ViT to GPT-2, a vocabulary of a few words."""
    from transformers import (
        GPT2Config,
        PreTrainedTokenizerFast,
        VisionEncoderDecoderConfig,
        VisionEncoderDecoderModel,
        ViTConfig,
        ViTImageProcessor,
    )

    torch.manual_seed(0)
    ids = dict.fromkeys(["<pad>", "<s>", "</s>", "<unk>", *WORDS])
    tokenizer = _word_tokenizer({word: i for i, word in enumerate(ids)})
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", bos_token="<s>", eos_token="</s>"
    )
    config = VisionEncoderDecoderConfig.from_encoder_decoder_configs(
        ViTConfig(
            hidden_size=16,
            num_hidden_layers=1,
            num_attention_heads=2,
            intermediate_size=16,
            image_size=16,
            patch_size=8,
            initializer_range=1.0,
        ),
        GPT2Config(
            vocab_size=len(ids),
            n_embd=16,
            n_layer=1,
            n_head=2,
            n_positions=16,
            initializer_range=1.0,
            add_cross_attention=True,
            is_decoder=True,
        ),
    )
    model = VisionEncoderDecoderModel(config)
    model.generation_config.update(
        decoder_start_token_id=1, pad_token_id=0, eos_token_id=2, max_new_tokens=6,
        do_sample=sampling,
    )  # fmt: skip
    model.save_pretrained(folder)
    fast.save_pretrained(folder)
    ViTImageProcessor(size={"height": 16, "width": 16}).save_pretrained(folder)
    return folder


def picture_and_text(folder: Path) -> Path:
    """A CLIP of pictures of 16x16 and texts of 8 words."""
    from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel, PreTrainedTokenizerFast

    torch.manual_seed(0)
    words = ["<pad>", "<unk>", "<s>", "</s>", *WORDS, "No", "Edema", ","]
    ids = {word: i for i, word in enumerate(dict.fromkeys(words))}
    small = {"hidden_size": 16, "intermediate_size": 16, "num_attention_heads": 2}
    text = small | {
        "vocab_size": len(ids),
        "max_position_embeddings": 8,
        "num_hidden_layers": 1,
        "eos_token_id": 3,
        "bos_token_id": 2,
        "pad_token_id": 0,
    }
    view = small | {"image_size": 16, "patch_size": 8, "num_hidden_layers": 1}
    CLIPModel(CLIPConfig(text_config=text, vision_config=view, projection_dim=8)).save_pretrained(
        folder
    )
    PreTrainedTokenizerFast(
        tokenizer_object=_word_tokenizer(ids),
        pad_token="<pad>",
        unk_token="<unk>",
        eos_token="</s>",
        model_max_length=8,
    ).save_pretrained(folder)
    side = {"height": 16, "width": 16}
    CLIPImageProcessor(size=side, crop_size=side).save_pretrained(folder)
    return folder


def text_model(folder: Path) -> Path:
    """A BERT: it reads no picture."""
    from transformers import BertConfig, BertModel

    BertModel(
        BertConfig(
            vocab_size=20,
            hidden_size=8,
            num_hidden_layers=1,
            num_attention_heads=1,
            intermediate_size=8,
        )
    ).save_pretrained(folder)
    return folder


def _word_tokenizer(ids: dict[str, int]):
    from tokenizers import Tokenizer, models, pre_tokenizers

    tokenizer = Tokenizer(models.WordLevel(ids, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    return tokenizer


def _stable_diffusion(kind: type, folder: Path) -> Path:
    from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

    torch.manual_seed(0)
    letters = [chr(code) for code in range(33, 127)]
    tokens = [*letters, *(letter + "</w>" for letter in letters)]
    tokens += ["<|startoftext|>", "<|endoftext|>"]
    folder.mkdir(parents=True)
    vocabulary, merges = folder / "vocab.json", folder / "merges.txt"
    vocabulary.write_text(json.dumps({token: i for i, token in enumerate(tokens)}))
    merges.write_text("#version: 0.2\n")
    tokenizer = CLIPTokenizer(str(vocabulary), str(merges), model_max_length=16)
    text = CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(tokens),
            hidden_size=16,
            intermediate_size=16,
            num_hidden_layers=1,
            num_attention_heads=2,
            max_position_embeddings=16,
            bos_token_id=len(tokens) - 2,
            eos_token_id=len(tokens) - 1,
            pad_token_id=len(tokens) - 1,
        )
    )
    unet = UNet2DConditionModel(
        sample_size=8,
        block_out_channels=(8, 16),
        layers_per_block=1,
        norm_num_groups=2,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=16,
        attention_head_dim=2,
    )
    vae = AutoencoderKL(
        block_out_channels=(8, 8),
        norm_num_groups=2,
        latent_channels=4,
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        sample_size=16,
    )
    kind(
        vae=vae,
        text_encoder=text,
        tokenizer=tokenizer,
        unet=unet,
        scheduler=DDIMScheduler(steps_offset=1, clip_sample=False),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    ).save_pretrained(folder)
    for file in (vocabulary, merges):
        file.unlink()
    return folder
