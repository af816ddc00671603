"""The same operations and training steps in PyTorch, each as a candidate to be timed.

Arrays come in minisd's layout and are turned into PyTorch's once, before anything is timed; outputs are turned back
only to be compared. Every operation on images comes in both of PyTorch's memory formats.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from minisd.autograd import Array
from minisd.bench.case import Arrays, Candidate
from minisd.bench.torch_twins import (
    CLIP,
    CONV,
    CONV_TRANSPOSE,
    IMAGES,
    VAE,
    ClassicUNet,
    DiT,
    UNet,
    parameter_of,
    to_ours,
    to_torch,
    with_weights,
)
from minisd.bench.torch_twins import gradients as gradients_of
from minisd.models.clip import CLIPConfig
from minisd.models.denoiser import DenoiserConfig
from minisd.models.dit import DiTConfig
from minisd.models.unet_classic import UNetClassicConfig
from minisd.models.vae import VAEConfig
from minisd.train.recipe import Recipe

VERSION = str(torch.__version__)
FORMATS = {"contiguous": torch.contiguous_format, "channels last": torch.channels_last}


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
    return to_torch(array, axes, memory_format, _device)


def _candidate(name: str, run: Callable[[], Any], axes: Mapping[str, Sequence[int] | None]) -> Candidate:
    """A candidate whose `run` returns the tensors that `axes` names."""

    def outputs() -> Arrays:
        tensors = run()
        tensors = tensors if isinstance(tensors, tuple | list) else (tensors,)
        return {name: to_ours(tensor, axes[name]) for name, tensor in zip(axes, tensors, strict=True)}

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
        return {"param": to_ours(parameter), "m": to_ours(state["exp_avg"]), "v": to_ours(state["exp_avg_sq"])}

    return [Candidate("fused", optimizer.step, outputs)]


# Steps


def _flat(model: nn.Module, names: Sequence[str], tensors: Mapping[nn.Parameter, Tensor]) -> Array:
    """All parameters' tensors in one array, in minisd's order and layout."""
    found = [parameter_of(model, name) for name in names]
    return np.concatenate([to_ours(tensors[parameter], axes).reshape(-1) for parameter, axes in found])


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
        found = {"loss": to_ours(gradients())} | gradients_of(model, names)
        finish()
        after = _flat(model, names, {parameter: parameter for parameter in parameters})
        average = _flat(model, names, dict(zip(parameters, averages, strict=True)))
        return found | {"moved": after - before, "average moved": average - before}

    return Candidate(name, run, outputs)


def _steps(
    build: Callable[[], nn.Module], arrays: Sequence[Array], weights: Arrays, recipe: Recipe, lr: float
) -> list[Candidate]:
    def make(name: str, compiled: bool) -> Candidate:
        model = with_weights(build(), weights, FORMATS[name], _device)
        batch = [_put(array, IMAGES if array.ndim == 4 else None, FORMATS[name]) for array in arrays]
        label = f"{name}, {'compiled' if compiled else 'eager'}"
        return _training_step(label, model, batch, list(weights), recipe, lr, compiled)

    return [make(name, compiled) for compiled in (False, True) for name in FORMATS]


def denoiser_step(
    config: DenoiserConfig, arrays: Sequence[Array], weights: Arrays, recipe: Recipe, lr: float
) -> list[Candidate]:
    return _steps(lambda: DiT(config) if isinstance(config, DiTConfig) else UNet(config), arrays, weights, recipe, lr)


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
        model = with_weights(ClassicUNet(config), weights, FORMATS[name], _device)
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
        return Candidate(label, both_ways, lambda: {"loss": to_ours(both_ways())} | gradients_of(model, list(weights)))

    return [make(name, compiled) for compiled in (False, True) for name in FORMATS]
