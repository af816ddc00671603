"""Size arithmetic against counting windows one by one, and errors that teach."""

from __future__ import annotations

import oracles
import pytest
from hypothesis import given
from hypothesis import strategies as st
from minisd_kernels.arguments import pair, require_shape
from minisd_kernels.shapes import (
    ShapeError,
    crop_offset,
    effective_window,
    transposed_output_size,
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


@given(sizes, windows, strides, paddings, dilations, st.data())
@few
def test_a_convolution_leads_back_from_every_transposed_size(
    size: int, window: int, stride: int, padding: int, dilation: int, data: st.DataObject
) -> None:
    output_padding = data.draw(st.integers(0, stride - 1))
    try:
        out = transposed_output_size(size, window, stride, padding, dilation, output_padding)
    except ShapeError:
        assert stride * (size - 1) + effective_window(window, dilation) - 2 * padding + output_padding < 1
    else:
        assert window_output_size(out, window, stride, padding, dilation) == size


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
    for function in (window_output_size, transposed_output_size):
        with pytest.raises(ShapeError, match=r"must be at least 1, and padding .* at least 0"):
            function(**(right | wrong))


def test_transposed_errors_say_what_to_change() -> None:
    with pytest.raises(ShapeError, match=r"output padding 2 must lie in 0\.\.1 for stride 2"):
        transposed_output_size(4, 3, stride=2, output_padding=2)
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
