"""The same operations and networks in PyTorch: the only file that imports it.

Arrays come in minisd's layout and are turned into PyTorch's once, before anything is timed; outputs are turned back
only to be compared. Every operation on images comes in both of PyTorch's memory formats.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from minisd.autograd import Array
from minisd.bench.case import Arrays, Candidate
from minisd.models.clip import CLIPConfig
from minisd.models.levels import Layer
from minisd.models.unet import UNetConfig
from minisd.models.unet import table as unet_table
from minisd.models.unet_classic import UNetClassicConfig
from minisd.models.vae import VAEConfig, decoder_table, encoder_table
from minisd.train.loop import Recipe

VERSION = str(torch.__version__)
FORMATS = {"contiguous": torch.contiguous_format, "channels last": torch.channels_last}
IMAGES, CONV, CONV_TRANSPOSE = (0, 3, 1, 2), (3, 2, 0, 1), (2, 3, 0, 1)  # our axes in PyTorch's order


_device = "cpu"


def use(device: str, threads: int, tensor_cores: bool) -> None:
    """From now on compute on `device`, cpu or cuda, with so many threads; with TF32 on tensor cores, or without."""
    global _device
    _device = device
    torch.set_num_threads(threads)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = tensor_cores


def has_gpu() -> bool:
    return torch.cuda.is_available()


@contextmanager
def without_tensor_cores() -> Iterator[None]:
    """Inside the block products have float32's full 23 bits, as in minisd's block of that name."""
    products, convolutions = torch.backends.cuda.matmul, torch.backends.cudnn
    before = products.allow_tf32, convolutions.allow_tf32
    products.allow_tf32 = convolutions.allow_tf32 = False
    try:
        yield
    finally:
        products.allow_tf32, convolutions.allow_tf32 = before


def matrix_product(a: Array, b: Array) -> Callable[[], object]:
    """The product of two matrices, written to memory that is there already."""
    left, right = _put(a), _put(b)
    out = torch.empty_like(left @ right)
    return lambda: torch.mm(left, right, out=out)


def _put(array: Array, axes: Sequence[int] | None = None, memory_format: Any = torch.contiguous_format) -> Tensor:
    """Our array with PyTorch's axes, in fresh memory of the given format on PyTorch's device."""
    tensor = torch.from_numpy(array).to(_device)
    tensor = tensor if axes is None else tensor.permute(*axes)
    return tensor.clone(memory_format=memory_format if tensor.ndim == 4 else torch.contiguous_format)


def _back(tensor: Tensor, axes: Sequence[int] | None = None) -> Array:
    tensor = tensor.detach()
    return (tensor if axes is None else tensor.permute(*np.argsort(axes).tolist())).cpu().numpy()


def _candidate(name: str, run: Callable[[], Any], axes: Mapping[str, Sequence[int] | None]) -> Candidate:
    """A candidate whose `run` returns the tensors that `axes` names."""

    def outputs() -> Arrays:
        tensors = run()
        tensors = tensors if isinstance(tensors, tuple | list) else (tensors,)
        return {name: _back(tensor, axes[name]) for name, tensor in zip(axes, tensors, strict=True)}

    return Candidate(name, run, outputs)


# Operations


def conv2d_forward(x: Array, weight: Array, bias: Array, stride: int, padding: int) -> list[Candidate]:
    def make(name: str) -> Candidate:
        tensors = _put(x, IMAGES, FORMATS[name]), _put(weight, CONV, FORMATS[name]), _put(bias)

        @torch.inference_mode()
        def run() -> Tensor:
            return F.conv2d(*tensors, stride, padding)

        return _candidate(name, run, {"y": IMAGES})

    return [make(name) for name in FORMATS]


def _convolution_backward(
    grad: Array, x: Array, weight: Array, stride: int, padding: int, *, transposed: bool, wanted: tuple[bool, ...]
) -> list[Candidate]:
    weight_axes = CONV_TRANSPOSE if transposed else CONV
    names = {"grad_x": IMAGES, "grad_weight": weight_axes, "grad_bias": None}
    axes = {name: axis for (name, axis), wants in zip(names.items(), wanted, strict=True) if wants}

    def make(name: str) -> Candidate:
        memory = FORMATS[name]
        tensors = _put(grad, IMAGES, memory), _put(x, IMAGES, memory), _put(weight, weight_axes, memory)
        geometry = (stride,) * 2, (padding,) * 2, (1, 1), transposed, (0, 0), 1

        # What autograd calls; only so can the two gradients be timed apart.
        def run() -> list[Tensor]:
            grads = torch.ops.aten.convolution_backward(*tensors, [grad.shape[3]], *geometry, list(wanted))
            return [gradient for gradient in grads if gradient is not None]

        return _candidate(name, run, axes)

    return [make(name) for name in FORMATS]


def conv2d_input_gradient(grad: Array, x: Array, weight: Array, stride: int, padding: int) -> list[Candidate]:
    return _convolution_backward(grad, x, weight, stride, padding, transposed=False, wanted=(True, False, False))


def conv2d_weight_gradient(grad: Array, x: Array, weight: Array, stride: int, padding: int) -> list[Candidate]:
    return _convolution_backward(grad, x, weight, stride, padding, transposed=False, wanted=(False, True, True))


def conv_transpose2d_forward(x: Array, weight: Array, bias: Array, stride: int) -> list[Candidate]:
    def make(name: str) -> Candidate:
        tensors = _put(x, IMAGES, FORMATS[name]), _put(weight, CONV_TRANSPOSE, FORMATS[name]), _put(bias)

        @torch.inference_mode()
        def run() -> Tensor:
            return F.conv_transpose2d(*tensors, stride)

        return _candidate(name, run, {"y": IMAGES})

    return [make(name) for name in FORMATS]


def conv_transpose2d_backward(grad: Array, x: Array, weight: Array, stride: int) -> list[Candidate]:
    return _convolution_backward(grad, x, weight, stride, 0, transposed=True, wanted=(True, True, True))


def _both_ways(
    name: str, function: Callable[..., Tensor], inputs: dict[str, Tensor], grad: Tensor, axes: dict[str, Any]
) -> Candidate:
    """`function` of the inputs, then the gradients by all of them."""
    leaves = [tensor.requires_grad_() for tensor in inputs.values()]

    def run() -> tuple[Tensor, ...]:
        y = function(*leaves)
        return (y, *torch.autograd.grad(y, leaves, grad))

    return _candidate(name, run, axes)


def group_norm_silu(x: Array, gamma: Array, beta: Array, grad: Array, groups: int) -> list[Candidate]:
    return [
        _both_ways(
            name,
            lambda x, gamma, beta: F.silu(F.group_norm(x, groups, gamma, beta)),
            {"x": _put(x, IMAGES, memory), "gamma": _put(gamma), "beta": _put(beta)},
            _put(grad, IMAGES, memory),
            {"y": IMAGES, "grad_x": IMAGES, "grad_gamma": None, "grad_beta": None},
        )
        for name, memory in FORMATS.items()
    ]


def max_pool2d(x: Array, grad: Array, window: int) -> list[Candidate]:
    return [
        _both_ways(
            name,
            lambda x: F.max_pool2d(x, window),
            {"x": _put(x, IMAGES, memory)},
            _put(grad, IMAGES, memory),
            {"y": IMAGES, "grad_x": IMAGES},
        )
        for name, memory in FORMATS.items()
    ]


def layer_norm(x: Array, gamma: Array, beta: Array, grad: Array) -> list[Candidate]:
    inputs = {"x": _put(x), "gamma": _put(gamma), "beta": _put(beta)}
    axes = dict.fromkeys(("y", "grad_x", "grad_gamma", "grad_beta"))
    return [_both_ways("eager", lambda x, g, b: F.layer_norm(x, g.shape, g, b), inputs, _put(grad), axes)]


def linear(x: Array, weight: Array, bias: Array, grad: Array) -> list[Candidate]:
    inputs = {"x": _put(x), "weight": _put(weight, (1, 0)), "bias": _put(bias)}
    axes = {"y": None, "grad_x": None, "grad_weight": (1, 0), "grad_bias": None}
    return [_both_ways("eager", F.linear, inputs, _put(grad), axes)]


def attention(query: Array, key: Array, value: Array, grad: Array | None) -> list[Candidate]:
    """Heads in front, as PyTorch's function wants them, contiguous; and as a linear layer leaves them, tokens first."""
    heads_first = (0, 2, 1, 3)

    def make(name: str) -> Candidate:
        def tensor(array: Array) -> Tensor:
            return _put(array, heads_first) if name == "heads first" else _put(array).transpose(1, 2)

        inputs = {"query": tensor(query), "key": tensor(key), "value": tensor(value)}
        if grad is not None:
            names = ("out", "grad_query", "grad_key", "grad_value")
            function = F.scaled_dot_product_attention
            return _both_ways(name, function, inputs, tensor(grad), dict.fromkeys(names, heads_first))

        @torch.inference_mode()
        def run() -> Tensor:
            return F.scaled_dot_product_attention(inputs["query"], inputs["key"], inputs["value"])

        return _candidate(name, run, {"out": heads_first})

    return [make(name) for name in ("heads first", "tokens first")]


