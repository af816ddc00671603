"""Every CUDA kernel compiles for every architecture, without a GPU, and takes no more of it than was recorded."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner, Result
from minisd_kernels.backends import BackendUnavailable
from minisd_kernels.cuda import toolkit
from minisd_kernels.cuda.inspect import budgets, nvrtc, sass
from minisd_kernels.cuda.inspect import report as report_room
from minisd_kernels.cuda.inspect import table as report_table
from minisd_kernels.cuda.inspect.budgets import Budgets
from minisd_kernels.cuda.inspect.occupancy import LIMITS, resident_blocks
from minisd_kernels.cuda.inspect.report import (
    ARCHITECTURES,
    Compilation,
    all_sources,
    compile_all,
    compile_source,
    file_of,
)
from minisd_kernels.cuda.source import Source

from minisd.cli import main

needs_nvrtc = pytest.mark.skipif(nvrtc.missing_reason() is not None, reason=str(nvrtc.missing_reason()))
needs_disassembler = pytest.mark.skipif(toolkit.disassembler() is None, reason=sass.MISSING)

SOURCES = {file_of(source): source for source in all_sources()}
QUICK = (90,)  # an H100's, which takes all kernels; the others are compiled among the slow tests
each_compilation = pytest.mark.parametrize(
    ("file", "arch"),
    [
        pytest.param(file, arch, marks=() if arch in QUICK else pytest.mark.slow)
        for file in SOURCES
        for arch in ARCHITECTURES
    ],
)


@needs_nvrtc
@each_compilation
def test_every_kernel_compiles(compilation: Compilation, file: str, arch: int) -> None:
    assert not compilation.problem, compilation.problem
    wanted = [instance for instance, oldest in SOURCES[file].instances.items() if oldest <= arch]
    assert [figures.instance for figures in compilation.figures] == wanted


@needs_nvrtc
@each_compilation
def test_every_kernel_keeps_to_its_budget(compilation: Compilation) -> None:
    recorded = budgets.load()
    if reason := recorded.reason_to_skip():
        pytest.skip(reason)
    complaints = list(filter(None, map(recorded.complaint, compilation.figures)))
    assert not complaints, "\n".join(complaints)


@needs_nvrtc
@each_compilation
def test_every_kernel_can_start(compilation: Compilation, file: str, arch: int) -> None:
    for figures in compilation.figures:
        threads = figures.threads or 1024
        assert resident_blocks(arch, threads, figures.registers, figures.all_shared), (
            f"{file}: a block of {figures.instance} may have {threads} threads of {figures.registers} registers, and "
            f"{figures.all_shared} bytes of shared memory: more than sm_{arch} has. __launch_bounds__ can name fewer."
        )


@needs_nvrtc
def test_budgets_are_of_these_kernels() -> None:
    recorded = budgets.load()
    assert len(SOURCES) == len(all_sources())  # a file has one list of kernels
    there_are = {
        (file, instance, arch)
        for file, source in SOURCES.items()
        for instance, oldest in source.instances.items()
        for arch in ARCHITECTURES
        if oldest <= arch
    }
    assert not set(recorded.kernels) - there_are, "kernels that are gone have budgets: minisd kernels report --record"


def test_budgets_hold_for_one_version_of_the_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("minisd_kernels.cuda.inspect.nvrtc.version", lambda: "13.3.1")
    assert Budgets("13.3.1", {}).reason_to_skip() is None
    assert Budgets("13.0.88", {}).reason_to_skip() == "budgets were recorded with NVRTC 13.0.88, this is 13.3.1"


# What the gate must see, planted.

DOUBLED = """
template <typename T>
__global__ void __launch_bounds__(128) doubled(const T* x, T* y) { y[threadIdx.x] = 2 * x[threadIdx.x]; }
"""
SPILLING = """
__global__ void __launch_bounds__(1024) spilling(float* x, int n) {  // 64 registers for each thread
    float kept[80];
#pragma unroll
    for (int i = 0; i < 80; ++i) kept[i] = x[i * n];
    __syncthreads();
#pragma unroll
    for (int i = 0; i < 80; ++i) x[i * n + 1] = kept[79 - i] * kept[i];
}
"""
ON_THE_STACK = """
__global__ void sorted(float* x, int n) {
    float kept[64];
    for (int i = 0; i < n; ++i) kept[i] = x[i * n];
    for (int i = 0; i < n; ++i) x[i] = kept[int(x[i])];
}
"""
FROM_SM_80 = """
template <typename T>
__global__ void copied(const T* x, T* y) {
    __shared__ T tile[32];
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"((unsigned)__cvta_generic_to_shared(tile)), "l"(x));
    asm volatile("cp.async.wait_all;");
    y[threadIdx.x] = tile[threadIdx.x];
}
"""


@pytest.fixture
def planted(tmp_path: Path) -> Any:
    """A file with a kernel: planted(text, instances) is its Source."""

    def plant(text: str, **instances: int) -> Source:
        (tmp_path / "planted.cu").write_text(text)
        return Source(str(tmp_path / "launch.py"), "planted.cu", instances)

    return plant


@needs_nvrtc
def test_an_error_names_the_file_and_the_line(planted: Any) -> None:
    source = planted("\n__global__ void broken(float* x) {\n    x[0] = y;\n}\n", broken=75)
    problem = compile_source(source, 90).problem
    assert f"{source.path}(3): error" in problem and "sm_90" in problem and '"y" is undefined' in problem


@needs_nvrtc
def test_warnings_are_problems(planted: Any) -> None:
    source = planted("__global__ void careless(float* x) {\n    int unused;\n    x[0] = 1;\n}\n", careless=75)
    assert 'planted.cu(2): warning #177-D: variable "unused"' in compile_source(source, 80).problem
    crowded = planted("__global__ void __launch_bounds__(1024, 4) crowded(float* x) { x[0] = 1; }", crowded=75)
    assert "ptxas warning" in compile_source(crowded, 80).problem


@needs_nvrtc
def test_more_shared_memory_than_there_is_is_a_problem(planted: Any) -> None:
    text = """__global__ void large(float* x) {
    __shared__ float tile[13000];
    tile[threadIdx.x] = x[0];
    __syncthreads();
    x[1] = tile[threadIdx.x + 1];
}"""
    problem = compile_source(planted(text, large=75), 80).problem
    assert "uses too much shared data" in problem and "ptxas info" not in problem


@needs_nvrtc
def test_what_spills_is_refused(planted: Any) -> None:
    (figures,) = compile_source(planted(SPILLING, spilling=75), 80).figures
    assert figures.spill_stores > 0 and figures.spill_loads > 0 and figures.stack > 0
    row = (figures.registers, figures.shared, 0, figures.stack)
    complaint = Budgets(nvrtc.version(), {("planted.cu", "spilling", 80): row}).complaint(figures)
    assert complaint.startswith(f"planted.cu: spilling on sm_80: {figures.spilled} bytes spilled, 0 allowed.")
    assert "minisd kernels report --record" in complaint
    allowed = (figures.registers, figures.shared, figures.spilled, figures.stack)
    assert not Budgets(nvrtc.version(), {("planted.cu", "spilling", 80): allowed}).complaint(figures)


@needs_nvrtc
def test_an_array_on_the_stack_is_refused(planted: Any) -> None:
    (figures,) = compile_source(planted(ON_THE_STACK, sorted=75), 80).figures
    assert (figures.spilled, figures.stack) == (0, 256)
    budget = Budgets("another", {("planted.cu", "sorted", 80): (255, 0, 0, 0)})
    assert "256 bytes of stack, 0 allowed" in budget.complaint(figures)


@needs_nvrtc
def test_what_takes_more_than_recorded_is_refused(planted: Any) -> None:
    (figures,) = compile_source(planted(FROM_SM_80, **{"copied<float4>": 80}), 80).figures
    row = (figures.registers - 10, figures.shared - 1, 0, 0)
    fewer = Budgets(nvrtc.version(), {("planted.cu", "copied<float4>", 80): row})
    complaint = fewer.complaint(figures)
    assert f"{figures.registers} registers, " in complaint
    assert "512 bytes of shared memory, 511 allowed" in complaint
    unsteady = (figures.registers - 2, figures.shared, 0, 0)
    assert not Budgets(nvrtc.version(), {("planted.cu", "copied<float4>", 80): unsteady}).complaint(figures)
    assert "no budget yet" in Budgets(nvrtc.version(), {}).complaint(figures)


@needs_nvrtc
def test_a_kernel_is_compiled_from_its_oldest_architecture_on(planted: Any) -> None:
    source = planted(FROM_SM_80 + DOUBLED, **{"copied<float4>": 80, "doubled<float>": 75})
    instances = {c.arch: [f.instance for f in c.figures] for c in compile_all([source], [75, 80])}
    assert instances == {75: ["doubled<float>"], 80: ["copied<float4>", "doubled<float>"]}
    too_old = planted(FROM_SM_80, **{"copied<float4>": 75})
    assert "requires .target sm_80 or higher" in compile_source(too_old, 75).problem


@needs_nvrtc
def test_launch_bounds_and_shared_memory_are_read(planted: Any) -> None:
    (figures,) = compile_source(planted(DOUBLED, **{"doubled<double>": 75}), 86).figures
    assert (figures.threads, figures.shared, figures.dynamic) == (128, 0, 0)
    text = """__global__ void reversed(float* x) {
    extern __shared__ float memory[];
    __shared__ float other[256];
    memory[threadIdx.x] = other[threadIdx.x] = x[threadIdx.x];
    __syncthreads();
    x[threadIdx.x] = memory[255 - threadIdx.x] + other[255 - threadIdx.x];
}
__global__ void __launch_bounds__(64) plain(float* x) { x[0] = 1; }"""
    source = planted(text, reversed=75, plain=75)
    reversed_, plain = compile_source(source, 86).figures
    assert (reversed_.threads, reversed_.shared, reversed_.dynamic) == (None, 1024, None)
    assert (plain.threads, plain.shared, plain.dynamic) == (64, 0, 0)
    source.shared = {"reversed": 60000}
    assert compile_source(source, 86).figures[0].dynamic == 60000
    assert compile_source(source, 86).figures[0].occupancy == 8 / 48  # a block of 8 warps, for want of memory


@needs_nvrtc
@needs_disassembler
def test_special_instructions_are_found(planted: Any) -> None:
    text = """#include <mma.h>
