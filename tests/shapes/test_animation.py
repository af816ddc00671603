"""Moving pictures of window operations: the numbers are the kernels', every cell is what it is said to be."""

from __future__ import annotations

import itertools
import math
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import oracles
import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st
from minisd_kernels.backends import available_backends, use_backend
from minisd_kernels.shapes import ShapeError, effective_window, unread_rows
from PIL import Image
from strategies import Geometry, few, geometries

from minisd.checkpoint import CheckpointError
from minisd.cli import main
from minisd.shapes.animation import LIMIT, Calculation, Film, WindowOperation, draw, save_gif, save_strip

Array = Any
PLAIN = {
    "conv": WindowOperation("conv", 5, 3),
    "strided": WindowOperation("conv", 7, 3, stride=2, padding=1),
    "dropped": WindowOperation("conv", (6, 8), 3, stride=2),
    "dilated": WindowOperation("conv", 7, 3, dilation=2),
    "pool": WindowOperation("pool", (5, 4), 2),
    "transposed": WindowOperation("transposed", 3, 3, stride=2, padding=1, output_padding=1),
    "not square": WindowOperation("transposed", (2, 3), 2, stride=2),
    "single": WindowOperation("conv", 1, 1),
}
EXTREME = {
    "most cells": WindowOperation("conv", 16, 3),
    "largest window": WindowOperation("conv", 8, 16, padding=4),
    "largest sums": WindowOperation("transposed", 8, 9),
    "long formula": WindowOperation("conv", (11, 12), 3, stride=3, padding=(2, 1), dilation=(3, 2)),
    "long title": WindowOperation("transposed", (3, 2), (3, 2), (2, 3), (1, 0), (1, 2), (1, 2)),
    "every role": WindowOperation("conv", 7, 3, stride=4, padding=1),
    "padded pool": WindowOperation("pool", (14, 9), (3, 4), stride=(3, 2), padding=1),
    "one row": WindowOperation("pool", (1, 16), (1, 3)),
    "one column": WindowOperation("transposed", (16, 1), 1),
}