def adam(param: Array, grad: Array, lr: float, weight_decay: float) -> list[Candidate]:
    parameter = nn.Parameter(_put(param))
    parameter.grad = _put(grad)
    optimizer = torch.optim.AdamW([parameter], lr=lr, weight_decay=weight_decay, fused=True)

    def outputs() -> Arrays:
        optimizer.step()
        state = optimizer.state[parameter]
        return {"param": _back(parameter), "m": _back(state["exp_avg"]), "v": _back(state["exp_avg_sq"])}

    return [Candidate("fused", optimizer.step, outputs)]


# Networks: modules of the same names as minisd's, each in the idiom of PyTorch


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


# Steps


def _parameter(model: nn.Module, name: str) -> tuple[nn.Parameter, tuple[int, ...] | None]:
    """The parameter of minisd's name, and how its axes are turned."""
    path, _, leaf = name.removeprefix("contracting.").rpartition(".")
    layer = model.get_submodule(path)
    parameter: nn.Parameter = getattr(layer, {"gamma": "weight", "beta": "bias", "table": "weight"}.get(leaf, leaf))
    axes: dict[type, tuple[int, ...]] = {nn.Conv2d: CONV, nn.ConvTranspose2d: CONV_TRANSPOSE, nn.Linear: (1, 0)}
    return parameter, axes.get(type(layer)) if parameter.ndim > 1 else None


