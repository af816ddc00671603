"""The sizes of one layer along one axis, forwards and backwards.

Every window operation obeys one formula, the count of window starts that fit (Dumoulin & Visin 2016, relations 6, 15):

    output = floor((size + 2 padding - span) / stride) + 1,    span = dilation (window - 1) + 1

with `padding` on each side. Where both sides are not padded alike, it is a pair (before, after), and 2 padding their
sum. With the letters that articles use, and without dilation, it is O = floor((I + 2P - F) / S) + 1.
"""

from __future__ import annotations

Padding = int | tuple[int, int]


class ShapeError(ValueError):
    """Sizes that cannot be: the message says where, what came, what was wanted and what to do."""


def effective_window(window: int, dilation: int = 1) -> int:
    """Span of a dilated window: dilation (window - 1) + 1.

    >>> effective_window(3, dilation=2)
    5
    """
    return dilation * (window - 1) + 1


def window_output_size(size: int, window: int, stride: int = 1, padding: Padding = 0, dilation: int = 1) -> int:
    """Output size of a convolution or a pooling: floor((size + 2 padding - span) / stride) + 1.

    Raises:
        ShapeError: the window is larger than the padded input, or an argument is out of range.

    >>> window_output_size(572, window=3), window_output_size(568, window=2, stride=2)
    (570, 284)
    >>> window_output_size(7, window=3, stride=2, padding=1), window_output_size(6, window=3, stride=2, padding=(0, 1))
    (4, 3)
    """
    return _room(size, window, stride, padding, dilation) // stride + 1


def unread_rows(size: int, window: int, stride: int = 1, padding: Padding = 0, dilation: int = 1) -> int:
    """How many rows at the end of the padded input no window reads: what the floor drops, the remainder mod stride.

    The padding's rows come last and are dropped first: of the input itself max(0, this - padding) rows go unread.

    >>> unread_rows(8, window=3, stride=2), unread_rows(8, window=3, stride=2, padding=1)
    (1, 1)
    """
    return _room(size, window, stride, padding, dilation) % stride


def ceil_output_size(size: int, window: int, stride: int = 1, padding: Padding = 0, dilation: int = 1) -> int:
    """Output size in "ceil mode", which is another formula: ceil((size + 2 padding - span) / stride) + 1.

    The last window may reach over the end of the padded input. Where it would start behind the input and the padding
    before it, it has nothing to read and is left out, as in PyTorch and ONNX.

    >>> ceil_output_size(5, window=2, stride=2), window_output_size(5, window=2, stride=2)
    (3, 2)
    >>> ceil_output_size(2, window=1, stride=3, padding=1)  # 4 padded rows; a second window would start in the last
    1
    """
    before, after = _both(padding)
    # ceil(n / stride) = floor((n + stride - 1) / stride): as if stride - 1 more rows stood behind the padding.
    out = window_output_size(size, window, stride, (before, after + stride - 1), dilation)
    starts_behind = (out - 1) * stride >= size + before
    return out - 1 if starts_behind else out


def input_sizes(output: int, window: int, stride: int = 1, padding: Padding = 0, dilation: int = 1) -> range:
    """All inputs that give this output: as many as the stride, from stride (output - 1) + span - 2 padding on.

    With much padding some of these sizes may be below 1; they are left out.

    Raises:
        ShapeError: every input gives a larger output, or an argument is out of range.

    >>> list(input_sizes(4, window=3, stride=2, padding=1)), list(input_sizes(388, window=3))
    ([7, 8], [390])
    """
    if output < 1:
        raise ShapeError(f"an output of {output} is none: wanted at least 1")
    _check(1, window, stride, padding, dilation)
    smallest = stride * (output - 1) + effective_window(window, dilation) - sum(_both(padding))
    if smallest + stride - 1 < 1:
        least = window_output_size(1, window, stride, padding, dilation)
        raise ShapeError(f"no input gives an output of {output}: an input of 1 gives {least} already; pad less")
    return range(max(1, smallest), smallest + stride)


def same_padding(size: int, window: int, stride: int = 1, dilation: int = 1) -> tuple[int, int]:
    """Padding (before, after) for an output of ceil(size / stride), an odd row going behind: TensorFlow's "same".

    It depends on the size, and it need not be symmetric; where it is, and the stride is 1, it is the half padding.

    >>> same_padding(28, window=3), same_padding(28, window=3, stride=2), same_padding(28, window=2)
    ((1, 1), (0, 1), (0, 1))
    """
    _check(size, window, stride, 0, dilation)
    out = -(-size // stride)
    total = max(0, (out - 1) * stride + effective_window(window, dilation) - size)
    return total // 2, total - total // 2


def half_padding(window: int, dilation: int = 1) -> int:
    """Padding on each side with which a stride of 1 keeps every size: (span - 1) / 2 (relation 3).

    Raises:
        ShapeError: the window spans an even number of rows: only different paddings before and after keep the size.

    >>> half_padding(3), half_padding(3, dilation=2), half_padding(1)
    (1, 2, 0)
    """
    span = effective_window(window, dilation)
    if span % 2 == 0:
        raise ShapeError(
            f"a window that spans {span} keeps no size with equal padding on both sides; "
            f"pad {(span - 1) // 2} before and {span // 2} after"
        )
    return span // 2


def transposed_output_size(
    size: int, window: int, stride: int = 1, padding: Padding = 0, dilation: int = 1, output_padding: int = 0
) -> int:
    """Output size of a transposed convolution: stride (size - 1) + span - 2 padding + output_padding.

    The output padding chooses among the sizes, as many as the stride, that a convolution maps to `size` (Dumoulin &
    Visin 2016, relation 14). It is less than the stride, or less than the dilation where that is larger, as in PyTorch:
    the rows behind the last window hold the bias alone.

    Raises:
        ShapeError: the output would be empty, or an argument is out of range.

    >>> transposed_output_size(4, window=3, stride=2, padding=1), transposed_output_size(28, window=2, stride=2)
    (7, 56)
    """
    _check(size, window, stride, padding, dilation)
    if not 0 <= output_padding < max(stride, dilation):
        raise ShapeError(
            f"output padding {output_padding} must be less than the larger of stride {stride} and dilation {dilation}"
        )
    out = stride * (size - 1) + effective_window(window, dilation) - sum(_both(padding)) + output_padding
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


def _both(padding: Padding) -> tuple[int, int]:
    return (padding, padding) if isinstance(padding, int) else padding


def _check(size: int, window: int, stride: int, padding: Padding, dilation: int) -> None:
    if size < 1 or window < 1 or stride < 1 or dilation < 1 or min(_both(padding)) < 0:
        raise ShapeError(
            f"size {size}, window {window}, stride {stride} and dilation {dilation} must be at least 1, "
            f"and padding {padding} at least 0"
        )


def _room(size: int, window: int, stride: int, padding: Padding, dilation: int) -> int:
    """size + 2 padding - span: how far the window can move."""
    _check(size, window, stride, padding, dilation)
    span, padded = effective_window(window, dilation), size + sum(_both(padding))
    if padded < span:
        raise ShapeError(
            f"a window that spans {span} does not fit an input of {size} padded to {padded}; "
            f"use an input of at least {size + span - padded} or a padding of at least {(span - size + 1) // 2}"
        )
    return padded - span
