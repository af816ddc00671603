"""A learner's own function in the library's place: it draws the digit.

What the library calls is a backend of an operation, a sampler, or the walk back along the tape. Each entry of PARTS
says how a learner's simpler function, as the exercise asks for it, becomes one. What the learner's function is not
asked to do, such as a dilation or a gradient, stays the library's.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
from minisd_kernels import attention, backends, conv2d
from minisd_kernels.attention import numpy_ref as plain_attention
from minisd_kernels.conv2d import numpy_ref as plain_conv2d

from minisd.autograd.tape import Node, recorded
from minisd.course.answers import told
from minisd.course.exercise import CourseError
from minisd.course.own import import_file, is_written
from minisd.diffusion.samplers import SAMPLERS
from minisd.diffusion.samplers.interface import Sampler
from minisd.diffusion.schedule import NoiseLevel

_SAMPLER_ARGUMENT = "denoise"  # what every sampler's first argument is called


@dataclass
class Plugged:
    """What was found in the files, and how often it was called."""

    calls: dict[str, int] = field(default_factory=dict)
    sampler: str | None = None

    def counted(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        self.calls[name] = 0

        def call(*arguments: Any, **options: Any) -> Any:
            self.calls[name] += 1
            with _told_as(name):
                return function(*arguments, **options)

        return call


@contextmanager
def _told_as(name: str) -> Iterator[None]:
    """An error of the learner's function is said as such, with its line."""
    try:
        yield
    except (CourseError, MemoryError, KeyboardInterrupt):
        raise
    except BaseException as error:  # sys.exit() would end this program without a word
        raise CourseError(f"your {name} failed: {told(error)}") from error


@contextmanager
def plugged(*files: Path) -> Iterator[Plugged]:
    """Inside the block the library runs the functions of those files: ``conv2d``, ``attention``, ``backward``, or a
    sampler.

    Raises:
        CourseError: a file cannot be imported, or has nothing that fits, or what it has is not written yet.
    """
    found = Plugged()
    with ExitStack() as undo:
        for file in files:
            _plug(file, import_file(file), found, undo)
        yield found


def _plug(file: Path, module: ModuleType, found: Plugged, undo: ExitStack) -> None:
    own = {
        name: thing
        for name, thing in vars(module).items()
        if getattr(thing, "__module__", "") == module.__name__ and not isinstance(thing, type)
    }
    samplers = [name for name, thing in own.items() if _is_sampler(thing)]
    fitting = [name for name in own if name in PARTS] + samplers
    if not fitting:
        raise CourseError(
            f"{file} has nothing that the library can run: name a function {' or '.join(PARTS)}, or write a sampler, "
            f"whose first argument is called {_SAMPLER_ARGUMENT}"
        )
    if len(samplers) + (found.sampler is not None) > 1:
        raise CourseError(f"{file}: one sampler draws; there are {', '.join(filter(None, [*samplers, found.sampler]))}")
    source = file.read_text(encoding="utf-8-sig")
    for name in fitting:
        if not is_written(source, name):
            raise CourseError(f"{file}: {name} is not written yet")
        counted = found.counted(name, own[name])
        if name in samplers:
            if "schedule" in inspect.signature(own[name]).parameters:  # as it was before there were noise levels
                raise CourseError(
                    f"{file}: a sampler is given (denoise, x_T, levels, fresh_noise) now, each level with its t, alpha "
                    f"and sigma, and asks denoise(x_t, level); {name} still wants a schedule and timesteps"
                )
            found.sampler = f"your {name}"
            SAMPLERS[found.sampler] = _sampler(name, counted)
            undo.callback(SAMPLERS.pop, found.sampler)
        else:
            undo.enter_context(PARTS[name](counted))


def _is_sampler(thing: Any) -> bool:
    code = getattr(thing, "__code__", None)
    return code is not None and code.co_argcount > 1 and code.co_varnames[0] == _SAMPLER_ARGUMENT


