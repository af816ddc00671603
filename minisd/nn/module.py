"""Modules: a tree of layers whose leaves are parameters."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Self

import numpy as np
from minisd_kernels.devices import to_device, to_host

from minisd.autograd import Array, Tensor


class Parameter(Tensor):
    """A tensor that training changes."""

    __slots__ = ()

    def __init__(self, data: Array) -> None:
        super().__init__(data, requires_grad=True)


class Module:
    """A layer, or a network of layers. Parameters and modules are found among the attributes, in lists and dicts, too.

    A subclass makes its layers in ``__init__`` and computes in ``forward``; calling the module calls ``forward``.
    """

    def named_parameters(self, prefix: str = "") -> Iterator[tuple[str, Parameter]]:
        """Every parameter with its dotted name, in the order in which they were made.

        >>> from minisd.nn import Linear
        >>> [name for name, _ in Linear(2, 3, rng=np.random.default_rng(0)).named_parameters()]
        ['weight', 'bias']
        """
        for name, value in vars(self).items():
            yield from _parameters_of(value, prefix + name)

    def named_modules(self, prefix: str = "") -> Iterator[tuple[str, Module]]:
        """Every module inside this one, however deep, with its dotted name.

        >>> from minisd.nn import TransformerBlock
        >>> block = TransformerBlock(4, 1, rng=np.random.default_rng(0))
        >>> [name for name, _ in block.named_modules()][:4]
        ['norm_self', 'attend_self', 'attend_self.to_query', 'attend_self.to_key']
        """
        for name, value in vars(self).items():
            yield from _modules_of(value, prefix + name)

    def parameters(self) -> list[Parameter]:
        return [parameter for _, parameter in self.named_parameters()]

    def flat_parameters(self) -> Array:
        """All parameters in one buffer: from then on each parameter's array is a view of its part of it.

        One buffer makes the optimiser's step one pass over memory instead of a hundred small ones.
        """
        parameters = self.parameters()
        buffer = parameters[0].data.base
        scattered = any(parameter.data.base is not buffer for parameter in parameters)
        # Parameters in a buffer of another size are part of a larger module's: they move to one of their own.
        if buffer is None or scattered or buffer.shape != (self.parameter_count(),):
            buffer = np.concatenate([parameter.data.reshape(-1) for parameter in parameters])
            self._become_views_of(buffer)
        return buffer

    def _become_views_of(self, buffer: Array) -> None:
        start = 0
        for parameter in self.parameters():
            stop = start + parameter.data.size
            parameter.data = buffer[start:stop].reshape(parameter.data.shape)
            start = stop

    @property
    def device(self) -> str:
        """Where the parameters live: cpu, cuda or emu."""
        return next(parameter for _, parameter in self.named_parameters()).device

    def to(self, device: str) -> Self:
        """Move the parameters to a device, cpu, cuda or emu, all in their one buffer; returns the module itself.

        Gradients stay behind. Optimisers and averages keep the memory that they began with: make them afterwards.

        Raises:
            BackendUnavailable: the device cannot be used here.
        """
        if device != self.device:
            self._become_views_of(to_device(self.flat_parameters(), device))
            for parameter in self.parameters():
                parameter.grad = None
        return self

    def parameter_count(self) -> int:
        return sum(parameter.data.size for parameter in self.parameters())

    def state_dict(self) -> dict[str, Array]:
        """The parameters' arrays by name: the arrays themselves, or copies on the host of those of another device."""
        return {name: to_host(parameter.data) for name, parameter in self.named_parameters()}

    def load_state_dict(self, state: Mapping[str, Array]) -> None:
        """Copy `state` into the parameters, wherever they live.

        Raises:
            ValueError: names or shapes differ; the message lists what is missing, unknown or misshapen.
        """
        parameters = dict(self.named_parameters())
        own = {name: parameter.data for name, parameter in parameters.items()}
        missing, unknown = sorted(own.keys() - state.keys()), sorted(state.keys() - own.keys())
        misshapen = [
            f"{name} {tuple(state[name].shape)} instead of {tuple(own[name].shape)}"
            for name in own.keys() & state.keys()
            if tuple(state[name].shape) != tuple(own[name].shape)
        ]
        problems = [
            f"{what}: {', '.join(names[:3])}{f' and {len(names) - 3} more' if len(names) > 3 else ''}"
            for what, names in (("missing", missing), ("unknown", unknown), ("misshapen", sorted(misshapen)))
            if names
        ]
        if problems:
            raise ValueError(
                f"these weights are of another architecture than {type(self).__name__}: {'; '.join(problems)}"
            )
        for name, parameter in parameters.items():
            parameter.data[...] = to_device(state[name], self.device)
            parameter.changed()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.forward(*args, **kwargs)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError


def _parameters_of(value: object, name: str) -> Iterator[tuple[str, Parameter]]:
    if isinstance(value, Parameter):
        yield name, value
    elif isinstance(value, Module):
        yield from value.named_parameters(name + ".")
    else:
        for inner, item in _items(value):
            yield from _parameters_of(item, f"{name}.{inner}")


def _modules_of(value: object, name: str) -> Iterator[tuple[str, Module]]:
    if isinstance(value, Module):
        yield name, value
        yield from value.named_modules(name + ".")
    else:
        for inner, item in _items(value):
            yield from _modules_of(item, f"{name}.{inner}")


def _items(value: object) -> Iterable[tuple[object, object]]:
    match value:
        case list() | tuple():
            return enumerate(value)
        case dict():
            return value.items()
        case _:
            return ()


def random_weight(rng: np.random.Generator, shape: tuple[int, ...], fan_in: int) -> Parameter:
    """Numbers from N(0, 1/fan_in): a layer's output is then about as large as its input (LeCun et al. 1998)."""
    return Parameter((rng.standard_normal(shape) / np.sqrt(fan_in)).astype(np.float32))


def zeros(*shape: int) -> Parameter:
    return Parameter(np.zeros(shape, np.float32))
