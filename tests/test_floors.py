"""The architecture, read from the files: imports go down only, and packages stay in their places."""

from __future__ import annotations

import ast
import graphlib
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# The longest name that fits decides: minisd.diffusion.samplers.ddim is on the floor of minisd.diffusion.samplers.
FLOORS = {
    "minisd_kernels.shapes": 0,
    "minisd_kernels": 1,
    "minisd": 8,  # the package itself, the front door: nothing inside goes through it
    "minisd.autograd": 3,  # its arithmetic is an operation room
    "minisd.autograd.tape": 2,
    "minisd.memory": 2,
    "minisd.pictures": 2,
    "minisd.resizing": 2,
    "minisd.data": 2,
    "minisd.text": 2,
    "minisd.diffusion": 2,
    "minisd.diffusion.schedule": 2,
    "minisd.ops": 3,
    "minisd.nn": 4,
    "minisd.optim": 4,
    "minisd.models": 5,
    "minisd.diffusion.samplers": 5,
    "minisd.diffusion.guidance": 5,
    "minisd.diffusion.consistency": 5,
    "minisd.diffusion.comparison": 5,
    "minisd.checkpoint": 6,
    "minisd.few": 6,
    "minisd.hires": 6,
    "minisd.lora": 6,
    "minisd.metrics": 6,
    "minisd.model_info": 6,
    "minisd.overlap": 6,
    "minisd.plots": 6,
    "minisd.sharpness": 6,
    "minisd.bench": 7,
    "minisd.course": 7,
    "minisd.evaluation": 7,
    "minisd.pipeline": 7,
    "minisd.shapes": 7,
    "minisd.train": 7,
    "minisd.cli": 8,
    "minisd.__main__": 8,
}

# The rooms of floor 7 know nothing of each other, but for these.
NEIGHBOURS = {
    ("minisd.train", "minisd.pipeline"),
    ("minisd.evaluation", "minisd.pipeline"),
    ("minisd.bench", "minisd.pipeline"),
    ("minisd.bench", "minisd.train"),
}

# Calls that import what a string says, and the files where it can say anything: a backend's file in an operation's
# folder, whose package has been imported before.
BY_STRING = ("import_module", "find_spec", "__import__", "resolve_name")
ANY_NAME = {"minisd_kernels.backends"}

# Packages of others, and the only files or folders that may import them. NumPy stands on every floor but 0.
PLACES = {
    "numba": {
        "compiling.py",
        "direct.py",
        "fast_exp.py",
        "fast_normal.py",
        "numba_cpu.py",
        "prefetch.py",
        "register_tile.py",
        "switches.py",
        "thin.py",
        "transpose.py",
        "vectors.py",
        "winograd.py",
        "winograd_weight.py",
    },
    "llvmlite": {"fast_exp.py", "prefetch.py", "register_tile.py", "transpose.py", "vectors.py", "warm_up.py"},
    "cuda": {"toolkit.py"},
    "cupy": {"devices.py", "gpu.py"},
    "matplotlib": {"figure", "plots", "roofline.py"},
    "PIL": {"drawing.py", "picture_file.py", "plots"},
    "safetensors": {"checkpoint.py"},
    "filelock": {"checkpoint.py"},
    "click": {"cli"},
    "tqdm": {"course.py", "drive.py", "kernels.py", "pictures.py", "run.py"},
    "onnx": {"onnx"},
    "IPython": {"page.py"},
    "jupytext": {"notebook.py"},
    "nbformat": {"notebook.py"},
    "torch": {"in_torch.py", "torch_twins.py"},
}


@cache
def sources() -> dict[str, Path]:
    """Every module of the two packages with its file."""
    found = {}
    for source_root in (ROOT, ROOT / "kernels"):
        for package in ("minisd", "minisd_kernels"):
            for path in sorted((source_root / package).rglob("*.py")):
                parts = path.relative_to(source_root).with_suffix("").parts
                found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imported(module: str) -> Iterator[str]:
    """The full name of all that `module` imports, wherever in the file it does, but for what mypy alone reads."""
    file = ast.parse(sources()[module].read_text(encoding="utf-8"))
    file.body = [
        node for node in file.body if not (isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING")
    ]
    for node in ast.walk(file):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: imports by the full name are easier to follow than relative ones"
            for alias in node.names:
                name = f"{node.module}.{alias.name}"
                yield name if name in sources() else str(node.module)
        elif isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] in BY_STRING and node.args:
            if (name := known_part(node.args[0])) is not None:
                yield name
            else:
                assert module in ANY_NAME, f"{module}: what {ast.unparse(node)} imports cannot be read; name it"