#include <cuda_pipeline.h>
#include "common.cuh"
using namespace nvcuda::wmma;
__global__ void product(const float* a, const float* b, float* c) {
    fragment<matrix_a, 16, 16, 8, precision::tf32, row_major> left;
    fragment<matrix_b, 16, 16, 8, precision::tf32, row_major> right;
    fragment<accumulator, 16, 16, 8, float> sum;
    fill_fragment(sum, 0.0f);
    load_matrix_sync(left, a, 8);
    load_matrix_sync(right, b, 16);
    mma_sync(sum, left, right, sum);
    store_matrix_sync(c, sum, 16, mem_row_major);
}
__global__ void turned(const float4* x, float4* y) {
    __shared__ float4 tile[256];
    __pipeline_memcpy_async(tile + threadIdx.x, x + threadIdx.x, 16);
    __pipeline_commit();
    __pipeline_wait_prior(0);
    __syncthreads();
    y[threadIdx.x] = tile[255 - threadIdx.x];
}
__global__ void sums(const float4* x, float* y) {
    const float4 four = x[threadIdx.x];
    y[threadIdx.x] = warp_sum(four.x + four.y + four.z + four.w);
}"""
    source = planted(text, product=80, turned=80, sums=80)
    used = {f.instance: f.instructions for f in compile_source(source, 80, disassemble=True).figures}
    assert used == {
        "product": ["HMMA"],
        "turned": ["LDGSTS", "LDS.128", "STG.128"],
        "sums": ["LDG.128", "SHFL"],
    }


def test_cupy_is_told_what_the_gate_tells(monkeypatch: pytest.MonkeyPatch) -> None:
    from minisd_kernels.cuda import gpu

    device = SimpleNamespace(compute_capability="75")
    cupy = SimpleNamespace(cuda=SimpleNamespace(Device=lambda: device), RawModule=lambda **told: told)
    monkeypatch.setitem(sys.modules, "cupy", cupy)
    gpu.capability.cache_clear()
    told = gpu.compile_for_this_gpu(DOUBLED, {"doubled<float>": 75, "doubled<double>": 80})
    gpu.capability.cache_clear()
    headers = [option for option in told.pop("options") if option not in toolkit.options()]
    assert told == {"code": DOUBLED, "name_expressions": ["doubled<float>"]}
    assert len(headers) == 1 and headers[0].startswith("-DHEADERS_")  # of CuPy's cache alone


def test_a_kernel_is_asked_for_once_and_much_shared_memory_with_it(planted: Any) -> None:
    launches, kernels = [], []

    class Kernel:
        max_dynamic_shared_size_bytes = 0

        def __init__(self, instance: str) -> None:
            kernels.append(instance)

        def __call__(self, *arguments: Any, shared_mem: int) -> None:
            launches.append((shared_mem, self.max_dynamic_shared_size_bytes))

    source = planted(DOUBLED, **{"doubled<float>": 75, "doubled<double>": 75})
    source.shared = {"doubled<float>": 65536}
    source._modules["cuda"] = SimpleNamespace(get_function=Kernel)
    array = type("ndarray", (), {"__module__": "cupy", "shape": (1,)})()
    source.launch("doubled<float>", 1, 1, array)
    source.launch("doubled<float>", 1, 1, array, shared=100)
    source.launch("doubled<double>", 1, 1, array)
    assert launches == [(65536, 65536), (100, 65536), (0, 0)] and kernels == ["doubled<float>", "doubled<double>"]


# NVIDIA's own arithmetic, in a header of the toolkit.
OCCUPANCY = """
#include <cstdio>
#include "cuda_occupancy.h"
int main() {
    int arch, warps, total, threads, registers, shared;
    while (scanf("%d %d %d %d %d %d", &arch, &warps, &total, &threads, &registers, &shared) == 6) {
        cudaOccDeviceProp device{};
        device.computeMajor = arch / 10, device.computeMinor = arch % 10;
        device.maxThreadsPerBlock = 1024, device.maxThreadsPerMultiprocessor = 32 * warps, device.warpSize = 32;
        device.regsPerBlock = device.regsPerMultiprocessor = 65536, device.numSms = 1;
        device.sharedMemPerBlock = 49152, device.sharedMemPerBlockOptin = total;
        device.sharedMemPerMultiprocessor = total, device.reservedSharedMemPerBlock = arch < 80 ? 0 : 1024;
        cudaOccFuncAttributes kernel{};
        kernel.maxThreadsPerBlock = 1024, kernel.numRegs = registers, kernel.numBlockBarriers = 1;
        kernel.maxDynamicSharedSizeBytes = shared, kernel.shmemLimitConfig = FUNC_SHMEM_LIMIT_OPTIN;
        cudaOccDeviceState state{};
        state.carveoutConfig = 100;
        cudaOccResult result{};
        cudaOccMaxActiveBlocksPerMultiprocessor(&result, &device, &kernel, &state, threads, shared);
        printf("%d\\n", result.activeBlocksPerMultiprocessor);
    }
}
"""


@pytest.mark.skipif(toolkit.headers() is None or not shutil.which("g++"), reason="needs CUDA's headers and g++")
def test_occupancy_is_nvidias(tmp_path: Path) -> None:
    (tmp_path / "occupancy.cc").write_text(OCCUPANCY)
    command = ["g++", f"-I{toolkit.headers()}", tmp_path / "occupancy.cc", "-o", tmp_path / "occupancy"]
    subprocess.run(command, check=True)
    rng = random.Random(0)
    cases = [
        (
            arch,
            rng.choice([32, 128, 256, rng.randint(1, 1024)]),
            rng.randint(0, 255),
            rng.choice([0, rng.randrange(most)]),
        )
        for arch, most in ((arch, limits.shared - limits.reserved) for arch, limits in LIMITS.items())
        for _ in range(2000)
    ]
    asked = [
        f"{arch} {LIMITS[arch].warps} {LIMITS[arch].shared} {threads} {registers} {shared}"
        for arch, threads, registers, shared in cases
    ]
    answers = subprocess.run(
        [tmp_path / "occupancy"], input="\n".join(asked), check=True, capture_output=True, text=True
    ).stdout.split()
    for case, answer in zip(cases, answers, strict=True):
        assert resident_blocks(*case) == int(answer), case


# The command.


def report(*arguments: Any) -> Result:
    return CliRunner().invoke(main, ["kernels", "report", *map(str, arguments)])


@needs_nvrtc
def test_the_report_is_a_table(tmp_path: Path) -> None:
    result = report("--only", "relu_forward<", "--arch", 90, "--arch", 75, "--json", tmp_path / "relu.json")
    assert result.exit_code == 0, result.output
    table = result.stdout.partition("\n\n")[2].splitlines()
    assert table[0] == "relu/relu.cu"
    assert table[1].split() == ["75", "90", "shared", "spilled", "stack", "occupancy"]
    assert [line.split()[0].strip(":") for line in (table[2], table[4])] == [
        "relu_forward<float>",
        "relu_forward<double>",
    ]
    written = json.loads((tmp_path / "relu.json").read_text())
    assert written["nvrtc"] == nvrtc.version() and len(written["kernels"]) == 4
    first = written["kernels"][0]
    assert table[3].split()[0] == str(first["registers"]) and (first["arch"], first["spill_stores"]) == (75, 0)


def test_the_report_fits_a_terminal_of_80_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("minisd_kernels.cuda.inspect.nvrtc.version", lambda: "13.0")
    monkeypatch.setattr("minisd_kernels.cuda.toolkit.disassembler", lambda: Path("nvdisasm"))
    many = ["HMMA", "LDGSTS", "LDG.128", "STG.128", "LDS.128", "STS.128", "SHFL"]
    name = "conv2d_weight_gradient<__nv_bfloat16, 64, 64, true>"
    all_figures = [
        report_room.Figures("conv2d/tiled.cu", name, arch, 255, 99_000, 4000, 4000, 1024, 256, None, many)
        for arch in LIMITS
    ]
    said = list(report_table.lines(all_figures))
    assert max(map(len, said)) <= 80
    heading = next(line for line in said if line.split()[:1] == ["75"])
    figures = said[-1]
    for title, value in (("75", "255"), ("120", "255"), ("shared", "99000+"), ("spilled", "8000"), ("stack", "1024")):
        end = heading.index(title) + len(title)
        assert figures[:end].endswith(value)
    assert "SHFL" in said[-2]


@needs_nvrtc
def test_what_is_recorded_is_kept_to(planted: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budgets, "FILE", tmp_path / "budgets.json")
    source = planted(DOUBLED + SPILLING, **{"doubled<float>": 75, "spilling": 86})
    monkeypatch.setattr("minisd_kernels.cuda.inspect.report.all_sources", lambda: [source])
    result = report("--record")
    assert result.exit_code == 0 and str(budgets.FILE) in result.output
    recorded = budgets.load()
    assert recorded.nvrtc == nvrtc.version()
    assert {arch for _, name, arch in recorded.kernels if name == "spilling"} == {86, 89, 90, 100, 120}
    figures = [figures for compilation in compile_all([source]) for figures in compilation.figures]
    assert len(figures) == len(recorded.kernels) == len(ARCHITECTURES) + 5
    assert not any(map(recorded.complaint, figures))


@needs_nvrtc
def test_the_report_refuses(planted: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    result = report("--only", "convolve", "--arch", 75)
    assert result.exit_code == 2 and "no kernel for sm_75 contains 'convolve'; the files are" in result.stderr
    result = report("--record", "--arch", 80)
    assert result.exit_code == 2 and "leave out --arch and --only" in result.stderr
    monkeypatch.setattr("minisd_kernels.cuda.inspect.report.all_sources", lambda: [planted("nonsense", broken=75)])
    result = report("--arch", 80)
    assert result.exit_code == 2 and "planted.cu(1): error" in result.stderr


@pytest.fixture
def forgetful() -> Iterator[None]:
    """What is remembered of this machine's toolkit is forgotten, before and after."""
    remembering = (nvrtc.missing_reason, nvrtc._library, nvrtc.version)
    for function in remembering:
        function.cache_clear()
    yield
    for function in remembering:
        function.cache_clear()


