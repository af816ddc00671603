"""A learner's own convolution, attention or sampler draws in the library's place."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from minisd_kernels import attention, conv2d, relu
from minisd_kernels.backends import use_backend

from minisd import Pipeline
from minisd.autograd import Tensor
from minisd.cli import main
from minisd.course.build import _student_file
from minisd.course.exercise import CourseError, load, numbers
from minisd.course.plug import plugged
from minisd.diffusion.samplers import SAMPLERS
from minisd.diffusion.schedule import CLEAN
from minisd.models.unet_classic import UNetClassic, UNetClassicConfig

CONV2D = """
import numpy as np

def conv2d(x, weight, bias=None, stride=1, padding=0):
    x = np.pad(x, ((0, 0), (padding, padding), (padding, padding), (0, 0)))
    (kh, kw), s = weight.shape[:2], stride
    P, Q = (x.shape[1] - kh) // s + 1, (x.shape[2] - kw) // s + 1
    y = 0 if bias is None else bias
    for i in range(kh):
        for j in range(kw):
            y = y + x[:, i : i + s * (P - 1) + 1 : s, j : j + s * (Q - 1) + 1 : s] @ weight[i, j]
    return y
"""
ATTENTION = """
import numpy as np

def attention(query, key, value, causal=False):
    scores = np.einsum("bnhd,bmhd->bhnm", query, key) / np.sqrt(query.shape[3])  # a float64: the library narrows it
    if causal:
        scores = np.where(np.tri(scores.shape[2]) > 0, scores, -np.inf)
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    return np.einsum("bhnm,bmhd->bnhd", weights / weights.sum(-1, keepdims=True), value)
"""
SAMPLER = """
import numpy as np

def mine(denoise, x_T, levels, fresh_noise):
    x_t = x_T
    for level, level_prev in zip(levels, levels[1:]):
        x_0, noise = denoise(x_t, level)
        x_t = np.float64(level_prev.alpha) * x_0 + level_prev.sigma * noise
        yield x_t, x_0
"""


BACKWARD = """
def backward(result, grad):
    order, seen = [], set()
    def visit(node):
        if node not in seen and node.requires_grad:
            seen.add(node)
            if node.function is not None:
                for source in node.function.inputs:
                    visit(source)
            order.append(node)
    visit(result)
    grads = {result: grad}
    for node in reversed(order):
        own = grads.pop(node)
        if node.function is None:
            node.grad = own if node.grad is None else node.grad + own
            continue
        for source, part in zip(node.function.inputs, node.function.backward(own)):
            if part is not None and source.requires_grad:
                grads[source] = grads[source] + part if source in grads else part
