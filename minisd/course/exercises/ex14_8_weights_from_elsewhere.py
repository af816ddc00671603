"""Weights from elsewhere

The published weights of Stable Diffusion were written by PyTorch, which lays them out otherwise than minisd. Write what
turns one array of such a file, with its name, into minisd's: a dict, since one of the kinds becomes three.

| in the file | shape | in minisd |
|---|---|---|
| weight of a convolution | (O, C, kh, kw) | (kh, kw, C, O) |
| the same, named `...proj_in.weight` or `...proj_out.weight`: 1 x 1, in minisd a linear layer | (O, C, 1, 1) | (C, O) |
| weight of a linear layer | (O, C) | (C, O) |
| `...embedding.weight`: a table, a row for each id | (V, D) | (V, D) |
| biases, scales and shifts | (C,) | (C,) |
| `...in_proj_weight`: query, key and value, one below the other | (3 D, D) | three of (D, D) |
| `...in_proj_bias`: the same | (3 D,) | three of (D,) |

All names stay, but for the last two: there `in_proj_weight` becomes `to_query.weight`, `to_key.weight` and
`to_value.weight`, and `in_proj_bias` becomes `to_query.bias` and so on.
"""

import numpy as np

POINTS, MINUTES = 3, 30
HINTS = (
    "Begin with what the name decides, then the number of axes: 4, 2 or 1.",
    "transpose(2, 3, 1, 0) puts axis 2 first, then 3, then 1, then 0. np.split(array, 3) cuts along the rows.",
    "For in_proj: split, then treat each third as a linear layer's weight; of proj_in's four take [:, :, 0, 0] first.",
)


def converted(name, array):
    """The array, or the three, by minisd's names."""
    for kind in ("weight", "bias"):
        if name.endswith(f"in_proj_{kind}"):
            start = name.removesuffix(f"in_proj_{kind}")
            parts = zip(("to_query", "to_key", "to_value"), np.split(array, 3), strict=True)
            return {f"{start}{part}.{kind}": one.T for part, one in parts}
    if name.endswith("embedding.weight"):
        return {name: array}
    if array.ndim == 4 and name.endswith(("proj_in.weight", "proj_out.weight")):
        array = array[:, :, 0, 0]
    return {name: array.transpose(2, 3, 1, 0) if array.ndim == 4 else array.T}


def cases(rng, dtype):
    for name, shape in (
        ("down_blocks.0.resnets.1.conv1.weight", (3, 5, 2, 4)),
        ("conv_in.weight", (4, 4, 3, 3)),
        ("conv_shortcut.weight", (5, 2, 1, 1)),
        ("attentions.0.proj_in.weight", (4, 4, 1, 1)),
        ("attentions.0.proj_out.weight", (3, 3, 1, 1)),
        ("attentions.1.proj_out.weight", (4, 4)),
        ("time_embedding.linear_1.weight", (6, 3)),
        ("text_model.embeddings.token_embedding.weight", (7, 3)),
        ("position_embedding.weight", (4, 4)),
        ("norm1.weight", (5,)),
        ("proj_in.bias", (4,)),
        ("resblocks.3.attn.in_proj_weight", (12, 4)),
        ("in_proj_weight", (6, 2)),
        ("attn.in_proj_bias", (9,)),
    ):
        yield name, rng.standard_normal(shape).astype(dtype)


def probe(converted, name, array):
    return {key: converted(name, array)[key] for key in sorted(converted(name, array))}


def mistake_only_linear_transposed(name, array):
    """A convolution's weight changes its axes, too: from (O, C, kh, kw) to (kh, kw, C, O)."""
    return {name: array} if array.ndim == 4 and "proj_" not in name else converted(name, array)


def mistake_all_axes_reversed(name, array):
    """Reversing all axes exchanges the window's height and width: (kw, kh, C, O) is not (kh, kw, C, O)."""
    if array.ndim == 4 and "proj_" not in name:
        return {name: array.T}
    return converted(name, array)


