"""Networks of PyTorch, exported to ONNX: every layer's size and the parameters as PyTorch has them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from minisd.shapes.onnx.reader import read_onnx
from minisd.shapes.report.layers import Map
from minisd.shapes.report.sums import Report, examine

torch = pytest.importorskip("torch")
pytest.importorskip("onnx", reason="torch.onnx.export needs it")
nn, F = torch.nn, torch.nn.functional

# The exporter that traces needs no further package; it warns that it is the older one, and that sizes become constants.
pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning", "ignore::torch.jit.TracerWarning", "ignore:Constant folding"
)

MEASURED = {
    "Conv": nn.Conv2d,
    "ConvTranspose": nn.ConvTranspose2d,
    "MaxPool": nn.MaxPool2d,
    "AveragePool": nn.AvgPool2d,
    "GlobalAveragePool": nn.AdaptiveAvgPool2d,
    "Gemm": nn.Linear,
    "MatMul": nn.Linear,
}


def two(inputs: int, outputs: int, padding: int) -> Any:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, padding=padding),
        nn.ReLU(),
        nn.Conv2d(outputs, outputs, 3, padding=padding),
        nn.ReLU(),
    )


class UNet(nn.Module):  # type: ignore[misc, name-defined]
    """Ronneberger's when nothing is padded; with padding, what comes up is padded to the size of the copy."""

    def __init__(self, padding: int, depth: int = 2) -> None:
        super().__init__()
        widths = [1, *(2**level for level in range(1, depth + 1))]
        self.down = nn.ModuleList(two(widths[i], widths[i + 1], padding) for i in range(depth))
        self.bottom = two(widths[-1], 2 * widths[-1], padding)
        self.up = nn.ModuleList(nn.ConvTranspose2d(2 * width, width, 2, 2) for width in widths[:0:-1])
        self.merge = nn.ModuleList(two(2 * width, width, padding) for width in widths[:0:-1])
        self.pool, self.padding = nn.MaxPool2d(2), padding

    def forward(self, x: Any) -> Any:
        copies = []
        for level in self.down:
            x = level(x)
            copies.append(x)
            x = self.pool(x)
        x = self.bottom(x)
        for up, merge in zip(self.up, self.merge, strict=True):
            x, copy = up(x), copies.pop()
            rows, columns = copy.shape[2] - x.shape[2], copy.shape[3] - x.shape[3]
            if self.padding:
                x = F.pad(x, [columns // 2, columns - columns // 2, rows // 2, rows - rows // 2])
            else:
                copy = copy[:, :, rows // 2 : rows // 2 + x.shape[2], columns // 2 : columns // 2 + x.shape[3]]
            x = merge(torch.cat([copy, x], 1))
        return x


class Residual(nn.Module):  # type: ignore[misc, name-defined]
    """A block of a classifier: depthwise convolution, batch norm, channels weighed by their means, a sum."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width, width, 3, padding=1, groups=width, bias=False)
        self.norm, self.pool = nn.BatchNorm2d(width), nn.AdaptiveAvgPool2d(1)
        self.squeeze, self.excite = nn.Conv2d(width, 2, 1), nn.Conv2d(2, width, 1)

    def forward(self, x: Any) -> Any:
        y = F.silu(self.norm(self.conv(x)))
        return x + y * torch.sigmoid(self.excite(F.gelu(self.squeeze(self.pool(y)))))


def classifier() -> Any:
    return nn.Sequential(
        nn.Conv2d(1, 8, 5, stride=2, padding=1), nn.MaxPool2d(3, 2, ceil_mode=True), Residual(8), nn.ReLU6(),
        nn.Conv2d(8, 12, 3, dilation=2, padding=2), nn.PReLU(12), nn.AvgPool2d(2, 2, padding=1), nn.Hardswish(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.5), nn.Linear(12, 9), nn.Tanh(),
        nn.Linear(9, 3, bias=False), nn.Softmax(1),
    )  # fmt: skip


class ChannelsLast(nn.Module):  # type: ignore[misc, name-defined]
    """A block of Liu et al. 2022: layer norm and two linear layers over each pixel."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(1, 6, 7, padding=3), nn.LayerNorm(6)
        self.wide, self.narrow, self.scale = nn.Linear(6, 24), nn.Linear(24, 6), nn.Parameter(torch.ones(6))

    def forward(self, x: Any) -> Any:
        y = self.conv(x)
        z = self.scale * self.narrow(F.gelu(self.wide(self.norm(y.permute(0, 2, 3, 1)))))
        return (y + z.permute(0, 3, 1, 2)).mean([2, 3])


class Folds(nn.Module):  # type: ignore[misc, name-defined]
    """Group norm, shuffled channels, pixels out of channels, and sizes that follow another map's."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(1, 8, 3, stride=2), nn.GroupNorm(2, 8)
        self.unfold, self.normed = nn.PixelShuffle(2), nn.InstanceNorm2d(1, affine=True)

    def forward(self, x: Any) -> Any:
        y = self.norm(self.conv(x))
        apart = y.view(y.shape[0], 2, 4, y.shape[2], y.shape[3]).transpose(1, 2)
        y = self.unfold(apart.reshape(y.shape[0], 8, y.shape[2], y.shape[3]))
        y = F.interpolate(y, scale_factor=1.5, mode="bilinear")
        first, second = F.interpolate(y, size=x.shape[2:]).chunk(2, dim=1)
        return torch.cat([x, first * second, self.normed(x)], 1)[:, 1:, ::2]


class Decoder(nn.Module):  # type: ignore[misc, name-defined]
    """A vector that becomes a picture."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.first = nn.Conv2d(1, 5, 3), nn.Linear(5, 4 * 3 * 2)
        self.up = nn.ConvTranspose2d(4, 2, 4, 2, 1, output_padding=1)

    def forward(self, x: Any) -> Any:
        code = self.conv(x).amax((2, 3))
        return self.up(self.first(code).view(-1, 4, 3, 2))


NETWORKS: dict[str, Callable[[], Any]] = {
    "unet": lambda: UNet(padding=0),
    "padded unet": lambda: UNet(padding=1),
    "classifier": classifier,
    "channels last": ChannelsLast,
    "folds": Folds,
    "decoder": Decoder,
}


@contextmanager
def measured(network: Any) -> Iterator[list[Map]]:
    """The outputs of the layers that have names in both worlds, in the order of their running."""
    sizes: list[Map] = []
    hooks = [
        module.register_forward_hook(lambda module, inputs, output: sizes.append(as_map(output.shape, module)))
        for module in network.modules()
        if isinstance(module, tuple(MEASURED.values()))
    ]
    yield sizes
    for hook in hooks:
        hook.remove()


def as_map(shape: Any, module: Any = None) -> Map:
    """A linear layer has its channels last, over pixels too."""
    if len(shape) == 2:
        return Map(1, 1, shape[1])
    return Map(*shape[1:]) if isinstance(module, nn.Linear) else Map(shape[2], shape[3], shape[1])


def export(network: Any, path: Path, size: tuple[int, int], open_axes: bool) -> None:
    axes = {"x": {0: "batch", 2: "height", 3: "width"}} if open_axes else None
    torch.onnx.export(
        network, (torch.zeros(1, 1, *size),), str(path), dynamo=False, input_names=["x"], dynamic_axes=axes,
        training=torch.onnx.TrainingMode.PRESERVE, do_constant_folding=False,
    )  # fmt: skip


def ours(report: Report) -> list[Map | None]:
    return [row.output for row in report.rows if row.step.text.partition(" ")[0] in MEASURED]


@pytest.mark.parametrize("open_axes", [False, True])
@pytest.mark.parametrize("name", NETWORKS)
def test_exported_networks(name: str, open_axes: bool, tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = NETWORKS[name]().eval()
    for weights in network.parameters():
        nn.init.normal_(weights)  # the exporter stores equal weights once
    path = tmp_path / "net.onnx"
    export(network, path, (48, 61), open_axes)
    for size in [(48, 61), (53, 50), (64, 64)] if open_axes else [(48, 61)]:
        with measured(network) as theirs, torch.no_grad():
            output = network(torch.zeros(1, 1, *size))
        report = examine(read_onnx(path, size if open_axes else None))
        assert report.problem is None and not report.unknown, (report.problem, report.unknown)
        assert ours(report) == theirs
        assert report.output == as_map(output.shape)
        assert sum(row.parameters for row in report.rows) == sum(weight.numel() for weight in network.parameters())