@st.composite
def transposed(draw: st.DrawFn) -> WindowOperation:
    """Transposed convolutions of every kind: gaps between windows, more output padding than padding, size 1."""

    def axis() -> tuple[int, ...]:
        size, window, stride = draw(st.integers(1, 4)), draw(st.integers(1, 4)), draw(st.integers(1, 3))
        dilation = draw(st.integers(1, 2))
        uncut = stride * (size - 1) + effective_window(window, dilation)  # at most LIMIT
        more = draw(st.integers(0, min(max(stride, dilation) - 1, LIMIT - uncut)))
        uncut += more
        return size, window, stride, draw(st.integers(0, min(3, (uncut - 1) // 2))), dilation, more

    return WindowOperation("transposed", *zip(axis(), axis(), strict=True))


def operation(kind: str, g: Geometry) -> WindowOperation:
    return WindowOperation(kind, g.size, g.window, g.stride, g.padding, g.dilation)


def image(values: Array) -> Array:
    return values[None, ..., None]


def inner(film: Film, values: Array) -> Array:
    """The wide map without its border."""
    (top, left), (H, W) = film.operation.each("P"), film.operation.each("inner")
    return values[top : top + H, left : left + W]


@pytest.mark.parametrize("backend", available_backends())
def test_every_backend_fills_in_the_same(backend: str) -> None:
    for operation in PLAIN.values():
        with use_backend(backend):
            film = Film(operation)
        with use_backend("numpy"):
            reference = Film(operation)
        np.testing.assert_array_equal(film.wide, reference.wide)
        np.testing.assert_array_equal(film.narrow, reference.narrow)


@few
@given(geometries(max_dilation=2))
def test_a_convolution_fills_its_output_in_window_by_window(g: Geometry) -> None:
    film = Film(operation("conv", g))
    x, weight = image(inner(film, film.wide[0])), film.weight[..., None, None]
    y = oracles.conv2d(x, weight, np.zeros(1), g.stride, g.padding, g.dilation)[0, ..., 0]
    assert film.operation.steps == len(film.narrow) == math.prod(g.out)
    for step, narrow in enumerate(film.narrow):
        np.testing.assert_array_equal(narrow.flat[: step + 1], y.flat[: step + 1])
        assert np.isnan(narrow.flat[step + 1 :]).all()


@pytest.mark.parametrize(("kind", "outside"), [("conv", 0), ("pool", -math.inf)])
def test_what_padding_holds(kind: str, outside: float) -> None:
    operation = WindowOperation(kind, (4, 5), 3, stride=1, padding=(2, 1))
    assert (Film(operation).wide[:, operation.roles == "padding"] == outside).all()


@few
@given(geometries())
def test_a_pooling_shows_the_maximum_where_it_stands(g: Geometry) -> None:
    film = Film(operation("pool", g))
    y, argmax = oracles.max_pool2d(image(inner(film, film.wide[0])), g.window, g.stride, g.padding)
    np.testing.assert_array_equal(film.narrow[-1], y[0, ..., 0])
    for step in range(film.operation.steps):
        panel = film.panels(step)[0]
        assert panel.largest == list(panel.covered)[argmax.flat[step]]


@few
@given(geometries(max_dilation=2))
def test_cells_are_called_unread_that_no_window_reads(g: Geometry) -> None:
    roles = operation("conv", g).roles
    x, ones = np.zeros((1, *g.size, 1)), np.ones((*g.window, 1, 1))
    reads, _, _ = oracles.conv2d_gradients(np.ones((1, *g.out, 1)), x, ones, g.stride, g.padding, g.dilation)
    (H, W), (top, left) = g.size, g.padding
    expected = np.where(reads[0, ..., 0] > 0, "input", "input, never read")
    np.testing.assert_array_equal(roles[top : top + H, left : left + W], expected)
    border = roles.copy()
    border[top : top + H, left : left + W] = "padding"
    assert set(border.flat) <= {"padding", "padding, never read"}


@few
@given(geometries(max_dilation=2))
def test_what_the_floor_drops_is_marked(g: Geometry) -> None:
    roles, dropped = operation("conv", g).roles, g.dropped
    for axis in (0, 1):
        lines = np.moveaxis(np.char.endswith(roles, ", never read"), axis, 0)
        cut = len(lines) - dropped[axis]
        assert lines[cut:].all() and not lines[cut - 1].all()
        formula = operation("conv", g).axes[axis].formula
        assert formula.endswith(f"(remainder {dropped[axis]}: never read)") == (dropped[axis] > 0)


def test_a_row_and_a_column_that_are_dropped() -> None:
    roles = PLAIN["dropped"].roles
    assert (unread_rows(6, 3, 2), unread_rows(8, 3, 2)) == (1, 1)
    assert (roles[-1] == "input, never read").all() and (roles[:, -1] == "input, never read").all()
    assert (roles[:-1, :-1] == "input").all()


@few
@given(transposed())
def test_a_transposed_convolution_adds_the_window_at_every_step(operation: WindowOperation) -> None:
    film = Film(operation)
    F, S, P, D, a = (operation.each(letter) for letter in "FSPDa")
    x, weight = film.narrow[0], film.weight
    y = oracles.conv_transpose2d(image(x), weight[..., None, None], np.zeros(1), S, P, D, a)[0, ..., 0]
    np.testing.assert_array_equal(inner(film, film.wide[-1]), y)
    so_far, met = np.zeros(operation.each("wide")), np.zeros(operation.each("wide"), bool)
    never = np.isin(operation.reached, operation.steps)  # cells that no window meets are 0 from the start
    for step, (p, q) in enumerate(np.ndindex(*x.shape)):
        for i, j in np.ndindex(*F):
            cell = p * S[0] + i * D[0], q * S[1] + j * D[1]
            so_far[cell] += x[p, q] * weight[i, j]
            met[cell] = True
        np.testing.assert_array_equal(film.wide[step], np.where(met | never, so_far, np.nan))
    np.testing.assert_array_equal(never, ~met)


@few
@given(transposed())
def test_what_is_cut_off_and_what_output_padding_adds(operation: WindowOperation) -> None:
    roles, (H, W), (top, left) = operation.roles, operation.each("inner"), operation.each("P")
    more_rows, more_columns = operation.each("a")
    names = {"output", "output, never reached", "output padding"}
    kept = np.isin(roles, list(names))
    assert kept.sum() == H * W and kept[top : top + H, left : left + W].all()
    assert (roles[~kept] == "cut off").all()
    assert (roles == "output padding").sum() == H * W - max(0, H - more_rows) * max(0, W - more_columns)
    assert (operation.reached[roles == "output, never reached"] == operation.steps).all()
    assert (operation.reached[roles == "output"] < operation.steps).all()


def test_more_output_padding_than_output() -> None:
    assert (WindowOperation("transposed", 1, 1, 5, (0, 1), 1, (0, 4)).roles[:, 1:] == "output padding").all()


@pytest.mark.parametrize("name", [*PLAIN, *EXTREME])
def test_the_sums_are_right(name: str) -> None:
    film = Film((PLAIN | EXTREME)[name])
    for step in range(film.operation.steps):
        line, shown = film.calculation(step).within(10**6), film.narrow[step].flat[step]
        if film.operation.kind == "transposed":
            terms, _, overlap = line.removeprefix("adds ").partition(";  overlap: ")
            notes = film.panels(step)[-1].covered.values()
            assert [eval(term) for term in terms.split(", ")] == [int(note) for note in notes]
            left, _, right = (overlap or "0 = 0").partition(" = ")
            assert eval(left) == int(right)
        else:
            left, _, right = line.partition(" = ")
            assert eval(left, {"inf": math.inf, "max": lambda *values: max(values)}) == int(right) == shown
            assert len(film.calculation(step).terms) == math.prod(film.operation.each("F"))


def test_overlaps_are_shown_where_windows_overlap() -> None:
    film = Film(PLAIN["transposed"])
    overlaps = ["overlap" in film.calculation(step).end for step in range(9)]
    assert not overlaps[0] and all(overlaps[3:])
    film = Film(PLAIN["not square"])  # stride = window: nothing overlaps
    assert not any(film.calculation(step).end for step in range(6))


@pytest.mark.parametrize("letters", range(10, 60, 7))
def test_long_sums_are_cut_in_the_middle(letters: int) -> None:
    terms = [f"{n}*{n + 1}" for n in range(1, 9)]
    whole = " + ".join(terms) + " = 240"
    line = Calculation("", terms, " + ", " = 240").within(letters)
    assert line == whole or (line.endswith("... + 8*9 = 240") and len(line) <= max(letters, 15))


def test_no_input_is_a_zero() -> None:
    """A zero is padding, at one glance."""
    for operation in (PLAIN | EXTREME).values():
        film = Film(operation)
        values = film.narrow[-1] if operation.kind == "transposed" else inner(film, film.wide[0])
        assert (values > 0).all()


def test_panels_are_named_and_in_the_order_of_reading() -> None:
    def names(key: str) -> list[str]:
        return [panel.title for panel in Film(PLAIN[key]).panels(0)]

    assert names("strided") == ["input 7 x 7, padded to 9 x 9", "window 3 x 3", "output 4 x 4"]
    assert names("pool") == ["input 5 x 4", "output 2 x 2"]
    assert names("transposed") == ["input 3 x 3", "window 3 x 3", "output 6 x 6, cut from 7 x 7"]


def test_formulas_and_titles() -> None:
    assert PLAIN["strided"].title == "convolution  F=3  S=2  P=1  D=1"
    assert PLAIN["strided"].formulas == ["O = floor((7 + 2*1 - 3) / 2) + 1 = 4"]
    assert PLAIN["dilated"].formula == "O = floor((I + 2*P - F_eff) / S) + 1"
    assert PLAIN["dilated"].formulas == ["F_eff = 2*(3 - 1) + 1 = 5,  O = floor((7 + 2*0 - 5) / 1) + 1 = 3"]
    assert PLAIN["transposed"].title == "transposed convolution  F=3  S=2  P=1  D=1  a=1"
    assert PLAIN["transposed"].formulas == ["O = 2*(3 - 1) + 3 - 2*1 + 1 = 6"]
    assert PLAIN["pool"].formulas == [
        "height: O = floor((5 + 2*0 - 2) / 2) + 1 = 2  (remainder 1: never read)",
        "width:  O = floor((4 + 2*0 - 2) / 2) + 1 = 2",
    ]


@pytest.mark.parametrize("name", [*PLAIN, *EXTREME])
def test_nothing_is_cut_off_the_picture(name: str) -> None:
    film = Film((PLAIN | EXTREME)[name])
    last = film.operation.steps - 1
    for sheet in (draw(film, [last]), draw(film, [0, last // 2, last], columns=3)):
        pixels = np.asarray(sheet)
        assert (pixels < 128).any()
        for edge in (pixels[:12], pixels[-12:], pixels[:, :12], pixels[:, -12:]):
            assert (edge == 255).all()


@pytest.mark.parametrize("name", PLAIN)
def test_the_gif_shows_every_step_and_loops(name: str, tmp_path: Path) -> None:
    film = Film(PLAIN[name])
    save_gif(tmp_path / "a.gif", film)
    assert (tmp_path / "a.gif").stat().st_size < 200_000
    with Image.open(tmp_path / "a.gif") as gif:
        assert getattr(gif, "n_frames", 1) == film.operation.steps and gif.info["loop"] == 0
        frames, durations = [], []
        for step in range(film.operation.steps):
            gif.seek(step)
            frames.append(np.asarray(gif.convert("RGB")).astype(int))
            durations.append(gif.info["duration"])
    assert set(durations[:-1]) <= {700} and durations[-1] > 700
    for step, frame in enumerate(frames):
        drawn = np.asarray(draw(film, [step])).astype(int)
        assert abs(frame - drawn).max() < 64 and abs(frame - drawn).mean() < 2
        assert (frame[0] == 255).all()  # white stays white
    assert all((a != b).any() for a, b in itertools.pairwise(frames))


def test_a_long_film_goes_faster(tmp_path: Path) -> None:
    save_gif(tmp_path / "a.gif", Film(WindowOperation("pool", (10, 10), 1)))
    with Image.open(tmp_path / "a.gif") as gif:
        assert gif.n_frames == 100 and gif.info["duration"] == 450


@pytest.mark.parametrize(("name", "shown", "columns"), [("strided", 6, 3), ("pool", 4, 2), ("single", 1, 1)])
def test_the_strip_shows_steps_side_by_side(name: str, shown: int, columns: int, tmp_path: Path) -> None:
    film = Film(PLAIN[name])
    save_strip(tmp_path / "a.png", film)
    steps = np.linspace(0, film.operation.steps - 1, shown).round().astype(int).tolist()
    with Image.open(tmp_path / "a.png") as strip:
        assert strip.format == "PNG"
        np.testing.assert_array_equal(np.asarray(strip), np.asarray(draw(film, steps, columns)))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("depthwise", 5, 3), "no window operation is called 'depthwise'; choose one of conv, pool, transposed"),
        (("conv", 17, 3), "the padded input has 17 x 17 cells, and the numbers in more than 16 x 16 could not be read"),
        (("conv", (3, 14), 3, 1, 2), "has 7 x 18 cells"),
        (("transposed", (2, 9), 2, 2), "the output, with what is cut off it, has 4 x 18 cells"),
        (("conv", 5, 6), "a window that spans 6 does not fit an input of 5"),
        (("conv", 5, 3, 0), "convolution stride: wanted an int or a pair of ints >= 1, got 0"),
        (("conv", 5, 3, 1, -1), "convolution padding: wanted an int or a pair of ints >= 0, got -1"),
        (("conv", (5, 5, 5), 3), "convolution input: wanted an int or a pair"),
        (("conv", 5, 3, 2, 0, 1, 1), "convolution has no output padding, got 1"),
        (("pool", 5, 2, 2, 0, 2), "max-pooling has no dilation, got 2"),
        (("pool", 5, 2, 2, 2), "padding (2, 2) must be smaller than the window"),
        (("transposed", 3, 3, 2, 0, 1, 2), "output padding 2 must be less than the larger of stride 2 and dilation 1"),
        (("transposed", 1, 1, 1, 1), "padding 1 leaves nothing of the output"),
    ],
)
def test_what_cannot_be_drawn_is_refused(arguments: tuple[Any, ...], said: str) -> None:
    with pytest.raises(ShapeError, match=re.escape(said)):
        Film(WindowOperation(*arguments))


def test_where_no_picture_can_be(tmp_path: Path) -> None:
    film = Film(PLAIN["single"])
    with pytest.raises(CheckpointError, match=r"a\.png: this picture is written as GIF; let its name end in \.gif"):
        save_gif(tmp_path / "a.png", film)
    with pytest.raises(CheckpointError, match=r"a\.gif: this picture is written as PNG"):
        save_strip(tmp_path / "a.gif", film)
    with pytest.raises(CheckpointError, match=r"a\.gif: could not be written"):
        save_gif(tmp_path / "missing" / "a.gif", film)
    assert not list(tmp_path.iterdir())


def test_importing_animation_is_cheap() -> None:
    code = "import sys; import minisd.shapes.animation; print({'matplotlib', 'PIL', 'numba'} & set(sys.modules))"
    path = str(Path(__file__).parents[2])
    run = subprocess.run([sys.executable, "-c", code], cwd=path, capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "set()"


# ---- minisd animate


def animate(*arguments: Any) -> Result:
    return CliRunner().invoke(main, ["--backend", "numpy", "animate", *map(str, arguments)])


def test_the_command_writes_both_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = animate("conv", "--input", "5x7", "--window", 3, "--stride", 2, "--padding", "1x0", "--dilation", 2)
    assert result.exit_code == 0, result.output
    assert result.output.splitlines() == [
        "convolution  F=3  S=2  P=1 x 0  D=2",
        "O = floor((I + 2*P - F_eff) / S) + 1",
        "height: F_eff = 2*(3 - 1) + 1 = 5,  O = floor((5 + 2*1 - 5) / 2) + 1 = 2",
        "width:  F_eff = 2*(3 - 1) + 1 = 5,  O = floor((7 + 2*0 - 5) / 2) + 1 = 2",
        "wrote conv.gif",
        "wrote conv-frames.png",
    ]
    assert {path.name for path in tmp_path.iterdir()} == {"conv.gif", "conv-frames.png"}
    with Image.open("conv.gif") as gif:
        assert getattr(gif, "n_frames", 1) == 4


def test_the_command_names_what_it_is_told(tmp_path: Path) -> None:
    out = tmp_path / "new" / "up.gif"
    result = animate("transposed", "--input", 2, "--stride", 2, "--output-padding", 1, "--out", out)
    assert result.exit_code == 0, result.output
    assert f"wrote {out}" in result.output and f"wrote {tmp_path / 'new' / 'up-frames.png'}" in result.output
    assert "O = 2*(2 - 1) + 3 - 2*0 + 1 = 6" in result.output


def test_a_pooling_has_its_own_defaults(tmp_path: Path) -> None:
    result = animate("pool", "--input", 4, "--out", tmp_path / "a.gif")
    assert result.output.startswith("max-pooling  F=2  S=2  P=0\n")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["conv", "--input", 99], "more than 16 x 16 could not be read"),
        (["conv", "--window", 9], "a window that spans 9 does not fit an input of 5"),
        (["conv", "--stride", "1.5"], "'1.5' is no size"),
        (["conv", "--padding", "-1"], "'-1' is no size"),
        (["conv", "--stride", 0], "'0' is no size"),
        (["pool", "--dilation", 2], "max-pooling has no dilation"),
        (["pool", "--padding", 2], "must be smaller than the window"),
        (["conv", "--out", "a.png"], "does not end in .gif"),
        (["bilinear"], "'bilinear' is not one of 'conv', 'pool', 'transposed'"),
        ([], "Missing argument"),
    ],
)
def test_the_command_refuses_with_one_message(
    arguments: list[Any], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = animate(*arguments)
    assert result.exit_code == 2 and said in " ".join(result.stderr.split())
    assert result.stderr.count("Error: ") == 1 and not list(tmp_path.iterdir())