def _sampler(name: str, own: Callable[..., Any]) -> Sampler:
    """A sampler whose arithmetic may have widened the numbers: the networks get the type that they are of."""

    def sampler(denoise: Any, x_T: Any, *rest: Any, **options: Any) -> Iterator[tuple[Any, Any]]:
        seen, yielded = x_T, False  # what the networks gave last: a NaN after it is the sampler's

        def watched(x_t: Any, level: NoiseLevel) -> Any:
            nonlocal seen
            seen = denoise(np.asarray(x_t, x_T.dtype), level)
            return seen

        with _told_as(name):
            steps = iter(own(watched, x_T, *rest, **options))
        while True:
            with _told_as(name):
                step = next(steps, None)
                if step is None:
                    break
                x_t, x_0_pred = step
            yielded = True
            yield tuple(_checked(name, part, x_T.shape, np.asarray(seen), x_T.dtype) for part in (x_t, x_0_pred))
        if not yielded:
            raise CourseError(
                f"your {name} yielded nothing; after each step it yields x_t and the x_0 that it predicts"
            )

    return sampler


def _conv2d(own: Callable[..., Any]) -> AbstractContextManager[None]:
    """conv2d(x, weight, bias, stride, padding) as a backend: unequal strides and sides, and dilation, are the
    library's."""

    def forward(x: Any, weight: Any, bias: Any, size: Any, stride: Any, padding: Any, dilation: Any) -> Any:
        if dilation != (1, 1) or len({*stride}) > 1 or len({side for sides in padding for side in sides}) > 1:
            return plain_conv2d.forward(x, weight, bias, size, stride, padding, dilation)
        return _checked("conv2d", own(x, weight, bias, stride[0], padding[0][0]), (len(x), *size, weight.shape[3]), x)

    gradients = {name: getattr(plain_conv2d, name) for name in ("input_gradient", "weight_gradient")}
    return backends.plugged(conv2d, SimpleNamespace(forward=forward, **gradients))


def _attention(own: Callable[..., Any]) -> AbstractContextManager[None]:
    """attention(query, key, value, causal) as a backend: another scale than 1 / sqrt(d), and gradients, are the
    library's."""

    def forward(query: Any, key: Any, value: Any, scale: float, causal: bool) -> Any:
        y, logsumexp = plain_attention.forward(query, key, value, scale, causal)
        if np.isclose(scale, query.shape[3] ** -0.5):
            result = own(query, key, value, causal=causal)
            own_y = result[0] if isinstance(result, tuple | list) else result  # the logsumexp may come with it
            y = _checked("attention", own_y, y.shape, query)
        return y, logsumexp

    return backends.plugged(attention, SimpleNamespace(forward=forward, backward=plain_attention.backward))


@contextmanager
def _backward(own: Callable[..., Any]) -> Iterator[None]:
    """backward(result, grad) as the walk of every tape."""
    library, tried = Node.backward, False

    def backward(self: Node, grad: Any = None) -> None:
        nonlocal tried
        made_by = [] if tried else [node.function for node in recorded(self)]
        inputs = [source for function in made_by if function is not None for source in function.inputs]
        leaves = [node for node in inputs if node.requires_grad and node.function is None]
        own(self, self._upstream(grad))
        if leaves and all(leaf.grad is None for leaf in leaves):  # a network would train, and learn nothing
            raise CourseError("your backward left no gradient: each leaf's belongs into its .grad")
        tried = True

    Node.backward = backward  # type: ignore[method-assign]
    try:
        yield
    finally:
        Node.backward = library  # type: ignore[method-assign]


def _checked(name: str, result: Any, shape: tuple[int, ...], made_from: Any, dtype: Any = None) -> Any:
    """What the learner's function gave, of the library's type: what cannot become that is said to be the learner's."""
    with _told_as(name):
        array = np.asarray(result)
    if array.shape != tuple(shape):
        raise CourseError(f"your {name} returned the shape {array.shape}; {tuple(shape)} is wanted")
    if array.dtype.kind not in "biuf":
        raise CourseError(f"your {name} returned numbers of the type {array.dtype}; real ones are wanted")
    if np.isfinite(made_from).all() and not np.isfinite(array).all():
        raise CourseError(f"your {name} made NaN or infinite numbers of finite ones")
    return np.ascontiguousarray(array, dtype or made_from.dtype)


PARTS: dict[str, Callable[[Callable[..., Any]], AbstractContextManager[None]]] = {
    "conv2d": _conv2d,
    "attention": _attention,
    "backward": _backward,
}