def _load(model: nn.Module, weights: Arrays, memory_format: Any) -> nn.Module:
    with torch.no_grad():
        for name, array in weights.items():
            parameter, axes = _parameter(model, name)
            parameter.copy_(_put(array, axes))
    return model.to(_device, memory_format=memory_format)


def _gradients(model: nn.Module, names: Sequence[str]) -> Arrays:
    found = {name: _parameter(model, name) for name in names}
    return {name: _back(p.grad, axes).copy() for name, (p, axes) in found.items() if p.grad is not None}


def _flat(model: nn.Module, names: Sequence[str], tensors: Mapping[nn.Parameter, Tensor]) -> Array:
    """All parameters' tensors in one array, in minisd's order and layout."""
    found = [_parameter(model, name) for name in names]
    return np.concatenate([_back(tensors[parameter], axes).reshape(-1) for parameter, axes in found])


def _training_step(
    name: str,
    model: nn.Module,
    batch: Sequence[Tensor],
    names: Sequence[str],
    recipe: Recipe,
    lr: float,
    compiled: bool,
) -> Candidate:
    loss = torch.compile(model) if compiled else model
    parameters = list(model.parameters())
    optimizer = torch.optim.AdamW(
        parameters, lr=lr, betas=(0.9, 0.99), eps=1e-8, weight_decay=recipe.weight_decay, fused=True
    )
    averages = [parameter.detach().clone() for parameter in parameters]
    steps = 0

    def gradients() -> Tensor:
        optimizer.zero_grad(set_to_none=True)
        result: Tensor = loss(*batch)
        result.backward()
        return result

    def finish() -> None:
        nonlocal steps
        steps += 1
        nn.utils.clip_grad_norm_(parameters, recipe.clip_norm)
        optimizer.step()
        decay = min(recipe.ema_decay, (1 + steps) / (10 + steps))
        with torch.no_grad():
            torch._foreach_lerp_(averages, [*parameters], 1 - decay)

    def run() -> float:
        result = gradients()
        finish()
        return result.item()

    def outputs() -> Arrays:
        before = _flat(model, names, {parameter: parameter.detach().clone() for parameter in parameters})
        found = {"loss": _back(gradients())} | _gradients(model, names)
        finish()
        after = _flat(model, names, {parameter: parameter for parameter in parameters})
        average = _flat(model, names, dict(zip(parameters, averages, strict=True)))
        return found | {"moved": after - before, "average moved": average - before}

    return Candidate(name, run, outputs)


