"""Size arithmetic: integers only, nothing imported.

Every window operation obeys one formula, the count of window starts that fit (Dumoulin & Visin 2016, relation 15):

    O = floor((I + 2P - F_eff) / S) + 1,    F_eff = D (F - 1) + 1

with input I, padding P on each side, window F, dilation D and stride S.
"""


class ShapeError(ValueError):
    """Sizes that cannot be: the message says where, what came, what was wanted and what to do."""


def effective_window(window: int, dilation: int = 1) -> int:
    """Span of a dilated window: F_eff = D (F - 1) + 1.

    >>> effective_window(3, dilation=2)
    5
    """
    return dilation * (window - 1) + 1


def window_output_size(size: int, window: int, stride: int = 1, padding: int = 0, dilation: int = 1) -> int:
    """Output size of a convolution or a pooling along one axis: O = floor((I + 2P - F_eff) / S) + 1.

    Raises:
        ShapeError: the window is larger than the padded input, or an argument is out of range.

    >>> window_output_size(572, window=3), window_output_size(568, window=2, stride=2)
    (570, 284)
    >>> window_output_size(7, window=3, stride=2, padding=1)
    4
    """
    if size < 1 or window < 1 or stride < 1 or dilation < 1 or padding < 0:
        raise ShapeError(
            f"size {size}, window {window}, stride {stride} and dilation {dilation} must be at least 1, "
            f"and padding {padding} at least 0"
        )
    span = effective_window(window, dilation)
    if size + 2 * padding < span:
        raise ShapeError(
            f"a window that spans {span} does not fit an input of {size} padded to {size + 2 * padding}; "
            f"use an input of at least {span - 2 * padding} or a padding of at least {(span - size + 1) // 2}"
        )
    return (size + 2 * padding - span) // stride + 1


def transposed_output_size(
    size: int, window: int, stride: int = 1, padding: int = 0, dilation: int = 1, output_padding: int = 0
) -> int:
    """Output size of a transposed convolution along one axis: O = S (I - 1) + F_eff - 2P + a.

    The output padding a (0 <= a < S) chooses among the S sizes that a convolution of stride S maps to I
    (Dumoulin & Visin 2016, relation 14).

    Raises:
        ShapeError: the output would be empty, or an argument is out of range.

    >>> transposed_output_size(4, window=3, stride=2, padding=1), transposed_output_size(28, window=2, stride=2)
    (7, 56)
    """
    if size < 1 or window < 1 or stride < 1 or dilation < 1 or padding < 0:
        raise ShapeError(
            f"size {size}, window {window}, stride {stride} and dilation {dilation} must be at least 1, "
            f"and padding {padding} at least 0"
        )
    if not 0 <= output_padding < stride:
        raise ShapeError(f"output padding {output_padding} must lie in 0..{stride - 1} for stride {stride}")
    out = stride * (size - 1) + effective_window(window, dilation) - 2 * padding + output_padding
    if out < 1:
        raise ShapeError(f"padding {padding} leaves nothing of the output: {out}; use a smaller padding")
    return out


def crop_offset(larger: int, smaller: int) -> int:
    """Start of the centred crop from `larger` to `smaller`; an odd difference leaves the extra row at the end.

    >>> crop_offset(64, 56), crop_offset(8, 7)
    (4, 0)
    """
    if smaller > larger:
        raise ShapeError(f"cannot crop {larger} to the larger size {smaller}")
    return (larger - smaller) // 2