def mistake_channels_exchanged(name, array):
    """The file has outputs before inputs, minisd inputs before outputs: exchange them, too."""
    if array.ndim == 4 and "proj_" not in name:
        return {name: array.transpose(2, 3, 0, 1)}
    return converted(name, array)


def mistake_reshaped(name, array):
    """A reshape keeps the numbers' order in memory and gives them wrong places: the axes must be transposed."""
    return {
        key: array.reshape(one.shape) if one.size == array.size else one for key, one in converted(name, array).items()
    }


def mistake_linear_as_it_is(name, array):
    """A linear layer's weight is (O, C) in the file and (C, O) here: transpose it."""
    kept = array.ndim == 2 and "in_proj" not in name
    return {name: array} if kept else converted(name, array)


def mistake_table_transposed(name, array):
    """An embedding is a table with a row for each id, here as there: it is not transposed."""
    return {name: array.T} if name.endswith("embedding.weight") else converted(name, array)


def mistake_embedding_anywhere(name, array):
    """A linear layer is one, also inside of something called an embedding: look at how the name ends."""
    return {name: array} if "embedding" in name else converted(name, array)


def mistake_projection_stays_a_convolution(name, array):
    """proj_in and proj_out are linear layers here: drop the two axes of their 1 x 1 window."""
    return {name: array.transpose(2, 3, 1, 0)} if array.ndim == 4 else converted(name, array)


def mistake_thirds_not_transposed(name, array):
    """Query, key and value are linear layers: each third is transposed, too."""
    return (
        {key: one.T for key, one in converted(name, array).items()} if "in_proj_w" in name else converted(name, array)
    )


def mistake_cut_by_columns(name, array):
    """The thirds lie one below the other: cut the rows, then transpose."""
    if "in_proj_w" not in name:
        return converted(name, array)
    return {
        key: np.ascontiguousarray(array.T).reshape(3, array.shape[1], array.shape[1])[i]
        for i, key in enumerate(converted(name, array))
    }


def mistake_values_first(name, array):
    """The order in the file is query, key, value."""
    found = converted(name, array)
    return dict(zip(found, reversed(found.values()), strict=True))


def mistake_every_1x1_is_linear(name, array):
    """Only proj_in and proj_out become linear layers: another 1 x 1 convolution stays one."""
    return {name: array[:, :, 0, 0].T} if array.shape[2:] == (1, 1) else converted(name, array)


def right_by_cases(name, weights):
    if name.endswith("in_proj_bias") or name.endswith("in_proj_weight"):
        D, kind = len(weights) // 3, name.rsplit("_", 1)[1]
        result = {}
        for i, part in enumerate(["to_query", "to_key", "to_value"]):
            third = weights[i * D : (i + 1) * D]
            new = name[: len(name) - len("in_proj_" + kind)] + part + "." + kind
            result[new] = np.swapaxes(third, 0, 1) if third.ndim == 2 else third
        return result
    if weights.ndim == 1 or name.split(".")[-2].endswith("embedding"):
        return {name: weights}
    if weights.ndim == 2:
        return {name: np.transpose(weights).copy()}
    moved = np.einsum("ocij->ijco", weights)
    return {name: moved[0, 0] if ".proj_" in f".{name}" else moved}


def right_with_moved_axes(name, array):
    owner, _, kind = name.rpartition("in_proj_")
    if kind in ("weight", "bias") and name.endswith(kind) and "in_proj_" in name:
        q, k, v = array[: len(array) // 3], array[len(array) // 3 : -(len(array) // 3)], array[-(len(array) // 3) :]
        return {f"{owner}to_{what}.{kind}": one.T for what, one in (("query", q), ("key", k), ("value", v))}
    if array.ndim == 4:
        array = np.moveaxis(array, (0, 1), (3, 2))
        if name.endswith(("proj_in.weight", "proj_out.weight")):
            array = array.squeeze((0, 1))
        return {name: array}
    return {name: array if name.endswith("embedding.weight") else np.atleast_1d(array.T)}