@pytest.mark.parametrize("part", ["compiler", "headers"])
def test_without_nvrtc_the_message_says_what_to_install(
    part: str, forgetful: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(toolkit, "compiler", lambda: Path("libnvrtc.so"))
    monkeypatch.setattr(toolkit, part, lambda: None)
    with pytest.raises(BackendUnavailable, match=r"not installed: pip install 'minisd\[nvrtc\]'"):
        nvrtc.compile("", "empty.cu", 80)
    if all_sources():
        result = report("--arch", 80)
        assert result.exit_code == 2 and "pip install 'minisd[nvrtc]'" in result.stderr


def test_a_toolkit_serves_where_pip_has_installed_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cuda", None)
    monkeypatch.setenv("CUDA_PATH", str(tmp_path / "gone"))
    monkeypatch.setenv("CUDA_HOME", str(tmp_path))
    for folder, name in (("lib64", "libnvrtc.so.13"), ("lib64", "libnvrtc-builtins.so.13"), ("bin", "nvdisasm")):
        (tmp_path / folder).mkdir(exist_ok=True)
        (tmp_path / folder / name).touch()
    (tmp_path / "include").mkdir()
    assert toolkit.compiler.__wrapped__() == tmp_path / "lib64" / "libnvrtc.so.13"
    assert toolkit.headers.__wrapped__() == tmp_path / "include"
    assert toolkit.disassembler.__wrapped__() == tmp_path / "bin" / "nvdisasm"


@needs_nvrtc
def test_without_a_disassembler_the_report_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(toolkit, "disassembler", lambda: None)
    result = report("--only", "relu_forward<float>", "--arch", 80)
    assert result.exit_code == 0 and sass.MISSING in result.stdout
    assert "LDG" not in result.stdout
