"""minisd segment: what copy and crop is good for, on cells that touch."""

from __future__ import annotations

from pathlib import Path

import click
from minisd_kernels.devices import require_device

from minisd.cli.kernels import compile_first
from minisd.cli.options import FOLDER, POSITIVE, SEED, device_option, stoppable
from minisd.cli.outputs import new_files, numbered_files

_TRAINING, _HELD_OUT = 40, 8  # pictures
_SHOWN = slice(3), slice(48, 208), slice(48, 208)  # of the held-out ones, so large that single pixels can be seen


@click.command(short_help="Show on cells what copy and crop is good for.")
@click.option(
    "--out", type=FOLDER, help="Where the results are kept. [default: runs/segment, numbered if some are there]"
)
@click.option("--steps", type=POSITIVE, default=600, show_default=True, help="Training steps of each network.")
@click.option("--seed", type=SEED, default=0, show_default=True, help="The same seed and steps give the same result.")
@device_option
@click.pass_context
def segment(ctx: click.Context, out: Path | None, steps: int, seed: int, device: str) -> None:
    """Train an FCN and a U-Net on drawn cells that touch, and compare them.

    The U-Net is the FCN with copy and crop. Between them stands a network that adds class scores instead. All see the
    same tiles in the same order.
    """
    require_device(device)

    from minisd.train.segmentation import NETWORKS

    names = [*(f"/{name.lower().replace(' ', '-')}.safetensors" for name in NETWORKS), "/cells.png", "/loss.png"]
    files = new_files(*(Path(f"{out}{name}") for name in names)) if out else numbered_files("runs/segment", *names)
    kept = f"the networks that were trained to the end are in {out or 'runs'}"
    with stoppable(ctx, lambda: kept), files as (*weights, cells, loss):
        _segment(dict(zip(NETWORKS, weights, strict=True)), cells, loss, steps, seed, device)


def _segment(weights: dict[str, Path], cells_png: Path, loss_png: Path, steps: int, seed: int, device: str) -> None:
    import numpy as np

    from minisd import plots
    from minisd.checkpoint import save_arrays
    from minisd.data.cells import draw_cells
    from minisd.train.segmentation import CONFIG, NETWORKS, TILE, Tiles, segment, train_segmenter

    click.echo(f"drawing {_TRAINING} pictures to train on and {_HELD_OUT} to judge by")
    cells, held_out = draw_cells(_TRAINING, 2 * seed), draw_cells(_HELD_OUT, 2 * seed + 1)
    tiles = Tiles(cells, CONFIG.shape, TILE)

    compile_first(device)
    losses, masks, lines = {}, {}, []
    for name, network in NETWORKS.items():
        module = network(CONFIG, rng=np.random.default_rng(seed)).to(device)
        losses[name], seconds = train_segmenter(module, tiles, seed=seed, steps=steps, name=name)
        save_arrays(weights[name], module.state_dict())
        found = segment(module, held_out)
        masks[f"{name}\nIoU: pixels {found.pixel_iou:.3f}, objects {found.object_iou:.3f}"] = found.masks[_SHOWN]
        lines.append(
            f"{name:<22}{found.pixel_iou:>10.4f}{found.object_iou:>12.4f}{module.parameter_count():>13,}{seconds:>10.3f}"
        )

    count = held_out.instances.max(axis=(1, 2)).sum()
    click.echo(f"\nintersection over union on {_HELD_OUT} pictures with {count} cells")
    click.echo(f"{'':<22}{'of pixels':>10}{'of objects':>12}{'parameters':>13}{'s a step':>10}")
    click.echo("\n".join(lines))
    plots.save_segmentation(cells_png, held_out.images[_SHOWN], held_out.instances[_SHOWN], masks)
    plots.save_loss_curve(loss_png, losses)
    click.echo(f"wrote {cells_png}, {loss_png} and the weights beside them")
