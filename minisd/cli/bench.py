"""minisd bench: kernels and training steps, each beside the same work in PyTorch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from minisd_kernels.backends import current_backend
from minisd_kernels.devices import require_device
from minisd_kernels.switches import tensor_cores, thread_count

from minisd.cli.kernels import compile_first
from minisd.cli.options import Failure, FiniteFloat, OutputFile, device_option
from minisd.cli.outputs import new_files

if TYPE_CHECKING:
    from minisd.bench import Case, Machine, Row


@click.command(short_help="Time kernels and training steps, beside PyTorch's.")
@click.argument("what", type=click.Choice(["kernels", "steps", "all"]), default="all")
@device_option
@click.option("--only", metavar="TEXT", help="Only cases whose name, group or shapes contain TEXT.")
@click.option("--seconds", type=FiniteFloat(min=0), default=2.0, show_default=True, help="Time for each row.")
@click.option("--eager", is_flag=True, help="Leave out PyTorch's compiler, which takes minutes for each network.")
@click.option("--json", "json_file", type=OutputFile(), help="Write every figure to this file, too.")
@click.option("--plot", "plot_file", type=OutputFile(".png"), help="Draw the kernels' roofline.")
@click.pass_context
def bench(
    ctx: click.Context,
    what: str,
    device: str,
    only: str | None,
    seconds: float,
    eager: bool,
    json_file: Path | None,
    plot_file: Path | None,
) -> None:  # fmt: skip
    """Time kernels and training steps, each beside the same work in PyTorch.

    Outputs and gradients are compared first. Then both take turns in this process, and medians are printed; PyTorch
    has its better memory format, its compiler for the steps, and memory that it need not ask for again.
    """
    from minisd.bench import machine, table
    from minisd.checkpoint import save_json

    cases = _cases(what, only)
    if plot_file is not None and what == "steps":
        raise click.UsageError("--plot draws kernels; leave it out, or say `minisd bench kernels` or `all`.")
    require_device(device)
    if device == "cpu":
        current_backend()  # is one, or says why not
    machine.restart_if_needed()
    ctx.with_resource(new_files(json_file, plot_file))

    compile_first(device)
    torch = _torch(device)
    measured = machine.measure_machine(torch, device=device)
    for text in table.opening(measured):
        click.echo(text)
    rows = _rows(cases, torch, seconds, measured, compiled=not eager)
    click.echo()
    for text in table.summary(rows):
        click.echo(text)
    if json_file is not None:
        save_json(json_file, table.as_json(measured, rows))
        click.echo(f"wrote {json_file}")
    if plot_file is not None:
        from minisd.bench.roofline import save_roofline

        save_roofline(plot_file, measured, rows)
        click.echo(f"wrote {plot_file}")


def _cases(what: str, only: str | None) -> list[Case]:
    from minisd.bench import KERNELS, STEPS

    cases = [*(KERNELS if what != "steps" else ()), *(STEPS if what != "kernels" else ())]
    chosen = [case for case in cases if only is None or only in f"{case.name}, {case.group}, {case.shapes}"]
    if not chosen:
        names = ", ".join(dict.fromkeys(case.name for case in cases))
        raise click.BadParameter(f"no case contains {only!r}; there are: {names}.", param_hint="--only")
    return chosen


def _torch(device: str) -> Any | None:
    """minisd.bench.in_torch, told where to compute; None where PyTorch is not installed, or not for the GPU."""

    try:
        from minisd.bench import in_torch
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        return None
    if device == "cuda" and not in_torch.has_gpu():
        return None
    in_torch.use("cuda" if device == "cuda" else "cpu", thread_count(), bool(tensor_cores))
    return in_torch


def _rows(cases: list[Case], torch: Any | None, seconds: float, measured: Machine, *, compiled: bool) -> list[Row]:
    from minisd.bench import Mismatch, run_case, table

    rows: list[Row] = []
    for case in cases:
        try:
            row = run_case(case, torch, seconds, compiled=compiled, device=measured.device)
        except Mismatch as error:
            raise Failure(str(error)) from error
        if not rows or rows[-1].group != case.group:
            click.echo(f"\n{case.group}\n{table.heading()}")
        rows.append(row)
        click.echo(table.line(row, measured))
    return rows
