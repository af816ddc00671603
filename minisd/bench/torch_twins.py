"""minisd's layers and networks in PyTorch, and the same weights in both: the oracle of the parity tests and benchmarks.

Modules have the same names as minisd's, each in the idiom of PyTorch; weights come by name, their axes turned.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from minisd.autograd import Array
from minisd.models.clip import CLIPConfig
from minisd.models.dit import DiTConfig
from minisd.models.levels import Layer
from minisd.models.unet import UNetConfig
from minisd.models.unet import table as unet_table
from minisd.models.unet_classic import UNetClassicConfig
from minisd.models.vae import VAEConfig, decoder_table, encoder_table

IMAGES, CONV, CONV_TRANSPOSE = (0, 3, 1, 2), (3, 2, 0, 1), (2, 3, 0, 1)  # our axes in PyTorch's order
Arrays = dict[str, Array]


def to_torch(
    array: Array, axes: Sequence[int] | None = None, memory_format: Any = torch.contiguous_format, device: str = "cpu"
) -> Tensor:
    """Our array with PyTorch's axes, in fresh memory of the given format on the device."""
    tensor = torch.from_numpy(array).to(device)
    tensor = tensor if axes is None else tensor.permute(*axes)
    return tensor.clone(memory_format=memory_format if tensor.ndim == 4 else torch.contiguous_format)


def to_ours(tensor: Tensor, axes: Sequence[int] | None = None) -> Array:
    """PyTorch's tensor as our array; `axes` as to_torch took them."""
    tensor = tensor.detach()
    return (tensor if axes is None else tensor.permute(*np.argsort(axes).tolist())).cpu().numpy()


def parameter_of(model: nn.Module, name: str) -> tuple[nn.Parameter, tuple[int, ...] | None]:
    """The parameter of minisd's name, and how its axes are turned."""
    path, _, leaf = name.removeprefix("contracting.").rpartition(".")
    layer = model.get_submodule(path)
    parameter: nn.Parameter = getattr(layer, {"gamma": "weight", "beta": "bias", "table": "weight"}.get(leaf, leaf))
    axes: dict[type, tuple[int, ...]] = {nn.Conv2d: CONV, nn.ConvTranspose2d: CONV_TRANSPOSE, nn.Linear: (1, 0)}
    return parameter, axes.get(type(layer)) if parameter.ndim > 1 else None


def with_weights(
    model: nn.Module, weights: Arrays, memory_format: Any = torch.contiguous_format, device: str = "cpu"
) -> nn.Module:
    """The model with minisd's weights, of their type."""
    for name, array in weights.items():
        parameter, axes = parameter_of(model, name)
        parameter.data = to_torch(array, axes)
    return model.to(device, memory_format=memory_format)


def gradients(model: nn.Module, names: Sequence[str]) -> Arrays:
    """The gradient of every parameter that has one, by minisd's names and in its layout."""
    found = {name: parameter_of(model, name) for name in names}
    return {name: to_ours(p.grad, axes).copy() for name, (p, axes) in found.items() if p.grad is not None}


