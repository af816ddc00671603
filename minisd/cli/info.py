"""minisd info: what runs here, and how a picture was drawn."""

from __future__ import annotations

import os
import platform
import re
import shutil
import sys
import textwrap
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import click
from minisd_kernels import backends, devices, switches

from minisd import __version__

_INDENT = 10  # columns of the names


@click.command(short_help="Say what runs here, or how a picture was drawn.")
@click.argument("file", type=click.Path(path_type=Path), required=False)
def info(file: Path | None) -> None:
    """Say what runs here: versions, backends, threads, data and models.

    Or how the picture FILE was drawn, a PNG of `minisd draw`: its prompts and settings, and the command; or of a LoRA's
    FILE what it was taught.
    """
    facts = [*(_facts() if file is None else _how_drawn(file))]
    indent = max(_INDENT, 2 + max(len(name) for name, _ in facts))
    columns = shutil.get_terminal_size().columns
    for name, value in facts:
        # Paths stay whole, to be copied, however narrow the terminal is.
        lines = textwrap.wrap(value, max(40, columns - indent), break_long_words=False, break_on_hyphens=False)
        click.echo(f"{name:<{indent}}" + f"\n{'':<{indent}}".join(lines))


def _how_drawn(file: Path) -> Iterator[tuple[str, str]]:
    """What a file says of itself; it came from anywhere, so nothing in it may command the terminal."""
    if file.suffix == ".safetensors":
        from minisd.lora import load_lora

        read = load_lora(file)
        about = {"LoRA": f"{len(read.lora.layers)} layers, {read.lora.parameter_count():,} numbers", **read.about}
    else:
        from minisd.plots import load_about

        about = load_about(file)
    for name, value in about.items():
        values = value if isinstance(value, list) else [value]
        for number, each in enumerate(values):
            title = name.replace("_", " ").removesuffix("s" if name == "prompts" else "")
            yield "" if number else _printable(title), _printable(str(each))


def _printable(text: str) -> str:
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text)


def _facts() -> Iterator[tuple[str, str]]:
    yield "minisd", __version__
    yield "Python", f"{platform.python_version()} ({sys.executable})"
    for package in ("numpy", "numba"):
        yield package, _version(package)
    yield "platform", platform.platform()
    yield "CPU", _cpu()
    try:
        yield "backend", backends.current_backend()
    except backends.BackendUnavailable as error:
        yield "backend", f"none: {error}"
    for backend in backends.FILES:
        yield f"  {backend}", backends.missing_reason(backend) or "present"
    missing = {device: devices.missing_device_reason(device) for device in devices.DEVICES}
    yield "devices", ", ".join(device for device, reason in missing.items() if reason is None)
    for device, reason in missing.items():
        yield f"  {device}", reason or "present"
    yield "threads", str(switches.thread_count())

    from minisd.data.idx import FILES
    from minisd.data.mnist import cache_folder
    from minisd.pipeline import shipped_model

    named = os.environ.get("MINISD_DATA")
    data = Path(named) if named else cache_folder() / "mnist"
    files = [name for split in FILES.values() for name in split]
    found = sum((data / name).is_file() or (data / f"{name}.gz").is_file() for name in files)
    yield "MNIST", f"{data}: {found} of {len(files)} files (MINISD_DATA is {'set' if named else 'not set'})"
    model = shipped_model()
    yield "model", f"{model}: {'present' if (model / 'model.json').is_file() else 'missing; make one: minisd train'}"


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"


def _cpu() -> str:
    """The processor's name; Linux keeps it where Python does not look."""
    names = Path("/proc/cpuinfo")
    if names.is_file() and (found := re.search(r"^model name\s*:\s*(.+)$", names.read_text(), re.MULTILINE)):
        return found[1]
    return platform.processor() or platform.machine()
