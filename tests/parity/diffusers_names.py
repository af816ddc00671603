"""Where diffusers and transformers keep each weight of our networks: the mapping of their names, in one place."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from strategies import Array

from minisd.models.levels import Level
from minisd.models.unet import UNetConfig
from minisd.models.vae import VAEConfig
from minisd.nn import Module

Names = dict[str, str]  # the beginning of ours -> the beginning of theirs

_RESIDUAL = {
    "norm_1": "norm1",
    "conv_1": "conv1",
    "to_shift": "time_emb_proj",
    "norm_2": "norm2",
    "conv_2": "conv2",
    "shortcut": "conv_shortcut",
}
_ATTENTION = {"to_query": "to_q", "to_key": "to_k", "to_value": "to_v", "to_out": "to_out.0"}
_BLOCK = {
    "norm_self": "norm1",
    "norm_cross": "norm2",
    "norm_perceptron": "norm3",
    "widen": "ff.net.0.proj",
    "narrow": "ff.net.2",
    **{f"attend_self.{ours}": f"attn1.{theirs}" for ours, theirs in _ATTENTION.items()},
    **{f"attend_cross.{ours}": f"attn2.{theirs}" for ours, theirs in _ATTENTION.items()},
}
_TRANSFORMER = {
    "norm": "norm",
    "proj_in": "proj_in",
    "proj_out": "proj_out",
    **{f"block.{ours}": f"transformer_blocks.0.{theirs}" for ours, theirs in _BLOCK.items()},
}
_PIXELS = {"norm": "group_norm", **{f"attend.{ours}": theirs for ours, theirs in _ATTENTION.items()}}


def unet_names(config: UNetConfig) -> Names:
    """Of UNet2DConditionModel; a configuration whose copies are "block"."""
    names = {
        "time_1": "time_embedding.linear_1",
        "time_2": "time_embedding.linear_2",
        "norm_out": "conv_norm_out",
        "conv_out": "conv_out",
        **_middle("middle", "mid_block", _TRANSFORMER),
    }
    row = 0
    for b, level in enumerate(config.levels):
        names[f"down.{row}.0"] = f"down_blocks.{b - 1}.downsamplers.0.conv" if b else "conv_in"
        for j in range(level.blocks):
            names |= _block(f"down.{row + 1 + j}", f"down_blocks.{b}", j, level)
        row += 1 + level.blocks
    row = 0
    for u, level in enumerate(reversed(config.levels)):
        for j in range(level.blocks + 1):
            names |= _block(f"up.{row + j}", f"up_blocks.{u}", j, level)
        row += level.blocks + 1
        names[f"up.{row - 1}.{2 if level.heads else 1}.conv"] = f"up_blocks.{u}.upsamplers.0.conv"
    return names


def vae_names(config: VAEConfig) -> Names:
    """Of AutoencoderKL; a configuration whose resampling is "nearest", with attention in the middle."""
    names = {
        "encoder.0": "encoder.conv_in",
        "encoder_norm": "encoder.conv_norm_out",
        "to_moments": "encoder.conv_out",
        "quant_conv": "quant_conv",
        "post_quant_conv": "post_quant_conv",
        "decoder.0": "decoder.conv_in",
        "decoder_norm": "decoder.conv_norm_out",
        "to_image": "decoder.conv_out",
        **_middle("decoder", "decoder.mid_block", _PIXELS, first=1),
    }
    at = 1
    for i, level in enumerate(config.levels):
        if i:
            names[f"encoder.{at}"] = f"encoder.down_blocks.{i - 1}.downsamplers.0.conv"
            at += 1
        for j in range(level.blocks):
            names |= _parts(f"encoder.{at}", f"encoder.down_blocks.{i}.resnets.{j}", _RESIDUAL)
            at += 1
    names |= _middle("encoder", "encoder.mid_block", _PIXELS, first=at)
    at = 4
    for u, level in enumerate(reversed(config.levels)):
        for j in range(level.blocks + 1):
            names |= _parts(f"decoder.{at}", f"decoder.up_blocks.{u}.resnets.{j}", _RESIDUAL)
            at += 1
        names[f"decoder.{at}.conv"] = f"decoder.up_blocks.{u}.upsamplers.0.conv"
        at += 1
    return names


def text_names(layers: int) -> Names:
    """Of CLIPTextModel."""
    parts = {
        "norm_self": "layer_norm1",
        "norm_perceptron": "layer_norm2",
        "widen": "mlp.fc1",
        "narrow": "mlp.fc2",
        "attend_self.to_query": "self_attn.q_proj",
        "attend_self.to_key": "self_attn.k_proj",
        "attend_self.to_value": "self_attn.v_proj",
        "attend_self.to_out": "self_attn.out_proj",
    }
    names = {
        "token_embedding": "embeddings.token_embedding",
        "position_embedding": "embeddings.position_embedding",
        "final_norm": "final_layer_norm",
    }
    for n in range(layers):
        names |= _parts(f"blocks.{n}", f"encoder.layers.{n}", parts)
    return names


def _parts(ours: str, theirs: str, parts: Names) -> Names:
    return {f"{ours}.{one}": f"{theirs}.{other}" for one, other in parts.items()}


def _block(row: str, theirs: str, j: int, level: Level) -> Names:
    transformer = _parts(f"{row}.1", f"{theirs}.attentions.{j}", _TRANSFORMER) if level.heads else {}
    return _parts(f"{row}.0", f"{theirs}.resnets.{j}", _RESIDUAL) | transformer


def _middle(ours: str, theirs: str, attention: Names, first: int = 0) -> Names:
    return (
        _parts(f"{ours}.{first}", f"{theirs}.resnets.0", _RESIDUAL)
        | _parts(f"{ours}.{first + 1}", f"{theirs}.attentions.0", attention)
        | _parts(f"{ours}.{first + 2}", f"{theirs}.resnets.1", _RESIDUAL)
    )


def copy_weights(theirs: Mapping[str, Any], ours: Module, names: Names) -> None:
    """Fill `ours` with the tensors of `theirs`, all of them, each once."""
    left = {name.removeprefix("text_model."): tensor.numpy() for name, tensor in theirs.items()}
    state = {}
    for name, parameter in ours.named_parameters():
        part, _, last = name.rpartition(".")
        their_last = {"gamma": "weight", "beta": "bias", "table": "weight"}.get(last, last)
        state[name] = _array(left.pop(f"{names[part]}.{their_last}"), parameter.data.ndim, last)
    assert not left, f"weights without a place: {', '.join(left)}"
    ours.load_state_dict(state)


def _array(theirs: Array, ndim: int, kind: str) -> Array:
    """(O, I, kh, kw) -> (kh, kw, I, O); (O, I) -> (I, O), which a 1 x 1 convolution is, too; the rest as it is."""
    if ndim == 4:
        return theirs.transpose(2, 3, 1, 0)
    if ndim == 2 and kind == "weight":
        return theirs.reshape(theirs.shape[:2]).T
    return np.asarray(theirs)