"""


def file(folder: Path, text: str, name: str = "mine.py") -> Path:
    (folder / name).write_text(text)
    return folder / name


def test_ones_own_functions_draw_the_same_digit(tmp_path: Path) -> None:
    own = [file(tmp_path, text, f"{i}.py") for i, text in enumerate((CONV2D, ATTENTION, SAMPLER))]
    pipeline = Pipeline.load()
    with use_backend("numpy"):
        library = pipeline.draw(["a seven"], steps=4, sampler="ddim").astype(int)
        with plugged(*own) as parts:
            digit = pipeline.draw(["a seven"], steps=4, sampler=parts.sampler).astype(int)
    assert parts.calls["conv2d"] > 50 and parts.calls["attention"] > 10 and parts.calls["mine"] == 1
    assert abs(digit - library).max() <= 1
    assert "your mine" not in SAMPLERS, "afterwards all is as it was"


def test_what_is_plugged_in_changes_what_is_drawn(tmp_path: Path) -> None:
    x = np.ones((1, 4, 4, 1))
    with plugged(file(tmp_path, "def conv2d(x, weight, bias, stride, padding):\n    return 0 * x[:, 1:-1, 1:-1] + 5")):
        assert (conv2d.forward(x, np.ones((3, 3, 1, 1))) == 5).all()
        assert conv2d.forward(x, np.ones((1, 3, 1, 1)), padding=(0, 1))[0, 0, 0, 0] == 2, "unequal sides: the library's"
    assert conv2d.forward(x, np.ones((3, 3, 1, 1)))[0, 0, 0, 0] == 9


def test_the_exercises_attention_which_returns_its_logsumexp_fits() -> None:
    q, k, v = np.random.default_rng(0).standard_normal((3, 1, 4, 2, 3))
    library, _ = attention.forward(q, k, v, causal=True)
    with plugged(load("08.3").file) as parts:
        assert np.allclose(attention.forward(q, k, v, causal=True)[0], library)
    assert parts.calls["attention"] == 1


def test_ones_own_walk_gives_a_networks_gradients(tmp_path: Path) -> None:
    network = UNetClassic(UNetClassicConfig(base=1, depth=1, classes=2), rng=np.random.default_rng(0))
    x = Tensor(np.random.default_rng(1).standard_normal((1, 20, 20, 1), dtype=np.float32))

    def gradients() -> list[np.ndarray]:
        for parameter in network.parameters():
            parameter.grad = None
        (network(x) * network(x)).sum().backward()
        return [parameter.grad for parameter in network.parameters()]

    with use_backend("numpy"):
        library = gradients()
        with plugged(file(tmp_path, BACKWARD)) as parts:
            own = gradients()
    assert parts.calls == {"backward": 1}
    for mine, theirs in zip(own, library, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = 3", "nothing that the library can run"),
        ("def conv2d(:", "line 1"),
        ("def conv2d(x):\n    raise NotImplementedError", "not written yet"),
        ("def a(denoise, x): pass\ndef b(denoise, x): pass", "one sampler draws"),
        ("class conv2d: pass", "name a function conv2d"),
        ("raise SystemExit(0)", "SystemExit: 0"),
        ("x = '\0'", "mine.py: source code"),
        (
            "def a(denoise, x_T, schedule, timesteps, fresh_noise): yield x_T, x_T",
            r"given \(denoise, x_T, levels, fresh_noise\) now",
        ),
    ],
)
def test_a_file_that_cannot_draw_says_why(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(CourseError, match=message), plugged(file(tmp_path, text)):
        pass


def test_an_error_of_ones_own_is_said_with_its_line(tmp_path: Path) -> None:
    q = np.ones((1, 2, 1, 4))
    head = "def attention(query, key, value, causal=False):\n    return"
    failed = r"your attention failed: line 2, `return query\[9\]`: IndexError"
    with plugged(file(tmp_path, f"{head} query[9]")), pytest.raises(CourseError, match=failed):
        attention.forward(q, q, q)
    short = r"your attention returned the shape \(1, 1, 1, 4\)"
    with plugged(file(tmp_path, f"{head} query[:, :1]", "b.py")), pytest.raises(CourseError, match=short):
        attention.forward(q, q, q)


@pytest.mark.parametrize(
    ("result", "message"),
    [
        ("query + 1j", "of the type complex"),
        ("query.astype(str)", "of the type <U"),
        ("query * float('nan')", "NaN or infinite numbers of finite ones"),
        ("[[1], [1, 2]]", "failed: ValueError|the shape"),
        ("exit()", "failed: line 2, `return exit()`: SystemExit"),
    ],
)
def test_what_is_no_result_is_said_to_be_ones_own(tmp_path: Path, result: str, message: str) -> None:
    q = np.ones((1, 2, 1, 4))
    own = file(tmp_path, f"def attention(query, key, value, causal=False):\n    return {result}")
    with plugged(own), pytest.raises(CourseError, match=message.replace("()", r"\(\)")):
        attention.forward(q, q, q)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("return iter([])", "yielded nothing"),
        ("yield x_T[:, :1], x_T", "the shape"),
        ("yield x_T * float('nan'), x_T", "NaN or infinite"),
        ("yield x_T, x_T + 1j", "of the type complex"),
        ("return 3", "failed: .*not iterable"),
    ],
)
def test_a_sampler_that_draws_nothing_says_why(tmp_path: Path, body: str, message: str) -> None:
    x_T = np.ones((1, 2, 2, 4), np.float32)
    with (
        plugged(file(tmp_path, f"def mine(denoise, x_T, *rest):\n    {body}")),
        pytest.raises(CourseError, match=message),
    ):
        list(SAMPLERS["your mine"](lambda x_t, level: (x_t, x_t), x_T, [CLEAN, CLEAN], None))


def test_a_walk_that_leaves_no_gradient_is_told(tmp_path: Path) -> None:
    x = Tensor(np.ones(2), requires_grad=True)
    with (
        plugged(file(tmp_path, "def backward(result, grad):\n    pass")),
        pytest.raises(CourseError, match="no gradient"),
    ):
        (x * x).sum().backward()


def test_draw_with(tmp_path: Path) -> None:
    def draw(*options: str | Path) -> tuple[int, str]:
        done = CliRunner().invoke(main, ["--backend", "numpy", "draw", "a seven", "--steps", "2", *map(str, options)])
        return done.exit_code, done.output

    own = file(tmp_path, SAMPLER)
    code, said = draw("--with", own, "--out", tmp_path / "a.png")
    assert code == 0 and "your mine was called 1 time" in said
    code, said = draw("--with", file(tmp_path, BACKWARD, "b.py"), "--out", tmp_path / "b.png")
    assert code == 2 and "for minisd train" in said
    assert draw("--with", file(tmp_path, "import nothing_like_it", "c.py"), "--out", tmp_path / "c.png")[0] == 2
    train = ["train", "--data", "strokes", "--out", str(tmp_path / "run"), "--with", str(own)]
    assert (done := CliRunner().invoke(main, train)).exit_code == 2 and "for minisd draw" in done.output
    assert not (tmp_path / "run").exists()
    assert not (tmp_path / "b.png").exists() and not (tmp_path / "c.png").exists()


def test_an_operation_plugged_in_twice_comes_back_layer_by_layer() -> None:
    from types import SimpleNamespace

    from minisd_kernels.backends import plugged as in_place

    def times(factor: int) -> SimpleNamespace:
        return SimpleNamespace(forward=lambda x: factor * x)

    with in_place(relu, times(2)):
        with in_place(relu, times(3)):
            assert relu.forward(np.ones(1)) == 3
        assert relu.forward(np.ones(1)) == 2
    assert relu.forward(np.ones(1)) == 1


def test_exercises_that_promise_it_can_be_plugged_in(tmp_path: Path) -> None:
    promised = [load(n) for n in numbers() if "--with" in load(n).statement]
    assert promised
    for exercise in promised:
        with pytest.raises(CourseError, match="not written yet"), plugged(file(tmp_path, _student_file(exercise))):
            pass