def _steps(
    build: Callable[[], nn.Module], arrays: Sequence[Array], weights: Arrays, recipe: Recipe, lr: float
) -> list[Candidate]:
    def make(name: str, compiled: bool) -> Candidate:
        model = _load(build(), weights, FORMATS[name])
        batch = [_put(array, IMAGES if array.ndim == 4 else None, FORMATS[name]) for array in arrays]
        label = f"{name}, {'compiled' if compiled else 'eager'}"
        return _training_step(label, model, batch, list(weights), recipe, lr, compiled)

    return [make(name, compiled) for compiled in (False, True) for name in FORMATS]


def unet_step(
    config: UNetConfig, arrays: Sequence[Array], weights: Arrays, recipe: Recipe, lr: float
) -> list[Candidate]:
    return _steps(lambda: UNet(config), arrays, weights, recipe, lr)


def vae_step(
    config: VAEConfig, kl_weight: float, arrays: Sequence[Array], weights: Arrays, recipe: Recipe, lr: float
) -> list[Candidate]:
    return _steps(lambda: VAE(config, kl_weight), arrays, weights, recipe, lr)


def clip_step(
    config: CLIPConfig, arrays: Sequence[Array], weights: Arrays, recipe: Recipe, lr: float
) -> list[Candidate]:
    return _steps(lambda: CLIP(config), arrays, weights, recipe, lr)


def classic_unet(
    config: UNetClassicConfig, arrays: Sequence[Array], weights: Arrays, backward: bool
) -> list[Candidate]:
    image, classes = arrays
    size = config.shape.output(image.shape[1])

    def make(name: str, compiled: bool) -> Candidate:
        model = _load(ClassicUNet(config), weights, FORMATS[name])
        x = _put(image, IMAGES, FORMATS[name])
        target = _put(classes).reshape(1, size, size)
        network = torch.compile(model) if compiled else model

        @torch.inference_mode()
        def forward() -> Tensor:
            return network(x, None)

        def both_ways() -> Tensor:
            model.zero_grad(set_to_none=True)
            loss: Tensor = network(x, target)
            loss.backward()
            return loss

        label = f"{name}, {'compiled' if compiled else 'eager'}"
        if not backward:
            return _candidate(label, forward, {"logits": IMAGES})
        return Candidate(label, both_ways, lambda: {"loss": _back(both_ways())} | _gradients(model, list(weights)))

    return [make(name, compiled) for compiled in (False, True) for name in FORMATS]
