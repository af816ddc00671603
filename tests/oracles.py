"""Every operation once more, as plain loops written from its equation and not from our code: slow, and easy to trust.

All sums are float64, whatever comes in.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Pair = tuple[int, int]
Padding = tuple[int | Pair, int | Pair]
Function = Callable[[Array], Array]


# ---- Pooling and upsampling


def max_pool2d(x: Array, window: Pair, stride: Pair, padding: Pair) -> tuple[Array, Array]:
    """y = max over the window; outside the image is -inf, the first maximum wins."""
    B, H, W, C = x.shape
    P = (H + 2 * padding[0] - window[0]) // stride[0] + 1
    Q = (W + 2 * padding[1] - window[1]) // stride[1] + 1
    y = np.full((B, P, Q, C), -np.inf)
    argmax = np.zeros((B, P, Q, C), np.int32)
    for b, p, q, c in np.ndindex(B, P, Q, C):
        for i in range(window[0]):
            for j in range(window[1]):
                h, w = p * stride[0] + i - padding[0], q * stride[1] + j - padding[1]
                value = x[b, h, w, c] if 0 <= h < H and 0 <= w < W else -np.inf
                if value > y[b, p, q, c]:
                    y[b, p, q, c], argmax[b, p, q, c] = value, i * window[1] + j
    return y, argmax


def upsample2d(x: Array, scale: Pair) -> Array:
    """y[h, w] = x[h // sh, w // sw]."""
    B, H, W, C = x.shape
    y = np.empty((B, H * scale[0], W * scale[1], C))
    for b, h, w, c in np.ndindex(*y.shape):
        y[b, h, w, c] = x[b, h // scale[0], w // scale[1], c]
    return y


# ---- Norms, activations, embedding, optimiser


def group_norm(x: Array, gamma: Array, beta: Array, groups: int, eps: float = 1e-5) -> Array:
    """y = gamma (x - mean) / sqrt(variance + eps) + beta, statistics over an image's group of channels."""
    B, C = x.shape[0], x.shape[-1]
    y = np.empty(x.shape)
    for b in range(B):
        for g in range(groups):
            channels = slice(g * C // groups, (g + 1) * C // groups)
            values = x[b, ..., channels].astype(np.float64)
            mean = sum(values.flat) / values.size
            variance = sum((v - mean) ** 2 for v in values.flat) / values.size
            y[b, ..., channels] = (values - mean) / math.sqrt(variance + eps)
    return gamma * y + beta


def layer_norm(x: Array, gamma: Array, beta: Array, eps: float = 1e-5) -> Array:
    """y = gamma (x - mean) / sqrt(variance + eps) + beta, statistics over the last axis."""
    y = np.empty(x.shape)
    for row in np.ndindex(*x.shape[:-1]):
        values = [float(v) for v in x[row]]
        mean = sum(values) / len(values)
        variance = sum((v - mean) ** 2 for v in values) / len(values)
        y[row] = [(v - mean) / math.sqrt(variance + eps) for v in values]
    return gamma * y + beta


def relu(x: Array) -> Array:
    """y = max(x, 0)."""
    return np.array([max(v, 0.0) for v in x.astype(np.float64).flat]).reshape(x.shape)


def silu(x: Array, slope: float = 1) -> Array:
    """y = x / (1 + e^-slope x)."""
    return np.array([v / (1 + math.exp(-slope * v)) for v in x.astype(np.float64).flat]).reshape(x.shape)


def quick_gelu(x: Array) -> Array:
    """y = x sigmoid(1.702 x)."""
    return silu(x, 1.702)


def exact_gelu(x: Array) -> Array:
    """y = x Phi(x) = x/2 (1 + erf(x / sqrt 2))."""
    return np.array([v / 2 * (1 + math.erf(v / math.sqrt(2))) for v in x.astype(np.float64).flat]).reshape(x.shape)


def geglu(x: Array) -> Array:
    """y_d = x_d gelu(x_{D + d})."""
    D = x.shape[-1] // 2
    return x[..., :D].astype(np.float64) * exact_gelu(x[..., D:])


def gelu(x: Array) -> Array:
    """y = x/2 (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3)))."""
    slope = math.sqrt(2 / math.pi)
    values = [v / 2 * (1 + math.tanh(slope * (v + 0.044715 * v**3))) for v in x.astype(np.float64).flat]
    return np.array(values).reshape(x.shape)


def softmax(x: Array) -> Array:
    """y_j = e^x_j / sum_k e^x_k."""
    y = np.empty(x.shape)
    for row in np.ndindex(*x.shape[:-1]):
        exponentials = [math.exp(v) for v in x[row]]
        y[row] = [e / sum(exponentials) for e in exponentials]
    return y


def embedding(table: Array, ids: Array) -> Array:
    """y[n] = table[ids[n]]."""
    y = np.empty((*ids.shape, table.shape[1]))
    for n in np.ndindex(*ids.shape):
        for d in range(table.shape[1]):
            y[(*n, d)] = table[ids[n], d]
    return y


def adamw(param: Array, grads: list[Array], lr: float, beta1: float, beta2: float, eps: float, decay: float) -> Array:
    """The parameters after one step for each of the gradients (Loshchilov & Hutter 2019, algorithm 2)."""
    after = np.empty(param.shape)
    for i in range(param.size):
        theta, m, v = float(param[i]), 0.0, 0.0
        for t, grad in enumerate(grads, start=1):
            g = float(grad[i])
            m, v = beta1 * m + (1 - beta1) * g, beta2 * v + (1 - beta2) * g * g
            m_hat, v_hat = m / (1 - beta1**t), v / (1 - beta2**t)
            theta -= lr * (m_hat / (math.sqrt(v_hat) + eps) + decay * theta)
        after[i] = theta
    return after


# ---- Losses


def mean_squared_error(a: Array, b: Array) -> Array:
    """loss = 1/n sum_i (a_i - b_i)^2."""
    terms = [(float(x) - float(y)) ** 2 for x, y in zip(a.flat, b.flat, strict=True)]
    return np.array(sum(terms) / len(terms))


def cross_entropy(logits: Array, target: Array, weight: Array) -> Array:
    """loss = -1/N sum_n weight_n sum_v target_nv log(e^x_nv / sum_u e^x_nu), target (N, V)."""
    N, V = logits.shape
    loss = 0.0
    for n in range(N):
        exponentials = [math.exp(x) for x in logits[n]]
        for v in range(V):
            loss -= float(weight[n]) * float(target[n, v]) * math.log(exponentials[v] / sum(exponentials))
    return np.array(loss / N)


# ---- Gradients


def gradient(function: Function, x: Array, grad_y: Array, step: float = 1e-5) -> Array:
    """d/dx of sum(grad_y function(x)), by central differences in each number of x."""
    at = x.astype(np.float64)
    grad_x = np.empty(x.shape)
    for i in np.ndindex(*x.shape):
        middle = at[i]
        at[i] = middle + step
        above = function(at)
        at[i] = middle - step
        grad_x[i] = (grad_y * (above - function(at))).sum() / (2 * step)
        at[i] = middle
    return grad_x


# ---- Linear layer, convolution and attention


def linear(x: Array, weight: Array, bias: Array) -> Array:
    """y[m, n] = bias[n] + sum_k x[m, k] weight[k, n]."""
    y = np.empty((x.shape[0], weight.shape[1]))
    for m, n in np.ndindex(*y.shape):
        y[m, n] = float(bias[n]) + sum(float(x[m, k]) * float(weight[k, n]) for k in range(x.shape[1]))
    return y


def sides(padding: int | Pair) -> Pair:
    """How many zeros stand before and after: the same unless a pair says otherwise."""
    return (padding, padding) if isinstance(padding, int) else padding


def starts(size: int, window: int, stride: int, padding: int | Pair, dilation: int) -> list[int]:
    """Where a window can start so that it ends inside the padded input: counted, not computed."""
    (before, after), last_tap = sides(padding), dilation * (window - 1)
    return [i for i in range(-before, size + after) if (i + before) % stride == 0 and i + last_tap < size + after]


def meetings(
    pixels: Pair, window: Pair, stride: Pair, padding: Padding, dilation: Pair, picture: Pair
) -> list[list[int]]:
    """All (p, q, i, j, h, w): tap (i, j) of the window at pixel (p, q) lies on pixel (h, w) of the picture."""
    met, (top, left) = [], (sides(p)[0] for p in padding)
    for p, q, i, j in np.ndindex(*pixels, *window):
        h = p * stride[0] - top + i * dilation[0]
        w = q * stride[1] - left + j * dilation[1]
        if 0 <= h < picture[0] and 0 <= w < picture[1]:
            met.append([p, q, i, j, h, w])
    return met


def conv2d(x: Array, weight: Array, bias: Array, stride: Pair, padding: Padding, dilation: Pair) -> Array:
    """y[p, q, o] = bias[o] + sum over the window and c of x[h, w, c] weight[i, j, c, o]."""
    (B, H, W, _), (kh, kw, _, O) = x.shape, weight.shape
    P = len(starts(H, kh, stride[0], padding[0], dilation[0]))
    Q = len(starts(W, kw, stride[1], padding[1], dilation[1]))
    y = np.zeros((B, P, Q, O)) + bias
    for p, q, i, j, h, w in meetings((P, Q), (kh, kw), stride, padding, dilation, (H, W)):
        y[:, p, q] += x[:, h, w].astype(float) @ weight[i, j]
    return y


def conv2d_gradients(
    grad: Array, x: Array, weight: Array, stride: Pair, padding: Padding, dilation: Pair
) -> tuple[Array, Array, Array]:
    """Every product x weight that was added to y passes y's gradient to both of its factors."""
    grad_x, grad_weight, g = np.zeros(x.shape), np.zeros(weight.shape), grad.astype(float)
    (_, H, W, _), (_, P, Q, _), (kh, kw, _, _) = x.shape, grad.shape, weight.shape
    for p, q, i, j, h, w in meetings((P, Q), (kh, kw), stride, padding, dilation, (H, W)):
        grad_x[:, h, w] += g[:, p, q] @ weight[i, j].T
        grad_weight[i, j] += x[:, h, w].T @ g[:, p, q]
    return grad_x, grad_weight, g.sum(axis=(0, 1, 2))


def conv_transpose2d(
    x: Array, weight: Array, bias: Array, stride: Pair, padding: Padding, dilation: Pair, output_padding: Padding
) -> Array:
    """y[h, w, o] = bias[o], and x[p, q, c] weight[i, j, c, o] is added wherever a window meets the pixel."""
    (B, P, Q, _), (kh, kw, _, O) = x.shape, weight.shape
    H = (P - 1) * stride[0] + (kh - 1) * dilation[0] + 1 - sum(sides(padding[0])) + output_padding[0]
    W = (Q - 1) * stride[1] + (kw - 1) * dilation[1] + 1 - sum(sides(padding[1])) + output_padding[1]
    y = np.zeros((B, H, W, O)) + bias
    for p, q, i, j, h, w in meetings((P, Q), (kh, kw), stride, padding, dilation, (H, W)):
        y[:, h, w] += x[:, p, q].astype(float) @ weight[i, j]
    return y


def conv_transpose2d_gradients(
    grad: Array, x: Array, weight: Array, stride: Pair, padding: Padding, dilation: Pair
) -> tuple[Array, Array, Array]:
    """Every product x weight that was added to y passes y's gradient to both of its factors."""
    grad_x, grad_weight, g = np.zeros(x.shape), np.zeros(weight.shape), grad.astype(float)
    (_, P, Q, _), (_, H, W, _), (kh, kw, _, _) = x.shape, grad.shape, weight.shape
    for p, q, i, j, h, w in meetings((P, Q), (kh, kw), stride, padding, dilation, (H, W)):
        grad_x[:, p, q] += g[:, h, w] @ weight[i, j].T
        grad_weight[i, j] += x[:, p, q].T @ g[:, h, w]
    return grad_x, grad_weight, g.sum(axis=(0, 1, 2))


def attention(query: Array, key: Array, value: Array, scale: float, causal: bool) -> tuple[Array, Array]:
    """out[n] = sum_m softmax_m(scale <query[n], key[m]>) value[m], and the logarithm of the softmax's denominator."""
    B, N, heads, _ = query.shape
    out, logsumexp = np.zeros(query.shape), np.zeros((B, heads, N))
    for b, n, h in np.ndindex(B, N, heads):
        seen = slice(n + 1) if causal else slice(None)
        scores = scale * (key[b, seen, h].astype(float) @ query[b, n, h].astype(float))
        weights = np.exp(scores - scores.max())
        out[b, n, h] = weights @ value[b, seen, h] / weights.sum()
        logsumexp[b, h, n] = scores.max() + math.log(weights.sum())
    return out, logsumexp


def attention_gradients(
    grad: Array, query: Array, key: Array, value: Array, scale: float, causal: bool
) -> tuple[Array, Array, Array]:
    """The chain rule for one query after the other, with the softmax's Jacobian diag(p) - p p^T written out."""
    grad_query, grad_key, grad_value = np.zeros(query.shape), np.zeros(key.shape), np.zeros(value.shape)
    B, N, heads, _ = query.shape
    for b, n, h in np.ndindex(B, N, heads):
        seen = slice(n + 1) if causal else slice(None)
        q, k, v, g = (a.astype(float) for a in (query[b, n, h], key[b, seen, h], value[b, seen, h], grad[b, n, h]))
        p = np.exp(scale * (k @ q) - (scale * (k @ q)).max())
        p /= p.sum()
        grad_scores = (np.diag(p) - np.outer(p, p)) @ (v @ g)
        grad_value[b, seen, h] += np.outer(p, g)
        grad_query[b, n, h] += scale * (grad_scores @ k)
        grad_key[b, seen, h] += scale * np.outer(grad_scores, q)
    return grad_query, grad_key, grad_value


# ---- Blocks: a network's parts from the above, with the weights by the names that a module gives them

Weights = dict[str, Array]


def part(weights: Weights, name: str) -> Weights:
    """The weights of one part, their names without the part's own."""
    return {key.removeprefix(f"{name}."): value for key, value in weights.items() if key.startswith(f"{name}.")}


def dense(x: Array, weight: Array, bias: Array | float = 0.0) -> Array:
    """x weight + bias along the last axis of tokens."""
    return x.astype(float) @ weight.astype(float) + bias


def residual_block(x: Array, condition: Array | None, weights: Weights, groups: int, eps: float) -> Array:
    """shortcut(x) + conv_2(silu(norm_2(conv_1(silu(norm_1(x))) + to_shift(silu(condition)))))."""

    def half(h: Array, n: int) -> Array:
        norm, conv = part(weights, f"norm_{n}"), part(weights, f"conv_{n}")
        normed = silu(group_norm(h, norm["gamma"], norm["beta"], groups, eps))
        return conv2d(normed, conv["weight"], conv["bias"], (1, 1), (1, 1), (1, 1))

    h = half(x, 1)
    if condition is not None:
        h = h + dense(silu(condition), **part(weights, "to_shift"))[:, None, None]
    shortcut = part(weights, "shortcut")
    return half(h, 2) + (dense(x, shortcut["weight"][0, 0], shortcut["bias"]) if shortcut else x)


def multi_head_attention(x: Array, context: Array, weights: Weights, heads: int, causal: bool = False) -> Array:
    """to_out of the heads side by side: head h attends with columns h d..(h+1) d of query, key and value."""
    names = {"to_query": x, "to_key": context, "to_value": context}
    query, key, value = (dense(tokens, **part(weights, name)) for name, tokens in names.items())
    B, N, width = query.shape
    d, mixed = width // heads, np.empty(query.shape)
    for h in range(heads):
        mine = slice(h * d, (h + 1) * d)
        q, k, v = (tokens[:, :, None, mine] for tokens in (query, key, value))
        mixed[:, :, mine] = attention(q, k, v, d**-0.5, causal)[0].reshape(B, N, d)
    return dense(mixed, **part(weights, "to_out"))


def transformer_block(
    x: Array, context: Array | None, weights: Weights, heads: int, activation: Function, causal: bool = False
) -> Array:
    """x + attend_self(norm_self(x)), then + attend_cross(norm_cross(x), context), then + perceptron(norm(x))."""
    normed = layer_norm(x, **part(weights, "norm_self"))
    x = x + multi_head_attention(normed, normed, part(weights, "attend_self"), heads, causal)
    if context is not None:
        normed = layer_norm(x, **part(weights, "norm_cross"))
        x = x + multi_head_attention(normed, context, part(weights, "attend_cross"), heads)
    wide = dense(layer_norm(x, **part(weights, "norm_perceptron")), **part(weights, "widen"))
    return x + dense(activation(wide), **part(weights, "narrow"))


# ---- Networks: written out from their papers' equations, layer by layer


def _conv(w: Weights, x: Array, stride: int = 1, padding: int = 1) -> Array:
    return conv2d(x, w["weight"], w["bias"], (stride, stride), (padding, padding), (1, 1))


def _double(w: Weights, x: Array) -> Array:
    """Nearest-neighbour upsampling, then a convolution."""
    return _conv(part(w, "conv"), upsample2d(x, (2, 2)))


def _cropped(x: Array, like: Array) -> Array:
    """The centre of x, as large as `like`; an odd row or column too many goes at the end."""
    top, left = (x.shape[1] - like.shape[1]) // 2, (x.shape[2] - like.shape[2]) // 2
    return x[:, top : top + like.shape[1], left : left + like.shape[2]]


def spatial_transformer(
    x: Array, context: Array | None, w: Weights, heads: int, groups: int, activation: Function
) -> Array:
    """x + proj_out(block(proj_in(norm(x)))) with an eps of 1e-6; without projections the block alone."""
    B, H, W, C = x.shape
    if "proj_in.weight" not in w:
        return transformer_block(x.reshape(B, -1, C), context, part(w, "block"), heads, activation).reshape(x.shape)
    tokens = group_norm(x, w["norm.gamma"], w["norm.beta"], groups, 1e-6).reshape(B, -1, C)
    tokens = transformer_block(dense(tokens, **part(w, "proj_in")), context, part(w, "block"), heads, activation)
    return x + dense(tokens, **part(w, "proj_out")).reshape(B, H, W, C)


def pixel_attention(x: Array, w: Weights, heads: int, groups: int, eps: float) -> Array:
    """x + attention(norm(x)) of pixels to pixels."""
    B, _, _, C = x.shape
    tokens = group_norm(x, w["norm.gamma"], w["norm.beta"], groups, eps).reshape(B, -1, C)
    return x + multi_head_attention(tokens, tokens, part(w, "attend"), heads).reshape(x.shape)


def time_condition(w: Weights, t: Array, width: int) -> Array:
    """linear(silu(linear(e))), e_i = cos(t 10000^(-i/n)), e_{n+i} = sin(the same), i = 0..n-1, n = width / 2."""
    n = width // 2
    angles = [[float(time) * 10000 ** (-i / n) for i in range(n)] for time in t]
    e = np.array([[math.cos(a) for a in row] + [math.sin(a) for a in row] for row in angles])
    return dense(silu(dense(e, **part(w, "time_1"))), **part(w, "time_2"))


def _out(w: Weights, x: Array, groups: int, eps: float) -> Array:
    return _conv(part(w, "conv_out"), silu(group_norm(x, w["norm_out.gamma"], w["norm_out.beta"], groups, eps)))


def diffusion_transformer(
    w: Weights, x: Array, t: Array, context: Array | None, pooled: Array | None, p: int, heads: int, depth: int
) -> Array:
    """Peebles & Xie 2023, figure 3, with the cross-attention of Chen et al. 2023, figure 4; one token after another."""
    D, (B, H, W, C) = w["embed.weight"].shape[1], x.shape
    condition = time_condition(w, t, D)
    if pooled is not None:
        normal = layer_norm(pooled, w["prompt_norm.gamma"], w["prompt_norm.beta"])
        condition = condition + dense(normal, **part(w, "from_prompt"))

    def told(name: str) -> list[Array]:
        vectors = dense(silu(condition), **part(w, f"{name}.linear"))
        return [vectors[:, None, first : first + D] for first in range(0, vectors.shape[1], D)]

    def adapted(tokens: Array, shift: Array, scale: Array) -> Array:
        return layer_norm(tokens, np.ones(D), np.zeros(D), 1e-6) * (1 + scale) + shift

    places = [(i, j) for i in range(H // p) for j in range(W // p)]
    patches = [x[:, i * p : (i + 1) * p, j * p : (j + 1) * p].reshape(B, -1) for i, j in places]
    n = D // 4
    waves = [
        [wave(at * 10000 ** (-k / n)) for at in place for wave in (math.cos, math.sin) for k in range(n)]
        for place in places
    ]
    z = dense(np.stack(patches, axis=1), **part(w, "embed")) + np.array(waves)
    for number in range(depth):
        block = part(w, f"blocks.{number}")
        shift, scale, gate = told(f"blocks.{number}.modulate_self")
        normed = adapted(z, shift, scale)
        z = z + gate * multi_head_attention(normed, normed, part(block, "attend_self"), heads)
        if context is not None:
            z = z + multi_head_attention(z, context, part(block, "attend_cross"), heads)
        shift, scale, gate = told(f"blocks.{number}.modulate_perceptron")
        wide = gelu(dense(adapted(z, shift, scale), **part(block, "widen")))
        z = z + gate * dense(wide, **part(block, "narrow"))
    out, y = dense(adapted(z, *told("modulate_out")), **part(w, "linear_out")), np.zeros_like(x)
    for token, (i, j) in enumerate(places):
        y[:, i * p : (i + 1) * p, j * p : (j + 1) * p] = out[:, token].reshape(B, p, p, C)
    return y


def unet_of_levels(
    w: Weights, x: Array, t: Array, context: Array, pooled: Array, heads: Pair, groups: int, eps: float
) -> Array:
    """Two levels of one block, a copy a level: Ronneberger et al. 2015 with the blocks of Rombach et al. 2022."""
    C = w["down.0.0.weight"].shape[-1]
    normal = layer_norm(pooled, w["prompt_norm.gamma"], w["prompt_norm.beta"])
    time = time_condition(w, t, C) + dense(normal, **part(w, "from_prompt"))

    def block(name: str, at: int, x: Array, heads: int) -> Array:
        x = residual_block(x, time, part(w, f"{name}.{at}"), groups, eps)
        return spatial_transformer(x, context, part(w, f"{name}.{at + 1}"), heads, groups, gelu)

    above = block("down.0", 1, _conv(part(w, "down.0.0"), x), heads[0])
    below = block("down.1", 1, _conv(part(w, "down.1.0"), above, stride=2), heads[1])
    x = residual_block(below, time, part(w, "middle.0"), groups, eps)
    x = block("up.0", 0, np.concatenate([x, below], axis=-1), heads[1])
    x = _cropped(_double(part(w, "up.0.2"), x), above)
    x = block("up.1", 0, np.concatenate([x, above], axis=-1), heads[0])
    return _out(w, x, groups, eps)


def unet_of_blocks(w: Weights, x: Array, t: Array, context: Array, heads: int, groups: int, eps: float) -> Array:
    """Two levels of one block, the lower without attention, every map copied (Ho et al. 2020; Rombach et al. 2022)."""
    time = time_condition(w, t, w["down.0.0.weight"].shape[-1])

    def residual(name: str, x: Array) -> Array:
        return residual_block(x, time, part(w, name), groups, eps)

    def transformer(name: str, x: Array) -> Array:
        return spatial_transformer(x, context, part(w, name), heads, groups, geglu)

    first = _conv(part(w, "down.0.0"), x)
    second = transformer("down.1.1", residual("down.1.0", first))
    third = _conv(part(w, "down.2.0"), second, stride=2)
    fourth = residual("down.3.0", third)
    x = residual("middle.2", transformer("middle.1", residual("middle.0", fourth)))
    x = residual("up.0.0", np.concatenate([x, fourth], axis=-1))
    x = residual("up.1.0", np.concatenate([x, third], axis=-1))
    x = _double(part(w, "up.1.1"), x)
    x = transformer("up.2.1", residual("up.2.0", np.concatenate([x, second], axis=-1)))
    x = transformer("up.3.1", residual("up.3.0", np.concatenate([x, first], axis=-1)))
    return _out(w, x, groups, eps)


def _sequence(w: Weights, name: str, kinds: list[str], x: Array, groups: int, eps: float) -> Array:
    """One layer after the other: conv, strided conv, padded conv, up-convolution, doubling, residual, attention."""
    for i, kind in enumerate(kinds):
        layer = part(w, f"{name}.{i}")
        match kind:
            case "conv":
                x = _conv(layer, x)
            case "strided":
                x = _conv(layer, x, stride=2)
            case "padded":  # a border of zeros at the bottom and at the right
                x = _conv(layer, np.pad(x, ((0, 0), (0, 1), (0, 1), (0, 0))), stride=2, padding=0)
            case "transposed":
                x = conv_transpose2d(x, layer["weight"], layer["bias"], (2, 2), (1, 1), (1, 1), (0, 0))
            case "double":
                x = _double(layer, x)
            case "residual":
                x = residual_block(x, None, layer, groups, eps)
            case "attention":
                x = pixel_attention(x, layer, 1, groups, eps)
    return silu(group_norm(x, w[f"{name}_norm.gamma"], w[f"{name}_norm.beta"], groups, eps))


def vae_moments(w: Weights, x: Array, kinds: list[str], groups: int, eps: float) -> tuple[Array, Array]:
    """Mean and log-variance: the first and the second half of the encoder's channels."""
    moments = _conv(part(w, "to_moments"), _sequence(w, "encoder", kinds, x, groups, eps))
    if "quant_conv.weight" in w:
        moments = _conv(part(w, "quant_conv"), moments, padding=0)
    half = moments.shape[-1] // 2
    return moments[..., :half], moments[..., half:]


def vae_picture(w: Weights, z: Array, kinds: list[str], groups: int, eps: float) -> Array:
    """The decoder, which ends as its halving begins: by an up-convolution or a convolution."""
    if "post_quant_conv.weight" in w:
        z = _conv(part(w, "post_quant_conv"), z, padding=0)
    x, last = _sequence(w, "decoder", kinds, z, groups, eps), part(w, "to_image")
    if last["weight"].shape[0] == 3:
        return _conv(last, x)
    return conv_transpose2d(x, last["weight"], last["bias"], (2, 2), (1, 1), (1, 1), (0, 0))


def text_states(w: Weights, ids: Array, layers: int, heads: int, activation: Function) -> list[Array]:
    """What stands behind each layer of the causal transformer, the final norm applied to each."""
    x = embedding(w["token_embedding.table"], ids) + w["position_embedding.table"][: ids.shape[1]]
    states = []
    for n in range(layers):
        x = transformer_block(x, None, part(w, f"blocks.{n}"), heads, activation, causal=True)
        states.append(layer_norm(x, w["final_norm.gamma"], w["final_norm.beta"]))
    return states


def image_vector(w: Weights, x: Array) -> Array:
    """Three strided convolutions, each with norm and SiLU, and a projection of all pixels."""
    for i in (1, 2, 3):
        x = _conv(part(w, f"conv_{i}"), x, stride=2)
        x = silu(group_norm(x, w[f"norm_{i}.gamma"], w[f"norm_{i}.beta"], 8))
    return x.reshape(len(x), -1) @ w["projection.weight"]


def contrastive_loss(images: Array, texts: Array, temperature: float) -> float:
    """Radford et al. 2021, figure 3: cross-entropy of cosine similarities times the temperature, both ways."""

    def unit(x: Array) -> Array:
        return x / np.sqrt((x**2).sum(axis=1, keepdims=True))

    scores, one_hot, ones = unit(images) @ unit(texts).T * temperature, np.eye(len(images)), np.ones(len(images))
    rows, columns = cross_entropy(scores, one_hot, ones), cross_entropy(scores.T, one_hot, ones)
    return float(rows + columns) / 2
