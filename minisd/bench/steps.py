"""Whole training steps of minisd's networks, and the U-Net of 2015 at the paper's size.

A step of the shipped model's networks is what ``minisd.train.loop`` does with a batch: loss, gradients, clip, Adam,
moving average of the weights. The batch is made beforehand, once, and the same for both sides.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from math import prod
from typing import Any

import numpy as np
from minisd_kernels.devices import to_device, to_host

from minisd import ops
from minisd.autograd import Array, Tensor, no_grad, recorded
from minisd.bench.case import Arrays, Candidate, Case, Work
from minisd.data.strokes import draw_strokes
from minisd.diffusion.prediction import target
from minisd.models.denoiser import Denoiser, make_denoiser
from minisd.models.dit import DiTConfig
from minisd.models.fitting import denoiser_config
from minisd.models.unet_classic import UNetClassic, UNetClassicConfig
from minisd.nn import Module
from minisd.optim import EMA, AdamW
from minisd.pictures import to_unit_range
from minisd.pipeline import Pipeline
from minisd.text.captions import all_captions
from minisd.train.recipe import CLIPRecipe, DenoiserRecipe, Recipe, VAERecipe

# The order of sums is another in every layer, and a network multiplies what differs.
TOLERANCE = 2e-3
# Where a ReLU's input or two of a max-pool's nearly agree, rounding decides which way the gradient takes: one such
# place in ten thousand changes a gradient by about a hundredth of its length.
RELU_TOLERANCE = 2e-2
BATCH = 128
RATE = 1e-4  # so small that hundreds of steps on one batch leave the network what it is


def _training_step(module: Module, loss: Callable[[], Tensor], recipe: Recipe) -> Candidate:
    """One step, in full; the outputs are the loss, every gradient, and how far a step moves weights and average."""
    optimizer, average = AdamW(module, weight_decay=recipe.weight_decay), EMA(module, recipe.ema_decay)

    def finish() -> None:
        optimizer.step(RATE, recipe.clip_norm)
        average.update()

    def run() -> float:
        result = loss()
        result.backward()
        finish()
        return result.item()

    def outputs() -> Arrays:
        before = average.weights.copy()
        result = loss()
        result.backward()
        found = _gradients(module, result)
        finish()
        moved = {"moved": average.weights - before, "average moved": average.average - before}
        return found | {name: to_host(array) for name, array in moved.items()}

    return Candidate("minisd", run, outputs)


def _gradients(module: Module, loss: Tensor) -> Arrays:
    """The loss that has gone back, and what came of it."""
    found = {"loss": loss.data.reshape(())} | {name: parameter.grad for name, parameter in module.named_parameters()}
    return {name: to_host(array) for name, array in found.items() if array is not None}


def _captions(pipeline: Pipeline, batch: int) -> tuple[list[str], Array]:
    texts = all_captions()
    chosen = [texts[i * len(texts) // batch] for i in range(batch)]
    return chosen, pipeline.tokenizer(chosen, pipeline.clip.config.context_length)[0]


def _unet_step(batch: int, device: str) -> Work:
    pipeline = Pipeline.load().to(device)
    return _denoiser_step(pipeline, pipeline.denoiser, batch)


def _dit_step(batch: int, device: str) -> Work:
    pipeline, rng = Pipeline.load().to(device), np.random.default_rng(0)
    dit = make_denoiser(denoiser_config(DiTConfig(), pipeline.vae.config, pipeline.clip.config), rng=rng)
    for parameter in dit.parameters():  # also those that begin at 0
        parameter.data += 0.02 * rng.standard_normal(parameter.shape, np.float32)
    return _denoiser_step(pipeline, dit.to(device), batch)


def _denoiser_step(pipeline: Pipeline, network: Denoiser, batch: int) -> Work:
    rng, T = np.random.default_rng(0), pipeline.schedule.steps
    prompt = pipeline.encode_prompts(_captions(pipeline, batch)[0])
    x_0 = rng.standard_normal((batch, *pipeline.latent_shape), np.float32)
    noise, t = rng.standard_normal(x_0.shape, np.float32), np.arange(batch) * T // batch
    wanted = target(pipeline.info.prediction, x_0, noise, *pipeline.schedule.rates(t, x_0))
    x_t = pipeline.schedule.add_noise(x_0, noise, t)
    arrays = (x_t, to_host(prompt.context), to_host(prompt.pooled), wanted)

    def loss(x_t: Array, context: Array, pooled: Array, wanted: Array) -> Tensor:
        return ops.mean_squared_error(network(Tensor(x_t), t, Tensor(context), Tensor(pooled)), Tensor(wanted))

    return _work(
        network,
        loss,
        arrays,
        DenoiserRecipe(),
        lambda torch, *rest: torch.denoiser_step(network.config, (x_t, t, *arrays[1:]), *rest),
    )


def _vae_step(batch: int, device: str) -> Work:
    pipeline, rng = Pipeline.load(), np.random.default_rng(0)
    vae, kl_weight = pipeline.vae.to(device), VAERecipe().kl_weight
    x = to_unit_range(draw_strokes(batch, 0).images)
    noise = rng.standard_normal((batch, *pipeline.latent_shape), np.float32)

    def loss(x: Array, noise: Array) -> Tensor:
        x_again, mean, log_variance = vae(Tensor(x), noise)
        kl_per_latent = ops.kl_divergence(mean, log_variance) * (batch / mean.data.size)
        return ops.mean_squared_error(x_again, Tensor(x)) + kl_per_latent * kl_weight

    arrays = (x, noise)
    return _work(
        vae, loss, arrays, VAERecipe(),
        lambda torch, *rest: torch.vae_step(vae.config, kl_weight, arrays, *rest),
    )  # fmt: skip


def _clip_step(batch: int, device: str) -> Work:
    pipeline = Pipeline.load()
    clip = pipeline.clip.to(device)
    arrays = to_unit_range(draw_strokes(batch, 0).images), _captions(pipeline, batch)[1]

    def loss(images: Array, ids: Array) -> Tensor:
        return clip(Tensor(images), ids)

    return _work(clip, loss, arrays, CLIPRecipe(), lambda torch, *rest: torch.clip_step(clip.config, arrays, *rest))


def _work(
    module: Module,
    loss: Callable[..., Tensor],
    arrays: Sequence[Array],
    recipe: Recipe,
    theirs: Callable[..., list[Candidate]],
) -> Work:
    """`loss` is given the arrays where the module is; `theirs` the module in_torch, the weights, recipe and rate."""
    moved = [to_device(array, module.device) for array in arrays]
    ours = _training_step(module, lambda: loss(*moved), recipe)
    weights = {name: array.copy() for name, array in module.state_dict().items()}
    return Work(ours, lambda torch: theirs(torch, weights, recipe, RATE), training_flops(loss(*moved)), None)


def _classic(size: int, device: str, *, backward: bool) -> Work:
    rng = np.random.default_rng(0)
    unet = UNetClassic(UNetClassicConfig(), rng=rng)
    image = rng.standard_normal((1, size, size, 1), np.float32)
    out = unet.config.shape.output(size)
    classes = rng.integers(0, 2, out * out)
    weights = unet.state_dict()
    unet.to(device)
    x, wanted = Tensor(image).to(device), to_device(classes, device)

    def loss() -> Tensor:
        return ops.cross_entropy(unet(x).reshape(-1, 2), wanted)

    def forward() -> Array:
        with no_grad():
            logits: Tensor = unet(x)
        return logits.data

    def both_ways() -> Tensor:
        for parameter in unet.parameters():
            parameter.grad = None
        result = loss()
        result.backward()
        return result

    def outputs() -> Arrays:
        return _gradients(unet, both_ways()) if backward else {"logits": to_host(forward())}

    run: Callable[[], Any] = both_ways if backward else forward
    ours = Candidate("minisd", run, outputs)
    return Work(
        ours,
        lambda torch: torch.classic_unet(unet.config, (image, classes), weights, backward),
        training_flops(loss(), backward=backward),
        None,
    )


def training_flops(result: Tensor, *, backward: bool = True) -> int:
    """Additions and multiplications of the matrix products behind `result`, convolutions and attention included.

    A product's gradient by each of its two factors costs as much as the product; where a factor needs none, as the
    first layer's input, nothing is counted. Norms, activations and the optimiser are left out.

    >>> x, weight = Tensor(np.ones((2, 3))), Tensor(np.ones((3, 5)), requires_grad=True)
    >>> training_flops(ops.linear(x, weight), backward=False), training_flops(ops.linear(x, weight))
    (60, 120)
    """
    flops = 0
    for tensor in recorded(result):
        function = tensor.function
        if function is None or (rule := _FORWARD_FLOPS.get(type(function).__name__)) is None:
            continue
        # Attention multiplies twice, and each product has its own gradients by both factors.
        factors = 2 if type(function).__name__ == "_Attention" else sum(function.needs[:2])
        flops += rule(tensor.shape, *(source.shape for source in function.inputs)) * (1 + factors * backward)
    return flops


Shape = tuple[int, ...]


def _conv2d(y: Shape, x: Shape, weight: Shape, *_: Shape) -> int:
    return 2 * prod(y) * prod(weight[:3])


def _conv_transpose2d(y: Shape, x: Shape, weight: Shape, *_: Shape) -> int:
    return 2 * prod(x[:3]) * prod(weight)


def _linear(y: Shape, x: Shape, weight: Shape, *_: Shape) -> int:
    return 2 * prod(y) * weight[0]


def _attention(out: Shape, query: Shape, key: Shape, value: Shape) -> int:
    return 4 * prod(out) * key[1]


_FORWARD_FLOPS: dict[str, Callable[..., int]] = {
    "_Conv2d": _conv2d,
    "_ConvTranspose2d": _conv_transpose2d,
    "_Linear": _linear,
    "_Attention": _attention,
}

_MNIST, _CLASSIC = "training step, MNIST model", "U-Net of 2015"

STEPS = (
    Case("U-Net step", _MNIST, f"{BATCH} x 7 x 7 x 4", TOLERANCE, partial(_unet_step, BATCH)),
    Case("DiT step", _MNIST, f"{BATCH} x 7 x 7 x 4", TOLERANCE, partial(_dit_step, BATCH)),
    Case("VAE step", _MNIST, f"{BATCH} x 28 x 28 x 1", TOLERANCE, partial(_vae_step, BATCH)),
    Case("CLIP step", _MNIST, f"{BATCH} x 28 x 28 x 1", TOLERANCE, partial(_clip_step, BATCH)),
    Case("forward", _CLASSIC, "1 x 572 x 572 x 1", TOLERANCE, partial(_classic, 572, backward=False)),
    Case("forward and backward", _CLASSIC, "1 x 572 x 572 x 1", RELU_TOLERANCE, partial(_classic, 572, backward=True)),
)
