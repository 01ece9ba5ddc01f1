"""Where each of our weights is in CoDi's files and in XGeM's: module names to module names.

Both are i-Code-V3's modules (``clip``, ``autokl``, ``optimus``, ``diffusion_unet``), with one UNet
for pictures (``unet_image``) or one a view (``unet_frontal``, ``unet_lateral``). The layout follows
from the preset's numbers: the same rules read a released file and a small one made for a test.
"""

from collections.abc import Mapping

from codixr.model.presets import EnvironmentConfig, Preset

_RESNET = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "time_emb_proj": "emb_layers.1",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "conv_shortcut": "skip_connection",
}
"""A residual block: diffusers' names to CoDi's."""
_V_RESNET = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "time": "emb_layers.1",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "skip": "skip_connection",
}
_FC = {
    "norm1": "in_layers.0",
    "linear1": "in_layers.2",
    "time": "emb_layers.1",
    "norm2": "out_layers.0",
    "linear2": "out_layers.3",
    "skip": "skip_connection",
}
_ATTENTION = {
    "norm": "norm",
    "proj_in": "proj_in",
    "block": "transformer_blocks.0",
    "proj_out": "proj_out",
}
Names = dict[str, str]
"""Our module -> the source's module; the longest match counts."""


def source_name(names: Mapping[str, str], weight: str) -> str | None:
    """The source's name of our ``weight``; None when nothing there corresponds."""
    module, leaf = weight, ""
    while module:
        if module in names:
            return names[module] + leaf
        module, _, last = module.rpartition(".")
        leaf = f".{last}{leaf}"
    return None


def component_names(component: str, preset: Preset, unet: str) -> Names:
    """Our modules of one component; ``unet`` is the source's prefix of its UNet."""
    if component == "prompt_encoder":
        return {"text": "clip.model", "vision": "clip.model"}
    if component == "image_vae":
        return _image_vae(preset)
    if component == "report_vae":
        return {
            "encoder": "optimus.encoder",
            "to_posterior": "optimus.encoder.linear",
            "decoder": "optimus.decoder",
            "to_memory": "optimus.decoder.transformer.linear",
            "to_embedding": "optimus.decoder.transformer.linear_emb",
        }
    local = _report_unet(preset) if component == "denoiser_t" else _image_unet(preset)
    return {ours: unet + theirs for ours, theirs in local.items()}


def _add(names: Names, ours: str, theirs: str, inside: Mapping[str, str]) -> None:
    names |= {f"{ours}.{a}": f"{theirs}.{b}" for a, b in inside.items()}


def _image_unet(preset: Preset) -> Names:
    unet, names = preset.image_unet, dict[str, str]()
    per_level, levels = unet["layers_per_block"], len(unet["block_out_channels"])
    names |= {
        "unet.time_embedding.linear_1": "time_embed.0",
        "unet.time_embedding.linear_2": "time_embed.2",
        "unet.conv_in": "input_blocks.0.0",
        "unet.conv_norm_out": "out.0",
        "unet.conv_out": "out.2",
        "unet.mid_block.attentions.0": "middle_block.1",
    }
    _add(names, "unet.mid_block.resnets.0", "middle_block.0", _RESNET)
    _add(names, "unet.mid_block.resnets.1", "middle_block.2", _RESNET)
    attended: list[str] = []
    for level, kind in enumerate(unet["down_block_types"]):
        for j in range(per_level):
            ours, index = f"unet.down_blocks.{level}", 1 + level * (per_level + 1) + j
            _add(names, f"{ours}.resnets.{j}", f"input_blocks.{index}.0", _RESNET)
            names[f"{ours}.attentions.{j}"] = f"input_blocks.{index}.1"
            if "CrossAttn" in kind:
                attended.append(f"input_block_connecters_in.{index}.0")
        last = f"input_blocks.{(level + 1) * (per_level + 1)}.0.op"
        names[f"unet.down_blocks.{level}.downsamplers.0.conv"] = last
    for level, kind in enumerate(unet["up_block_types"]):
        for j in range(per_level + 1):
            ours, index = f"unet.up_blocks.{level}", level * (per_level + 1) + j
            _add(names, f"{ours}.resnets.{j}", f"output_blocks.{index}.0", _RESNET)
            names[f"{ours}.attentions.{j}"] = f"output_blocks.{index}.1"
            if "CrossAttn" in kind:
                attended.append(f"output_block_connecters_in.{index}.0")
        place = 2 if "CrossAttn" in kind else 1
        last = f"output_blocks.{level * (per_level + 1) + per_level}.{place}.conv"
        if level < levels - 1:
            names[f"unet.up_blocks.{level}.upsamplers.0.conv"] = last
    _cross_modal(names, attended)
    v, theirs = "environment.encoder", "connecters_out"
    depth = len(preset.image_environment.channel_mult)
    for level in range(depth):
        _add(names, f"{v}.blocks.{level}", f"{theirs}.{1 + 2 * level}.0", _V_RESNET)
        names[f"{v}.downs.{level}"] = f"{theirs}.{2 + 2 * level}.0.op"
    names |= {
        f"{v}.stem": f"{theirs}.0.0",
        f"{v}.norm": f"{theirs}.{2 * depth}.0",
        f"{v}.out": f"{theirs}.{2 * depth}.2",
    }
    return names


