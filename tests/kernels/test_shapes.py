"""Size arithmetic against counting windows one by one, and errors that teach."""

from __future__ import annotations

from itertools import product

import oracles
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from minisd_kernels.arguments import pair, require_shape
from minisd_kernels.shapes import (
    Padding,
    ShapeError,
    ceil_output_size,
    crop_offset,
    effective_window,
    half_padding,
    input_sizes,
    same_padding,
    transposed_output_size,
    unread_rows,
    window_output_size,
)
from strategies import few

sizes, windows, strides, paddings, dilations = (
    st.integers(1, 20),
    st.integers(1, 5),
    st.integers(1, 4),
    st.integers(0, 6),
    st.integers(1, 4),
)


@given(sizes, windows, strides, paddings, dilations)
@few
def test_the_formula_counts_the_windows_that_fit(
    size: int, window: int, stride: int, padding: int, dilation: int
) -> None:
    counted = len(oracles.starts(size, window, stride, padding, dilation))
    if counted:
        assert window_output_size(size, window, stride, padding, dilation) == counted
    else:
        with pytest.raises(ShapeError, match="does not fit"):
            window_output_size(size, window, stride, padding, dilation)


def test_every_small_window_is_counted() -> None:
    """Sizes of one less, as many and one more than fit, of every kind: more than a few drawn at random would meet."""
    for window, stride, before, after, dilation in product((1, 2, 3, 4), (1, 2, 3), (0, 1, 2, 4), (0, 1, 3), (1, 2, 3)):
        geometry, span = (window, stride, (before, after), dilation), dilation * (window - 1) + 1
        leading: dict[int, list[int]] = {}
        for size in range(1, 12):
            room = size + before + after - span
            starts = [start for start in range(size + before + after) if start % stride == 0 and start <= room]
            if not starts:
                with pytest.raises(ShapeError, match="does not fit"):
                    window_output_size(size, *geometry)
                continue
            leading.setdefault(len(starts), []).append(size)
            assert window_output_size(size, *geometry) == len(starts)
            assert unread_rows(size, *geometry) == size + before + after - (starts[-1] + span)
            if before == after <= window // 2:  # a window more, where one row is left over and it begins before the end
                further = starts[-1] + stride < size + before and room > starts[-1]
                assert ceil_output_size(size, *geometry) == len(starts) + further - (starts[-1] >= size + before)
        for output in range(1, 4):
            smallest = stride * (output - 1) + span - before - after
            if smallest + stride < 12:  # all inputs that give this output are among those
                found = leading.get(output, [])
                try:
                    assert list(input_sizes(output, *geometry)) == found != []
                except ShapeError:
                    assert not found
                if before == after and smallest > 0:
                    for more in range(stride):
                        made = transposed_output_size(output, window, stride, before, dilation, more)
                        assert made == smallest + more == found[more]