class ResidualBlock(nn.Module):
    def __init__(self, inputs: int, outputs: int, groups: int, condition_width: int | None = None) -> None:
        super().__init__()
        self.norm_1, self.conv_1 = nn.GroupNorm(groups, inputs), nn.Conv2d(inputs, outputs, 3, padding=1)
        self.to_shift = nn.Linear(condition_width, outputs) if condition_width else None
        self.norm_2, self.conv_2 = nn.GroupNorm(groups, outputs), nn.Conv2d(outputs, outputs, 3, padding=1)
        self.shortcut = nn.Conv2d(inputs, outputs, 1) if inputs != outputs else nn.Identity()

    def forward(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        h = self.conv_1(F.silu(self.norm_1(x)))
        if self.to_shift is not None and condition is not None:
            h = h + self.to_shift(F.silu(condition))[:, :, None, None]
        h = self.conv_2(F.silu(self.norm_2(h)))
        return self.shortcut(x) + h


class MultiHeadAttention(nn.Module):
    def __init__(self, width: int, heads: int, context_width: int | None = None, causal: bool = False) -> None:
        super().__init__()
        self.to_query = nn.Linear(width, width, bias=False)
        self.to_key = nn.Linear(context_width or width, width, bias=False)
        self.to_value = nn.Linear(context_width or width, width, bias=False)
        self.to_out = nn.Linear(width, width)
        self.heads, self.causal = heads, causal

    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        def heads_first(tokens: Tensor) -> Tensor:
            return tokens.reshape(*tokens.shape[:2], self.heads, -1).transpose(1, 2)

        query, key, value = self.to_query(x), self.to_key(context), self.to_value(context)
        out = F.scaled_dot_product_attention(
            heads_first(query), heads_first(key), heads_first(value), is_causal=self.causal
        )
        return self.to_out(out.transpose(1, 2).flatten(2))


class TransformerBlock(nn.Module):
    def __init__(
        self, width: int, heads: int, context_width: int | None = None, causal: bool = False, expansion: int = 4
    ) -> None:
        super().__init__()
        self.norm_self, self.attend_self = nn.LayerNorm(width), MultiHeadAttention(width, heads, causal=causal)
        self.cross = context_width is not None
        if context_width is not None:
            self.norm_cross = nn.LayerNorm(width)
            self.attend_cross = MultiHeadAttention(width, heads, context_width)
        self.norm_perceptron = nn.LayerNorm(width)
        self.widen, self.narrow = nn.Linear(width, expansion * width), nn.Linear(expansion * width, width)

    def forward(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        normal = self.norm_self(x)
        x = x + self.attend_self(normal, normal)
        if self.cross:
            x = x + self.attend_cross(self.norm_cross(x), context)
        return x + self.narrow(F.gelu(self.widen(self.norm_perceptron(x)), approximate="tanh"))


class SpatialTransformer(nn.Module):
    def __init__(self, channels: int, heads: int, config: UNetConfig) -> None:
        super().__init__()
        self.block = TransformerBlock(channels, heads, config.context_width, expansion=config.expansion)

    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        return self.block(x.flatten(2).transpose(1, 2), context).transpose(1, 2).unflatten(2, x.shape[2:])


class Upsample(nn.Module):
    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(F.interpolate(x, scale_factor=2, mode="nearest"))


def _crop(x: Tensor, height: int, width: int) -> Tensor:
    top, left = (x.shape[2] - height) // 2, (x.shape[3] - width) // 2
    return x[:, :, top : top + height, left : left + width]


def _copy_and_crop(x: Tensor, skip: Tensor) -> Tensor:
    height, width = min(x.shape[2], skip.shape[2]), min(x.shape[3], skip.shape[3])
    return torch.cat([_crop(x, height, width), _crop(skip, height, width)], dim=1)


class UNet(nn.Module):
    """The U-Net and its loss, for the choices of the MNIST model."""

    def __init__(self, config: UNetConfig) -> None:
        super().__init__()
        first, time, pooled = config.levels[0].channels, config.time_width, config.pooled_width
        self.time_1, self.time_2 = nn.Linear(first, time), nn.Linear(time, time)
        self.prompt_norm, self.from_prompt = nn.LayerNorm(pooled), nn.Linear(pooled, time)

        def made(row: list[Layer]) -> nn.ModuleList:
            kinds: dict[str, Callable[..., nn.Module]] = {
                "conv": lambda i, o, _: nn.Conv2d(i, o, 3, padding=1),
                "halve": lambda i, o, _: nn.Conv2d(i, o, 3, stride=2, padding=1),
                "double": lambda i, o, _: Upsample(i, o),
                "residual": lambda i, o, _: ResidualBlock(i, o, config.groups, time),
                "attention": lambda i, _, heads: SpatialTransformer(i, heads, config),
            }
            return nn.ModuleList(kinds[kind](*sizes) for kind, *sizes in row)

        down, middle, up = unet_table(config)
        self.down, self.up = nn.ModuleList(map(made, down)), nn.ModuleList(map(made, up))
        self.middle = made(middle)
        self.norm_out = nn.GroupNorm(config.groups, first)
        self.conv_out = nn.Conv2d(first, config.latent_channels, 3, padding=1)
        half = first // 2
        self.register_buffer("frequencies", torch.exp(-np.log(10000) * torch.arange(half, dtype=torch.float64) / half))

    def forward(self, x_t: Tensor, t: Tensor, context: Tensor, pooled: Tensor, target: Tensor) -> Tensor:
        angles = t[:, None] * self.frequencies
        embedding = torch.cat([angles.cos(), angles.sin()], dim=1).float()
        time = self.time_2(F.silu(self.time_1(embedding)))
        condition = time + self.from_prompt(self.prompt_norm(pooled))

        def through(row: nn.ModuleList, x: Tensor) -> Tensor:
            told = {ResidualBlock: (condition,), SpatialTransformer: (context,)}
            for layer in row:
                x = layer(x, *told.get(type(layer), ()))
            return x

        x, copies = x_t, []
        for row in self.down:
            x = through(row, x)
            copies.append(x)
        x = through(self.middle, x)
        for row in self.up:
            x = through(row, _copy_and_crop(x, copies.pop()))
        return F.mse_loss(self.conv_out(F.silu(self.norm_out(x))), target)


class DiTBlock(nn.Module):
    def __init__(self, config: DiTConfig) -> None:
        super().__init__()
        D, heads, time = config.width, config.heads, config.time_width
        self.modulate_self, self.modulate_perceptron = (
            nn.ModuleDict({"linear": nn.Linear(time, 3 * D)}) for _ in range(2)
        )
        self.attend_self = MultiHeadAttention(D, heads)
        self.attend_cross = MultiHeadAttention(D, heads, config.context_width)
        self.norm = nn.LayerNorm(D, eps=1e-6, elementwise_affine=False)
        self.widen, self.narrow = nn.Linear(D, config.expansion * D), nn.Linear(config.expansion * D, D)

    def forward(self, x: Tensor, condition: Tensor, context: Tensor) -> Tensor:
        shift, scale, gate = self.modulate_self["linear"](condition)[:, None].chunk(3, dim=-1)
        normal = self.norm(x) * (1 + scale) + shift
        x = x + gate * self.attend_self(normal, normal)
        x = x + self.attend_cross(x, context)
        shift, scale, gate = self.modulate_perceptron["linear"](condition)[:, None].chunk(3, dim=-1)
        wide = self.widen(self.norm(x) * (1 + scale) + shift)
        return x + gate * self.narrow(F.gelu(wide, approximate="tanh"))


class DiT(nn.Module):
    """The diffusion transformer and its loss, for latents of any size and a prompt."""

    def __init__(self, config: DiTConfig) -> None:
        super().__init__()
        D, time, pooled, numbers = config.width, config.time_width, config.pooled_width, config.patch**2
        self.time_1, self.time_2 = nn.Linear(D, time), nn.Linear(time, time)
        self.prompt_norm, self.from_prompt = nn.LayerNorm(pooled), nn.Linear(pooled, time)
        self.embed = nn.Linear(numbers * config.latent_channels, D)
        self.blocks = nn.ModuleList(DiTBlock(config) for _ in range(config.depth))
        self.modulate_out = nn.ModuleDict({"linear": nn.Linear(time, 2 * D)})
        self.norm_out = nn.LayerNorm(D, eps=1e-6, elementwise_affine=False)
        self.linear_out = nn.Linear(D, numbers * config.latent_channels)
        self.config = config

    def _waves(self, at: Tensor, width: int) -> Tensor:
        n = width // 2
        angles = at[:, None] * torch.exp(-np.log(10000) * torch.arange(n, dtype=torch.float64, device=at.device) / n)
        return torch.cat([angles.cos(), angles.sin()], dim=1)

    def forward(self, x_t: Tensor, t: Tensor, context: Tensor, pooled: Tensor, target: Tensor) -> Tensor:
        p, D, (h, w) = self.config.patch, self.config.width, (side // self.config.patch for side in x_t.shape[2:])
        time = self.time_2(F.silu(self.time_1(self._waves(t, D).to(x_t.dtype))))
        condition = F.silu(time + self.from_prompt(self.prompt_norm(pooled)))
        rows, columns = torch.meshgrid(torch.arange(h), torch.arange(w), indexing="ij")
        places = [self._waves(at.flatten().to(x_t.device), D // 2) for at in (rows, columns)]
        squares = x_t.unflatten(3, (w, p)).unflatten(2, (h, p)).permute(0, 2, 4, 3, 5, 1)  # (B, h, w, p, p, C)
        x = self.embed(squares.flatten(3).flatten(1, 2)) + torch.cat(places, dim=1).to(x_t.dtype)
        for block in self.blocks:
            x = block(x, condition, context)
        shift, scale = self.modulate_out["linear"](condition)[:, None].chunk(2, dim=-1)
        y = self.linear_out(self.norm_out(x) * (1 + scale) + shift)
        y = y.unflatten(1, (h, w)).unflatten(3, (p, p, -1)).permute(0, 5, 1, 3, 2, 4)
        return F.mse_loss(y.flatten(4).flatten(2, 3), target)


class VAE(nn.Module):
    """The VAE and its loss, for the choices of the MNIST model."""

    def __init__(self, config: VAEConfig, kl_weight: float) -> None:
        super().__init__()
        kinds: dict[str, Callable[..., nn.Module]] = {
            "conv": lambda i, o: nn.Conv2d(i, o, 3, padding=1),
            "halve": lambda i, o: nn.Conv2d(i, o, 4, stride=2, padding=1),
            "double": lambda i, o: nn.ConvTranspose2d(i, o, 4, stride=2, padding=1),
            "residual": lambda i, o: ResidualBlock(i, o, config.groups),
        }
        encoder, decoder = encoder_table(config), decoder_table(config)
        smallest, largest = encoder[-1].outputs, decoder[-1].outputs
        self.encoder = nn.Sequential(*(kinds[kind](i, o) for kind, i, o, _ in encoder))
        self.encoder_norm = nn.GroupNorm(config.groups, smallest)
        self.to_moments = nn.Conv2d(smallest, 2 * config.latent_channels, 3, padding=1)
        self.decoder = nn.Sequential(*(kinds[kind](i, o) for kind, i, o, _ in decoder))
        self.decoder_norm = nn.GroupNorm(config.groups, largest)
        self.to_image = kinds["double"](largest, config.image_channels)
        self.kl_weight = kl_weight

    def forward(self, x: Tensor, noise: Tensor) -> Tensor:
        moments = self.to_moments(F.silu(self.encoder_norm(self.encoder(x))))
        mean, log_variance = moments.chunk(2, dim=1)
        z = mean + (0.5 * log_variance).exp() * noise
        x_again = self.to_image(F.silu(self.decoder_norm(self.decoder(z))))
        kl_per_latent = 0.5 * (mean.square() + log_variance.exp() - log_variance - 1).mean()
        return F.mse_loss(x_again, x) + self.kl_weight * kl_per_latent


class TextEncoder(nn.Module):
    def __init__(self, config: CLIPConfig) -> None:
        super().__init__()
        self.token_embedding = nn.Embedding(config.vocabulary, config.width)
        self.position_embedding = nn.Embedding(config.context_length, config.width)
        self.blocks = nn.ModuleList(
            TransformerBlock(config.width, config.heads, causal=True) for _ in range(config.layers)
        )
        self.final_norm = nn.LayerNorm(config.width)
        self.projection = nn.Linear(config.width, config.embedding_width, bias=False)
        self.end_id = config.end_id

    def forward(self, ids: Tensor) -> Tensor:
        x = self.token_embedding(ids) + self.position_embedding.weight[: ids.shape[1]]
        for block in self.blocks:
            x = block(x)
        ends = (ids == self.end_id).int().argmax(dim=1)
        return self.projection(self.final_norm(x)[torch.arange(len(ids), device=ids.device), ends])


class ImageEncoder(nn.Module):
    def __init__(self, config: CLIPConfig) -> None:
        super().__init__()
        half, quarter = config.image_channels
        self.conv_1, self.norm_1 = nn.Conv2d(1, half, 4, stride=2, padding=1), nn.GroupNorm(8, half)
        self.conv_2, self.norm_2 = nn.Conv2d(half, quarter, 4, stride=2, padding=1), nn.GroupNorm(8, quarter)
        self.conv_3, self.norm_3 = nn.Conv2d(quarter, quarter, 3, stride=2, padding=1), nn.GroupNorm(8, quarter)
        self.projection = nn.Linear(16 * quarter, config.embedding_width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        x = F.silu(self.norm_1(self.conv_1(x)))
        x = F.silu(self.norm_2(self.conv_2(x)))
        x = F.silu(self.norm_3(self.conv_3(x)))
        return self.projection(x.permute(0, 2, 3, 1).flatten(1))  # the projection's weights expect channels last


class CLIP(nn.Module):
    """The CLIP pair and its loss."""

    def __init__(self, config: CLIPConfig) -> None:
        super().__init__()
        self.text, self.image = TextEncoder(config), ImageEncoder(config)
        self.log_temperature = nn.Parameter(torch.zeros(1))

    def forward(self, images: Tensor, ids: Tensor) -> Tensor:
        text, image = F.normalize(self.text(ids), dim=-1), F.normalize(self.image(images), dim=-1)
        similarity = image @ text.T * self.log_temperature.exp()
        partner = torch.arange(len(ids), device=ids.device)
        equal = (ids[:, None] == ids[None]).all(dim=-1) & (partner[:, None] != partner)
        masked = similarity.masked_fill(equal, -1e9)
        return 0.5 * (F.cross_entropy(masked, partner) + F.cross_entropy(masked.T, partner))


class TwoConvolutions(nn.Module):
    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv_1, self.conv_2 = nn.Conv2d(inputs, outputs, 3), nn.Conv2d(outputs, outputs, 3)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.conv_2(F.relu(self.conv_1(x), inplace=True)), inplace=True)


class ClassicUNet(nn.Module):
    """The U-Net of 2015, with its loss where classes are given."""

    def __init__(self, config: UNetClassicConfig) -> None:
        super().__init__()
        widths = (config.in_channels, *config.channels)
        self.levels = nn.ModuleList(TwoConvolutions(above, here) for above, here in pairwise(widths))
        upwards = list(pairwise(reversed(config.channels)))
        self.up_convolutions = nn.ModuleList(nn.ConvTranspose2d(below, here, 2, stride=2) for below, here in upwards)
        self.expanding = nn.ModuleList(TwoConvolutions(2 * here, here) for _, here in upwards)
        self.to_logits = nn.Conv2d(config.base, config.classes, 1)

    def forward(self, x: Tensor, classes: Tensor | None) -> Tensor:
        maps: list[Tensor] = []
        for level in self.levels:
            maps.append(level(F.max_pool2d(maps[-1], 2) if maps else x))
        x = maps.pop()
        for up_convolution, convolutions in zip(self.up_convolutions, self.expanding, strict=True):
            x = convolutions(_copy_and_crop(up_convolution(x), maps.pop()))
        logits: Tensor = self.to_logits(x)
        return logits if classes is None else F.cross_entropy(logits, classes)
