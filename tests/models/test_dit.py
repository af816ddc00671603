"""The diffusion transformer: its equation, what it starts as, sizes and patches, and that it learns."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import oracles
import pytest
from minisd_kernels.backends import use_backend
from strategies import Array, in_float64, normal, normal_tensor, rng

from minisd import ops
from minisd.autograd import Tensor
from minisd.data import draw_strokes
from minisd.data.dataset import CaptionedPictures
from minisd.models.dit import DiT, DiTBlock, DiTConfig, from_patches, positions, to_patches
from minisd.pipeline import Pipeline
from minisd.train.denoiser import DenoiserTask, encode_all
from minisd.train.loop import Fit

SMALL = DiTConfig(width=16, depth=2, heads=2, context_width=12, pooled_width=10, time_width=20)


def small(patch: int = 1, channels: int = 4) -> DiT:
    """With no weight at zero: as training leaves it."""
    dit, generator = DiT(replace(SMALL, patch=patch, latent_channels=channels), rng=rng()), rng(7)
    for parameter in dit.parameters():
        parameter.data += generator.standard_normal(parameter.shape).astype(np.float32) / 10
    return dit


def inputs(B: int, H: int, W: int, C: int = 4) -> tuple[Tensor, Array, Tensor, Tensor]:
    t = np.arange(B) * 300 + 10
    return normal_tensor(B, H, W, C), t, normal_tensor(B, 6, 12, seed=1), normal_tensor(B, 10, seed=2)


# ---- The equation


@pytest.mark.usefixtures("numpy_backend")
@pytest.mark.parametrize(("patch", "size"), [(1, (3, 5)), (2, (4, 6)), (3, (3, 6))])
def test_it_is_its_equation(patch: int, size: tuple[int, int]) -> None:
    config = DiTConfig(
        latent_channels=2, patch=patch, width=8, depth=2, heads=2, expansion=3, context_width=5, pooled_width=3,
        time_width=6,
    )  # fmt: skip
    dit = in_float64(DiT(config, rng=rng()))
    x, t, context, pooled = normal(2, *size, 2), np.array([3.0, 712.5]), normal(2, 4, 5), normal(2, 3)
    got = dit(Tensor(x), t, Tensor(context), Tensor(pooled))
    wanted = oracles.diffusion_transformer(dit.state_dict(), x, t, context, pooled, patch, 2, 2)
    np.testing.assert_allclose(got.data, wanted, rtol=1e-8, atol=1e-9)


@pytest.mark.usefixtures("numpy_backend")
def test_without_a_prompt_it_hears_none() -> None:
    config = replace(SMALL, width=8, context_width=None, pooled_width=None)
    dit = in_float64(DiT(config, rng=rng()))
    assert not any("cross" in name or "prompt" in name for name, _ in dit.named_parameters())
    x, t = normal(2, 3, 2, 4), np.array([3.0, 712.5])
    wanted = oracles.diffusion_transformer(dit.state_dict(), x, t, None, None, 1, 2, 2)
    np.testing.assert_allclose(dit(Tensor(x), t).data, wanted, rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize(("name", "width"), [("context", 12), ("pooled", 10)])
def test_it_says_what_it_wants_to_be_told(name: str, width: int) -> None:
    x, t, context, pooled = inputs(1, 2, 2)
    told = {"context": context, "pooled": pooled}
    with pytest.raises(ValueError, match=f"DiT: this network wants {name} of width {width}, got none"):
        small()(x, t, **told | {name: None})
    with pytest.raises(ValueError, match=f"DiT: this network wants no {name}, got shape"):
        DiT(replace(SMALL, **{f"{name}_width": None}), rng=rng())(x, t, **told)  # type: ignore[arg-type]


@pytest.mark.usefixtures("numpy_backend")
def test_its_gradient_is_the_difference_of_values() -> None:
    """Of all weights and what it is shown and told, along one random direction."""
    dit = in_float64(DiT(replace(SMALL, width=8, patch=2), rng=rng()))
    x, t, context, pooled = normal(2, 4, 2, 4), np.array([3.0, 712.5]), normal(2, 3, 12), normal(2, 10)
    arrays = [*(parameter.data for parameter in dit.parameters()), x, context, pooled]
    directions = [rng(i).standard_normal(array.shape) for i, array in enumerate(arrays)]
    upstream = rng(99).standard_normal(x.shape)

    def loss(step: float) -> tuple[float, float]:
        """The loss so far along the direction, and its slope there."""
        moved = [array + step * direction for array, direction in zip(arrays, directions, strict=True)]
        parameters = dit.parameters()
        for parameter, array in zip(parameters, moved, strict=False):
            parameter.data, parameter.grad = array, None
        told = [Tensor(array, requires_grad=True) for array in moved[len(parameters) :]]
        total = (dit(told[0], t, told[1], told[2]) * Tensor(upstream)).sum()
        total.backward()
        grads = [node.grad for node in (*parameters, *told)]
        return total.item(), sum(float((g * d).sum()) for g, d in zip(grads, directions, strict=True))

    step = 1e-5
    difference = (loss(step)[0] - loss(-step)[0]) / (2 * step)
    assert loss(0.0)[1] == pytest.approx(difference, rel=1e-6)


# ---- What it starts as


def test_a_fresh_one_predicts_0_and_each_block_is_the_identity() -> None:
    dit = DiT(SMALL, rng=rng())
    assert not dit(*inputs(2, 7, 5)).data.any()
    x, condition, context = normal_tensor(2, 9, 16), normal_tensor(2, 20), normal_tensor(2, 6, 12)
    for block in dit.blocks:
        np.testing.assert_array_equal(block(x, condition, context).data, x.data)
    assert np.abs(DiTBlock.forward(small().blocks[0], x, condition, context).data - x.data).max() > 0.1


def test_a_fresh_one_has_a_gradient_where_it_can_begin() -> None:
    """The last layer is 0, so only it learns at first, and then what stands before it."""
    dit = DiT(SMALL, rng=rng())
    for step in range(3):
        loss = ops.mean_squared_error(dit(*inputs(2, 3, 3)), normal_tensor(2, 3, 3, 4, seed=9))
        loss.backward()
        moving = {name for name, parameter in dit.named_parameters() if np.any(parameter.grad)}
        assert ("linear_out.weight" in moving) and ("blocks.0.modulate_self.linear.weight" in moving) is (step > 0)
        for parameter in dit.parameters():
            parameter.data = parameter.data - 0.5 * parameter.grad
            parameter.grad = None
    assert "blocks.0.attend_self.to_query.weight" in moving and "blocks.1.attend_cross.to_key.weight" in moving


# ---- Sizes and patches


@pytest.mark.parametrize(("H", "W"), [(7, 7), (8, 8), (5, 9), (1, 2), (3, 16)])
def test_single_pixels_are_of_every_size(H: int, W: int) -> None:
    y = small()(*inputs(2, H, W))
    assert y.shape == (2, H, W, 4) and y.dtype == np.float32 and y.data.any()


@pytest.mark.parametrize(("patch", "H", "W"), [(2, 8, 6), (2, 2, 2), (3, 6, 9), (4, 4, 12)])
def test_patches_fill_the_sizes_that_they_divide(patch: int, H: int, W: int) -> None:
    assert small(patch, 3)(*inputs(2, H, W, 3)).shape == (2, H, W, 3)
    x = normal_tensor(2, H, W, 3)
    tokens = to_patches(x, patch)
    assert tokens.shape == (2, H * W // patch**2, 3 * patch**2)
    np.testing.assert_array_equal(from_patches(tokens, H // patch, W // patch, patch).data, x.data)
    first = x.data[1, :patch, patch : 2 * patch] if patch < W else x.data[1, :patch, :patch]
    np.testing.assert_array_equal(tokens.data[1, 1 if patch < W else 0], first.ravel())


@pytest.mark.parametrize(
    ("patch", "H", "W", "nearest"), [(2, 7, 7, "8 x 8"), (2, 1, 6, "2 x 6"), (4, 9, 7, "8 x 8"), (3, 6, 7, "6 x 6")]
)
def test_other_sizes_are_refused_with_the_nearest(patch: int, H: int, W: int, nearest: str) -> None:
    with pytest.raises(ValueError, match=f"DiT: {H} x {W} is no multiple of the patch, {patch}; nearest: {nearest}"):
        small(patch)(*inputs(1, H, W))


def test_every_place_has_its_own_waves() -> None:
    places = positions(9, 14, 16)
    assert places.shape == (126, 16)
    distances = np.linalg.norm(places[:, None] - places[None], axis=-1) + 10 * np.eye(126)
    assert distances.min() > 0.1
    np.testing.assert_array_equal(positions(9, 3, 16), places.reshape(9, 14, 16)[:, :3].reshape(27, 16))
    np.testing.assert_array_equal(positions(3, 9, 16).reshape(3, 9, 16)[2, 1, :8], places.reshape(9, 14, 16)[2, 5, :8])


def test_configurations_that_do_not_fit_together_are_named() -> None:
    with pytest.raises(ValueError, match="DiTConfig: heads: a width of 16 does not split into 3 heads"):
        replace(SMALL, heads=3)
    with pytest.raises(ValueError, match="DiTConfig: width: wanted a multiple of 4, got 6"):
        replace(SMALL, width=6)


# ---- What it must hear, and what it must not


def test_it_listens_to_everything_it_is_told() -> None:
    dit, (x_t, t, context, pooled) = small(), inputs(2, 7, 7)
    y = dit(x_t, t, context, pooled).data
    others = {
        "x_t": dit(normal_tensor(2, 7, 7, 4, seed=5), t, context, pooled),
        "t": dit(x_t, t + 100, context, pooled),
        "context": dit(x_t, t, normal_tensor(2, 6, 12, seed=5), pooled),
        "pooled": dit(x_t, t, context, normal_tensor(2, 10, seed=5)),
        "places": dit(Tensor(x_t.data[:, ::-1].copy()), t, context, pooled),
    }
    for name, other in others.items():
        same = other.data[:, ::-1] if name == "places" else other.data
        assert np.abs(same - y).max() > 1e-3 * np.abs(y).max(), name


def test_every_weight_has_a_gradient() -> None:
    dit = small()
    ops.mean_squared_error(dit(*inputs(2, 7, 7)), normal_tensor(2, 7, 7, 4, seed=9)).backward()
    assert [name for name, parameter in dit.named_parameters() if parameter.grad is None] == []


@pytest.mark.parametrize("patch", [1, 2])
def test_a_sample_does_not_depend_on_its_batch(patch: int) -> None:
    dit, (x_t, t, context, pooled) = small(patch), inputs(5, 6, 8)
    y = dit(x_t, t, context, pooled).data
    for b in range(5):
        one = slice(b, b + 1)
        alone = dit(Tensor(x_t.data[one]), t[one], Tensor(context.data[one]), Tensor(pooled.data[one]))
        np.testing.assert_array_equal(alone.data, y[one])


def test_numpy_and_numba_agree() -> None:
    found = []
    for backend in ("numpy", "numba"):
        with use_backend(backend):
            dit = small()
            y = dit(*inputs(3, 7, 7))
            ops.mean_squared_error(y, normal_tensor(3, 7, 7, 4, seed=9)).backward()
            found.append({"y": y.data, **{name: parameter.grad for name, parameter in dit.named_parameters()}})
    for name, wanted in found[0].items():
        np.testing.assert_allclose(found[1][name], wanted, atol=1e-5 * np.abs(wanted).max(), err_msg=name)


# ---- Training


def test_it_learns_from_strokes() -> None:
    shipped, strokes = Pipeline.load(), draw_strokes(64, 0)
    data = CaptionedPictures(strokes.images, [f"a {label}" for label in strokes.labels])
    dit = DiT(DiTConfig(width=32, depth=2, heads=2, time_width=64), rng=rng())
    pipeline = Pipeline(shipped.vae, shipped.clip, dit, shipped.tokenizer, shipped.info)
    task = DenoiserTask(data, pipeline, encode_all(pipeline.vae, data.images))
    assert task.name == "dit" and task.module is dit
    task.recipe = replace(task.recipe, peak_lr=5e-3, warmup=3)
    fit = Fit(task, seed=0, steps=30)
    while not fit.done:
        fit.step()
    assert np.mean(fit.losses[-5:]) < 0.8 * np.mean(fit.losses[:5])