def known_part(argument: ast.expr) -> str | None:
    """The name that a string imports, or the package that an f-string begins with; None if neither is written there."""
    match argument:
        case ast.Constant(value=str(name)):
            return name
        case ast.JoinedStr(values=[ast.Constant(value=str(name)), *_]):
            return name.rpartition(".")[0]
        case _:
            return None


def ours(module: str) -> list[str]:
    return [name for name in imported(module) if name.partition(".")[0] in ("minisd", "minisd_kernels")]


def floor(module: str) -> int:
    name = module
    while name not in FLOORS or (name == "minisd" and module != "minisd"):
        assert "." in name, f"{module} has no floor: give it one here and in the README"
        name = name.rpartition(".")[0]
    return FLOORS[name]


def test_imports_by_a_string_are_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "planted.py").write_text(
        "importlib.import_module('minisd.cli.draw'); find_spec('numba'); import_module(f'minisd.train.{x}')"
    )
    monkeypatch.setitem(sources(), "planted", tmp_path / "planted.py")
    assert sorted(imported("planted")) == ["minisd.cli.draw", "minisd.train", "numba"]
    (tmp_path / "planted.py").write_text("importlib.import_module(name)")
    with pytest.raises(AssertionError, match="cannot be read"):
        list(imported("planted"))


each_module = pytest.mark.parametrize("module", sources())


@each_module
def test_imports_go_down_only(module: str) -> None:
    for name in ours(module):
        assert floor(name) <= floor(module), f"{module} (floor {floor(module)}) imports {name} (floor {floor(name)})"


@each_module
def test_rooms_side_by_side_do_not_know_each_other(module: str) -> None:
    if floor(module) == 7:
        room = ".".join(module.split(".")[:2])
        others = {".".join(name.split(".")[:2]) for name in ours(module) if floor(name) == 7} - {room}
        assert {(room, other) for other in others} <= NEIGHBOURS


def test_imports_go_in_no_circle() -> None:
    graph = {module: set(ours(module)) - {module} for module in sources()}
    list(graphlib.TopologicalSorter(graph).static_order())


@each_module
def test_only_ops_and_optim_know_kernels(module: str) -> None:
    if module.startswith("minisd_kernels") or floor(module) == 8:
        return
    tools = {"minisd_kernels.shapes", "minisd_kernels.devices"}
    if floor(module) > 2:
        tools |= {"minisd_kernels.arguments", "minisd_kernels.backends", "minisd_kernels.switches"}
    kernels = {name for name in ours(module) if name.startswith("minisd_kernels")} - tools
    if kernels:
        course = "minisd.course.exercises", "minisd.course.plug"
        rooms = "minisd.ops", "minisd.autograd.arithmetic", "minisd.bench", *course
        knows = module.startswith(rooms) or module == "minisd.optim"
        assert knows, f"{module} reaches past ops to {kernels}"


@pytest.mark.parametrize("module", [name for name in sources() if name.startswith("minisd.diffusion")])
def test_to_a_sampler_a_model_is_just_a_callable(module: str) -> None:
    may = ("minisd.diffusion", "minisd_kernels.shapes", "minisd_kernels.devices")
    assert all(name.startswith(may) for name in ours(module))


@each_module
def test_other_packages_stay_in_their_places(module: str) -> None:
    path = sources()[module]
    for name in imported(module):
        package = name.partition(".")[0]
        if package in ("minisd", "minisd_kernels"):
            continue
        if package in sys.stdlib_module_names:
            plain = package in ("__future__", "math", "typing")
            assert floor(module) > 0 or plain, f"{module} is on floor 0, which knows integers only"
        elif package == "numpy":
            assert floor(module) > 0
        else:
            assert {path.name, path.parent.name} & PLACES.get(package, set()), f"{module} may not import {package}"


@each_module
def test_every_file_opens_with_what_it_is(module: str) -> None:
    assert ast.get_docstring(ast.parse(sources()[module].read_text(encoding="utf-8")))


def test_every_operation_is_said_for_the_reference_the_cpu_and_the_gpu() -> None:
    folders = [path.parent for path in (ROOT / "kernels" / "minisd_kernels").glob("*/__init__.py")]
    operations = [folder for folder in folders if folder.name not in ("cuda", "emulator", "shapes")]
    assert len(operations) >= 17
    for operation in operations:
        for file in ("numpy_ref.py", "numba_cpu.py", "cupy_gpu.py", "example.py"):
            assert (operation / file).is_file(), f"{operation.name} has no {file}"