def test_every_small_same_padding_is_the_least() -> None:
    for size, window, stride, dilation in product(range(1, 10), (1, 2, 3, 4), (1, 2, 3), (1, 2)):
        span, wanted = dilation * (window - 1) + 1, -(-size // stride)
        least = next(more for more in range(30) if (size + more - span) // stride + 1 >= wanted and size + more >= span)
        before, after = same_padding(size, window, stride, dilation)
        assert (before + after, after - before) == (least if wanted > 1 or size < span else 0, least % 2)


@given(sizes, windows, strides, paddings, dilations, st.data())
@few
def test_a_convolution_leads_back_from_every_transposed_size(
    size: int, window: int, stride: int, padding: int, dilation: int, data: st.DataObject
) -> None:
    output_padding = data.draw(st.integers(0, stride - 1))  # more would lead back to a larger size
    try:
        out = transposed_output_size(size, window, stride, padding, dilation, output_padding)
    except ShapeError:
        assert stride * (size - 1) + effective_window(window, dilation) - 2 * padding + output_padding < 1
    else:
        assert window_output_size(out, window, stride, padding, dilation) == size


@given(sizes, windows, strides, st.tuples(paddings, paddings), dilations)
@few
def test_the_two_sides_may_be_padded_differently(
    size: int, window: int, stride: int, sides: tuple[int, int], dilation: int
) -> None:
    # Rows of padding are rows like others: the same count on a longer input that is not padded.
    padded = size + sum(sides)
    if padded >= effective_window(window, dilation):
        wanted = window_output_size(padded, window, stride, 0, dilation)
        assert window_output_size(size, window, stride, sides, dilation) == wanted


def windows_of_ceil_mode(size: int, window: int, stride: int, padding: int, dilation: int) -> int:
    """Counted: a further window stands wherever rows are left over, if its first row is no padding behind the input.

    The first, too, may reach over the end, by less than a stride.
    """
    span, end = dilation * (window - 1) + 1, size + 2 * padding
    count = 1
    while (count - 1) * stride + span < end and count * stride < size + padding:
        count += 1
    return count


@given(sizes, windows, strides, paddings, dilations)
@few
def test_ceil_mode_is_another_count(size: int, window: int, stride: int, padding: int, dilation: int) -> None:
    geometry = window, stride, min(padding, window // 2), dilation  # more padding than that no framework allows
    if size + 2 * geometry[2] + stride <= effective_window(window, dilation):
        with pytest.raises(ShapeError, match="does not fit"):
            ceil_output_size(size, *geometry)
    else:
        assert ceil_output_size(size, *geometry) == windows_of_ceil_mode(size, *geometry)


@given(sizes, windows, strides, paddings, dilations)
@few
def test_unread_rows_are_those_in_no_window(size: int, window: int, stride: int, padding: int, dilation: int) -> None:
    starts = oracles.starts(size, window, stride, padding, dilation)
    if starts:
        behind_the_last_window = starts[-1] + effective_window(window, dilation)
        assert unread_rows(size, window, stride, padding, dilation) == size + padding - behind_the_last_window


@given(st.integers(1, 20), windows, strides, st.tuples(paddings, paddings), dilations)
@example(1, 1, 1, (1, 0), 1)  # of an input of 0 alone, which is none
@few
def test_the_inverse_lists_every_input(
    output: int, window: int, stride: int, sides: tuple[int, int], dilation: int
) -> None:
    def gives_it(size: int) -> bool:
        try:
            return window_output_size(size, window, stride, sides, dilation) == output
        except ShapeError:
            return False

    wanted = [size for size in range(1, 120) if gives_it(size)]
    try:
        found = list(input_sizes(output, window, stride, sides, dilation))
    except ShapeError as error:
        assert not wanted
        assert f"an input of 1 gives {window_output_size(1, window, stride, sides, dilation)} already" in str(error)
    else:
        assert found == wanted != []
        assert len(found) == stride or found[0] == 1  # S of them, but for those that would be smaller than 1


@given(sizes, windows, strides, dilations)
@few
def test_same_padding_gives_one_output_a_stride(size: int, window: int, stride: int, dilation: int) -> None:
    before, after = same_padding(size, window, stride, dilation)
    assert after - before in (0, 1)
    span = effective_window(window, dilation)
    if stride <= span:  # else windows step over rows, and ceil(I / S) may need none of the last
        assert window_output_size(size, window, stride, (before, after), dilation) == -(-size // stride)
    if (before, after) != (0, 0):  # one row less would be too little
        with_less = size + before + after - 1
        assert with_less < span or (with_less - span) // stride + 1 < -(-size // stride)


@given(sizes, windows, dilations)
@few
def test_half_padding_keeps_every_size(size: int, window: int, dilation: int) -> None:
    if effective_window(window, dilation) % 2:
        padding = half_padding(window, dilation)
        assert window_output_size(size, window, 1, padding, dilation) == size
        assert same_padding(size, window, 1, dilation) == (padding, padding)
    else:
        with pytest.raises(ShapeError, match=r"pad (\d+) before and (\d+) after") as raised:
            half_padding(window, dilation)
        words = str(raised.value).split()
        sides: Padding = int(words[words.index("pad") + 1]), int(words[words.index("and") + 1])
        assert window_output_size(size, window, 1, sides, dilation) == size


@given(st.integers(1, 60), windows, strides, paddings, dilations)
@few
def test_the_relations_of_the_guide(i: int, k: int, s: int, p: int, d: int) -> None:
    """Dumoulin & Visin 2016, relations 1 to 15, wherever their conditions hold."""

    def conv(s: int = 1, p: int = 0, d: int = 1) -> int:
        return window_output_size(i, k, s, p, d)

    def transposed(size: int, s: int = 1, p: int = 0, a: int = 0) -> int:
        return transposed_output_size(size, k, s, p, output_padding=a)

    if i >= k:
        assert conv() == i - k + 1  # 1
        assert conv(s) == (i - k) // s + 1  # 5, and 7 for a pooling
    if i + 2 * p >= k:
        assert conv(p=p) == i - k + 2 * p + 1  # 2
        assert conv(s, p) == (i + 2 * p - k) // s + 1  # 6
        a = (i + 2 * p - k) % s
        assert transposed(conv(s, p), s, p, a) == s * (conv(s, p) - 1) + a + k - 2 * p == i  # 14
        if a == 0:
            assert transposed(conv(s, p), s, p) == s * (conv(s, p) - 1) + k - 2 * p == i  # 13
    if k % 2:
        assert conv(p=k // 2) == i == transposed(i, p=k // 2)  # 3, 10
    assert conv(p=k - 1) == i + k - 1  # 4
    assert transposed(i) == i + k - 1  # 8
    if i + k - 1 > 2 * p:
        assert transposed(i, p=p) == i + (k - 1) - 2 * p  # 9
    if i > k - 1:
        assert transposed(i, p=k - 1) == i - (k - 1)  # 11
    assert transposed(i, s) == s * (i - 1) + k  # 12
    if i + 2 * p >= k + (k - 1) * (d - 1):
        assert conv(s, p, d) == (i + 2 * p - k - (k - 1) * (d - 1)) // s + 1  # 15


def test_output_paddings_are_exactly_the_sizes_that_one_convolution_maps_to_the_same() -> None:
    larger = {out for out in range(1, 40) if out + 2 >= 4 and window_output_size(out, 4, stride=3, padding=1) == 5}
    assert larger == {transposed_output_size(5, 4, stride=3, padding=1, output_padding=a) for a in range(3)}


@given(sizes, windows, paddings, dilations)
@few
def test_the_error_names_sizes_that_do_fit(size: int, window: int, padding: int, dilation: int) -> None:
    try:
        window_output_size(size, window, padding=padding, dilation=dilation)
    except ShapeError as error:
        words = str(error).replace(";", "").split()
        wanted_size, wanted_padding = (int(words[i + 2]) for i, word in enumerate(words) if word == "at")
        assert window_output_size(wanted_size, window, padding=padding, dilation=dilation) == 1
        assert window_output_size(size, window, padding=wanted_padding, dilation=dilation) in (1, 2)
        with pytest.raises(ShapeError):
            window_output_size(size, window, padding=wanted_padding - 1, dilation=dilation)


@pytest.mark.parametrize("wrong", [{"size": 0}, {"window": 0}, {"stride": 0}, {"padding": -1}, {"dilation": 0}])
def test_sizes_out_of_range_are_refused(wrong: dict[str, int]) -> None:
    right = {"size": 5, "window": 3}
    functions = (window_output_size, ceil_output_size, unread_rows, transposed_output_size)
    for function in functions:
        with pytest.raises(ShapeError, match=r"must be at least 1, and padding .* at least 0"):
            function(**(right | wrong))


def test_transposed_errors_say_what_to_change() -> None:
    with pytest.raises(ShapeError, match="output padding 2 must be less than the larger of stride 2 and dilation 1"):
        transposed_output_size(4, 3, stride=2, output_padding=2)
    assert transposed_output_size(1, 3, dilation=2, output_padding=1) == 6  # a dilation allows as much as a stride
    with pytest.raises(ShapeError, match="padding 2 leaves nothing of the output: -1; use a smaller padding"):
        transposed_output_size(1, 3, padding=2)


@given(sizes, sizes)
@few
def test_a_crop_is_centred(a: int, b: int) -> None:
    larger, smaller = max(a, b), min(a, b)
    before = crop_offset(larger, smaller)
    after = larger - smaller - before
    assert after - before in (0, 1)
    if larger > smaller:
        with pytest.raises(ShapeError, match=f"cannot crop {smaller} to the larger size {larger}"):
            crop_offset(smaller, larger)


@pytest.mark.parametrize("wrong", [0, (1, 0), (1, 2, 3), (), 1.5, (1.5, 2), "22"])
def test_pair_refuses_what_is_no_pair_of_sizes(wrong: object) -> None:
    with pytest.raises(ShapeError, match=r"conv2d stride: wanted an int or a pair of ints >= 1, got"):
        pair(wrong, "conv2d stride")  # type: ignore[arg-type]


def test_require_shape_names_the_axes() -> None:
    class Sized:
        shape = (2, 3)

    require_shape("here", Sized, "(B, C)", (None, 3))
    with pytest.raises(ShapeError, match=r"here: wanted shape \(B, C\) = \(any, 4\), got \(2, 3\)"):
        require_shape("here", Sized, "(B, C)", (None, 4))


def test_no_output_comes_of_no_input() -> None:
    with pytest.raises(ShapeError, match="an output of 0 is none"):
        input_sizes(0, 3)
    with pytest.raises(ShapeError, match="stride 0"):
        input_sizes(4, 3, stride=0)
    with pytest.raises(ShapeError, match="window 0"):
        same_padding(4, 0)