def _report_unet(preset: Preset) -> Names:
    unet = preset.report_unet
    per_level, levels = unet.blocks_per_level, len(unet.channel_mult)
    names = {
        "unet.time.mlp.linear_1": "time_embed.0",
        "unet.time.mlp.linear_2": "time_embed.2",
        "unet.stem": "input_blocks.0.0",
        "unet.norm": "out.0",
        "unet.out": "out.2",
    }
    _add(names, "unet.middle.0.residual", "middle_block.0", _FC)
    _add(names, "unet.middle.0.attention", "middle_block.1", _ATTENTION)
    _add(names, "unet.middle.1.residual", "middle_block.2", _FC)
    attended: list[str] = []
    for level in range(levels):
        for j in range(per_level):
            ours, index = f"unet.down.{level * per_level + j}", 1 + level * (per_level + 1) + j
            _add(names, f"{ours}.residual", f"input_blocks.{index}.0", _FC)
            _add(names, f"{ours}.attention", f"input_blocks.{index}.1", _ATTENTION)
            if level in unet.attention_levels:
                attended.append(f"input_block_connecters_in.{index}.0")
        names[f"unet.shrink.{level}"] = f"input_blocks.{(level + 1) * (per_level + 1)}.0"
    for step in range(levels):
        level = levels - 1 - step
        for j in range(per_level + 1):
            index = step * (per_level + 1) + j
            _add(names, f"unet.up.{index}.residual", f"output_blocks.{index}.0", _FC)
            _add(names, f"unet.up.{index}.attention", f"output_blocks.{index}.1", _ATTENTION)
            if level in unet.attention_levels:
                attended.append(f"output_block_connecters_in.{index}.0")
        place = 2 if level in unet.attention_levels else 1
        last = step * (per_level + 1) + per_level
        names[f"unet.grow.{step}"] = f"output_blocks.{last}.{place}"
    _cross_modal(names, attended)
    _report_v(names, preset.report_environment)
    return names


def _report_v(names: Names, config: EnvironmentConfig) -> None:
    v, theirs, at = "environment.encoder", "connecters_out", 0
    names[f"{v}.stem"] = f"{theirs}.0.0"
    for level in range(len(config.channel_mult)):
        for _ in range(config.blocks_per_level):
            _add(names, f"{v}.blocks.{at}", f"{theirs}.{at + 1}.0", _FC)
            at += 1
        if level < len(config.channel_mult) - 1:
            names[f"{v}.blocks.{at}"] = f"{theirs}.{at + 1}.0"
            at += 1
    names |= {f"{v}.norm": f"{theirs}.{at + 1}.0", f"{v}.out": f"{theirs}.{at + 1}.2"}


def _cross_modal(names: Names, attended: list[str]) -> None:
    for number, theirs in enumerate(attended):
        _add(names, f"environment.cross.{number}", theirs, _ATTENTION)


def _image_vae(preset: Preset) -> Names:
    config = preset.image_vae.autoencoder
    per_level, levels = config["layers_per_block"], len(config["block_out_channels"])
    resnet = {name: name for name in ("norm1", "conv1", "norm2", "conv2")}
    resnet["conv_shortcut"] = "nin_shortcut"
    attention = {
        "group_norm": "norm",
        "to_q": "q",
        "to_k": "k",
        "to_v": "v",
        "to_out.0": "proj_out",
    }
    names = {
        "autoencoder.quant_conv": "autokl.quant_conv",
        "autoencoder.post_quant_conv": "autokl.post_quant_conv",
    }
    for side in ("encoder", "decoder"):
        ours, theirs = f"autoencoder.{side}", f"autokl.{side}"
        names |= {
            f"{ours}.conv_in": f"{theirs}.conv_in",
            f"{ours}.conv_norm_out": f"{theirs}.norm_out",
            f"{ours}.conv_out": f"{theirs}.conv_out",
        }
        _add(names, f"{ours}.mid_block.resnets.0", f"{theirs}.mid.block_1", resnet)
        _add(names, f"{ours}.mid_block.resnets.1", f"{theirs}.mid.block_2", resnet)
        _add(names, f"{ours}.mid_block.attentions.0", f"{theirs}.mid.attn_1", attention)
    for level in range(levels):
        ours, theirs = f"autoencoder.encoder.down_blocks.{level}", f"autokl.encoder.down.{level}"
        for j in range(per_level):
            _add(names, f"{ours}.resnets.{j}", f"{theirs}.block.{j}", resnet)
        names[f"{ours}.downsamplers.0.conv"] = f"{theirs}.downsample.conv"
        ours = f"autoencoder.decoder.up_blocks.{levels - 1 - level}"
        theirs = f"autokl.decoder.up.{level}"
        for j in range(per_level + 1):
            _add(names, f"{ours}.resnets.{j}", f"{theirs}.block.{j}", resnet)
        names[f"{ours}.upsamplers.0.conv"] = f"{theirs}.upsample.conv"
    return names
