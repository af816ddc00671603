"""The emulator: CUDA's words on the CPU, and every planted bug caught and named by file and line."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from minisd_kernels.backends import BackendUnavailable
from minisd_kernels.devices import missing_device_reason, to_device, to_host
from minisd_kernels.emulator import program
from minisd_kernels.emulator.inspect.watching import Watch, watching
from minisd_kernels.emulator.module import EmulatedModule
from minisd_kernels.emulator.program import EmulationError

pytestmark = pytest.mark.skipif(missing_device_reason("emu") is not None, reason=str(missing_device_reason("emu")))


class Bench:
    """Runs kernels that a test writes, as the file test.cu; the kernel's name is test."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "test.cu"

    def run(self, text: str, *arguments: Any, grid: int = 1, block: int = 32, shared: int = 0) -> list[Any]:
        """The arrays as the kernel leaves them."""
        self.path.write_text(text, encoding="utf-8")
        kernel = EmulatedModule(self.path, ["test"]).get_function("test")
        passed = [to_device(a, "emu") if isinstance(a, np.ndarray) else a for a in arguments]
        kernel((grid, 1, 1), (block, 1, 1), passed, shared_mem=shared)
        return [to_host(a) for a in passed if not isinstance(a, np.generic)]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def floats(count: int) -> Any:
    return np.random.default_rng(count).standard_normal(count).astype(np.float32)


# ---- What kernels may say


def test_threads_blocks_and_arguments(bench: Bench) -> None:
    text = """
template <typename T>
__device__ T scaled(T x, double by) { return static_cast<T>(x * by); }
__global__ void test(const float* __restrict__ x, float* y, double by, bool negate, long long n) {
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) y[i] = scaled(negate ? -x[i] : x[i], by);
}
"""
    x = floats(100)
    arguments = np.float64(0.5), np.bool_(True), np.int64(90)
    _, y = bench.run(text, x, np.zeros(100, np.float32), *arguments, grid=4)
    np.testing.assert_array_equal(y[:90], -0.5 * x[:90])
    assert not y[90:].any()


def test_grids_and_blocks_have_up_to_three_extents(bench: Bench) -> None:
    bench.path.write_text("__global__ void test(int* count) { atomicAdd(count, 1); }")
    kernel = EmulatedModule(bench.path, ["test"]).get_function("test")
    for grid, block, threads in (((2,), (3,), 6), ((2, 3), (4, 5), 120), ((2, 1, 2), (3, 2, 2), 48)):
        count = to_device(np.zeros(1, np.int32), "emu")
        kernel(grid, block, (count,))
        assert to_host(count)[0] == threads


def test_barriers_and_both_kinds_of_shared_memory(bench: Bench) -> None:
    text = """
__global__ void test(float* x) {
    extern __shared__ __align__(16) float dynamic[];
    __shared__ float fixed[64];
    for (int round = 0; round < 3; ++round) {
        fixed[threadIdx.x] = x[threadIdx.x];
        __syncthreads();
        dynamic[63 - threadIdx.x] = fixed[(threadIdx.x + 1) % 64];
        __syncthreads();
        x[threadIdx.x] = dynamic[threadIdx.x];
    }
}
"""
    x = floats(64)
    with watching():
        (y,) = bench.run(text, x, block=64, shared=256)
    expected = x
    for _ in range(3):
        expected = np.roll(expected, -1)[::-1]
    np.testing.assert_array_equal(y, expected)


def test_a_warp_speaks_with_itself(bench: Bench) -> None:
    text = """
__global__ void test(const float* x, float* y, int* z) {
    const unsigned all = 0xffffffffu;
    const int i = threadIdx.x;
    float sum = x[i];
    for (int distance = 16; distance > 0; distance /= 2) sum += __shfl_xor_sync(all, sum, distance);
    y[i] = sum;
    y[32 + i] = __shfl_up_sync(all, x[i], 3);
    y[64 + i] = __shfl_down_sync(all, x[i], 2, 8);
    y[96 + i] = __shfl_sync(all, x[i], 5, 16);
    double wide = __shfl_sync(all, (double)x[i], 31);
    y[128 + i] = wide;
    z[i] = __ballot_sync(all, x[i] > 0);
    z[32 + i] = __any_sync(all, i == 7) + 2 * __all_sync(all, i < 32) + 4 * __all_sync(all, i < 31);
}
"""
    x = floats(32)
    _, y, z = bench.run(text, x, np.zeros(160, np.float32), np.zeros(64, np.int32))
    lane = np.arange(32)
    np.testing.assert_allclose(y[:32], x.sum(), rtol=1e-5)
    np.testing.assert_array_equal(y[32:64], x[np.where(lane < 3, lane, lane - 3)])
    np.testing.assert_array_equal(y[64:96], x[np.where(lane % 8 < 6, lane + 2, lane)])
    np.testing.assert_array_equal(y[96:128], x[lane // 16 * 16 + 5])
    np.testing.assert_array_equal(y[128:], np.full(32, x[31]))
    assert (z[:32].view(np.uint32) == sum(1 << int(i) for i in np.flatnonzero(x > 0))).all()
    assert (z[32:] == 3).all()


def test_atomics_add_up_over_blocks(bench: Bench) -> None:
    text = """
__global__ void test(const float* x, float* sum, int* most) {
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    atomicAdd(sum, x[i]);
    atomicMax(most, (int)(100 * x[i]));
}
"""
    x = floats(256)
    with watching():
        _, total, most = bench.run(text, x, np.zeros(1, np.float32), np.zeros(1, np.int32), grid=2, block=128)
    np.testing.assert_allclose(total, x.sum(), rtol=1e-4)
    assert most == int((100 * x).astype(np.int32).max())


@pytest.mark.parametrize(("kind", "digits"), [("tf32", 10), ("__half", 10), ("__nv_bfloat16", 7)])
def test_tensor_cores(kind: str, digits: int, bench: Bench) -> None:
    K = 8 if kind == "tf32" else 16
    name = "wmma::precision::tf32" if kind == "tf32" else kind
    text = f"""
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <mma.h>
using namespace nvcuda;
typedef {"float" if kind == "tf32" else kind} Stored;
__global__ void test(const float* x, const float* w, float* y) {{
    __shared__ Stored a[16 * {K}], b[{K} * 16];
    for (int i = threadIdx.x; i < 16 * {K}; i += 32) a[i] = x[i], b[i] = w[i];
    __syncthreads();
    wmma::fragment<wmma::matrix_a, 16, 16, {K}, {name}, wmma::row_major> left;
    wmma::fragment<wmma::matrix_b, 16, 16, {K}, {name}, wmma::col_major> right;
    wmma::fragment<wmma::accumulator, 16, 16, {K}, float> sums;
    wmma::fill_fragment(sums, 1.0f);
    wmma::load_matrix_sync(left, a, {K});
    wmma::load_matrix_sync(right, b, {K});
    {"for (auto& e : left.x) e = wmma::__float_to_tf32(e);" if kind == "tf32" else ""}
    {"for (auto& e : right.x) e = wmma::__float_to_tf32(e);" if kind == "tf32" else ""}
    wmma::mma_sync(sums, left, right, sums);
    wmma::store_matrix_sync(y, sums, 16, wmma::mem_row_major);
}}
"""
    x, w = floats(16 * K).reshape(16, K), floats(16 * K + 1)[1:].reshape(16, K)
    _, _, y = bench.run(text, x, w, np.zeros((16, 16), np.float32))
    # Each factor is off by half a unit in its last digit at most.
    bound = (np.abs(x) @ np.abs(w.T)) * 2.2 * 2.0 ** -(digits + 1) + 1e-5
    assert (np.abs(y - (x @ w.T + 1)) < bound).all()
    assert (np.abs(y - (x @ w.T + 1)) > 1e-6).any()  # and it is rounded


def test_asynchronous_copies_arrive_when_they_are_waited_for(bench: Bench) -> None:
    text = """
#include <cuda_pipeline.h>
__global__ void test(const float* x, float* y) {
    __shared__ float first[64], second[64];
    __pipeline_memcpy_async(&first[2 * threadIdx.x], &x[2 * threadIdx.x], 8);
    __pipeline_commit();
    __pipeline_memcpy_async(&second[2 * threadIdx.x], &x[2 * threadIdx.x], 8, 4);
    __pipeline_commit();
    __pipeline_wait_prior(WAIT);
    __syncthreads();
    y[threadIdx.x] = first[63 - threadIdx.x];
    y[32 + threadIdx.x] = second[63 - threadIdx.x];
}
"""
    x = floats(64)
    with watching():
        _, both = bench.run(text.replace("WAIT", "0"), x, np.zeros(64, np.float32))
    np.testing.assert_array_equal(both[:32], x[:31:-1])
    np.testing.assert_array_equal(both[32:], np.where(np.arange(63, 31, -1) % 2, 0, x[:31:-1]))
    _, one = bench.run(text.replace("WAIT", "1"), x, np.zeros(64, np.float32))
    np.testing.assert_array_equal(one[:32], x[:31:-1])
    assert np.isnan(one[32:]).all()  # not there yet


def test_the_portable_fibers_do_the_same(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(program, "_COMMON", (*program._COMMON, "-DEMULATOR_PORTABLE"))
    test_barriers_and_both_kinds_of_shared_memory(bench)


# ---- What they may not do: each bug, and the line that is named

BUGS = {
    "a missing barrier": (
        "tile[threadIdx.x] = x[threadIdx.x];\n x[threadIdx.x] = tile[63 - threadIdx.x];",
        "test.cu:{2}: thread 32: a race on tile: writes what thread 31 of its block has touched at test.cu:{3}",
    ),
    "a missing second barrier": (
        "for (int i = 0; i < 2; ++i) {\n tile[threadIdx.x] = x[threadIdx.x];\n __syncthreads();\n"
        " x[threadIdx.x] = tile[63 - threadIdx.x];\n}",
        "test.cu:5: thread 32: a race on tile: reads what thread 31 of its block has touched at test.cu:3",
    ),
    "a barrier that only some reach": (
        "if (threadIdx.x < 32)\n __syncthreads();",
        "test.cu:{3}: a barrier that only some threads reach: thread 0 waits for its block at test.cu:{3}, "
        "but thread 32 has returned",
    ),
    "barriers at different places": (
        "if (threadIdx.x < 32) __syncthreads();\n else __syncthreads();",
        "thread 0 waits for its block at test.cu:{2}, but thread 32 waits for its block at test.cu:{3}",
    ),
    "one too far in shared memory": (
        "tile[threadIdx.x + 1] = 0;",
        "test.cu:{2}: thread 63: index 64 is out of bounds for 'float [64]'",
    ),
    "one too far in shared memory, by a pointer": (
        "float* p = threadIdx.x == 63 ? tile + 64 : tile + threadIdx.x;\n *p = 0;\n"
        " __syncthreads();\n x[threadIdx.x] = tile[5];",
        "test.cu:{3}: thread 63: writes 4 bytes out of bounds, 0 bytes behind the end of tile (256 bytes)",
    ),
    "one too far in an array": (
        "float next = x[threadIdx.x + 1];\n __syncthreads();\n x[threadIdx.x] = next;",
        "test.cu:{2}: thread 63: reads 4 bytes out of bounds, 0 bytes behind the end of array 1",
    ),
    "one before an array": (
        "x[(int)threadIdx.x - 1] = 0;",
        "test.cu:{2}: thread 0: writes 4 bytes out of bounds, 4 bytes before array 1",
    ),
    "a mask whose lanes do not come": (
        "if (threadIdx.x % 32 < 16)\n x[threadIdx.x] = __shfl_xor_sync(0xffffffffu, 1.0f, 1);",
        "test.cu:{3}: thread 0 waits for lane 16 of its warp (mask ffffffff), which never comes: "
        "thread 16 has returned",
    ),
    "a lane outside its own mask": (
        "__syncwarp(0x0000ffffu);",
        "test.cu:{2}: thread 16 is not in the mask 0000ffff",
    ),
    "a lane that reads one outside the mask": (
        "if (threadIdx.x % 32 < 16)\n x[threadIdx.x] = __shfl_sync(0x0000ffffu, 1.0f, 20);",
        "test.cu:{3}: lane 0 shuffles with lane 20, which is not in its mask",
    ),
    "a misaligned float4": (
        "*reinterpret_cast<float4*>(&x[4 * (threadIdx.x % 8) + 1]) = make_float4(1, 2, 3, 4);",
        "test.cu:{2}: thread 0: a misaligned access to 'struct float4': its address must be a multiple of 16, and is 4",
    ),
    "a sum that is not atomic": (
        "x[0] += tile[0];",
        "test.cu:{2}: thread 1: a race on array 1 of the arguments: reads what thread 0 of its block has touched",
    ),
    "a shuffle taken for a barrier": (
        "tile[threadIdx.x] = 1; __shfl_sync(0xffffffffu, 1.0f, 0);\n x[threadIdx.x] = tile[threadIdx.x ^ 1];",
        "test.cu:{3}: thread 0: a race on tile: reads what thread 1 of its block has touched at test.cu:2",
    ),
    "blocks that meet": (
        "if (threadIdx.x == 0) x[5] = blockIdx.x;",
        "block (1, 0, 0): test.cu:{2}: thread 0: a race on array 1 of the arguments: "
        "writes what thread 0 of another block",
    ),
}  # fmt: skip


ALONE = "one too far in shared memory, by a pointer"  # there is no other kernel's memory behind it


def with_bug(bug: str, name: str) -> str:
    return f"__global__ void {name}(float* x) {{ __shared__ float tile[64];\n {BUGS[bug][0]}\n}}\n"


@pytest.fixture(scope="module")
def bugs(tmp_path_factory: pytest.TempPathFactory) -> EmulatedModule:
    """A kernel for each bug: one program, for compilers take their time, in which each counts its lines from 1."""
    path = tmp_path_factory.mktemp("bugs") / "bugs.cu"
    path.write_text("".join(f'#line 1 "test.cu"\n{with_bug(bug, f"bug_{i}")}' for i, bug in enumerate(BUGS)))
    return EmulatedModule(path, [f"bug_{i}" for i, _ in enumerate(BUGS)])


@pytest.mark.parametrize("bug", BUGS)
def test_a_bug_is_caught_and_named(bug: str, bugs: EmulatedModule, bench: Bench) -> None:
    message = BUGS[bug][1].replace("{2}", "2").replace("{3}", "3")
    with watching(), pytest.raises(EmulationError) as caught:
        if bug == ALONE:
            bench.run(with_bug(bug, "test"), floats(64), grid=2, block=64)
        bugs.get_function(f"bug_{list(BUGS).index(bug)}")((2, 1, 1), (64, 1, 1), [to_device(floats(64), "emu")])
    assert message in str(caught.value)


def test_what_needs_no_watching_is_named_at_full_speed(bugs: EmulatedModule) -> None:
    for bug in ("a barrier that only some reach", "one too far in shared memory", "a misaligned float4"):
        with pytest.raises(EmulationError, match=r"test\.cu:[23]: "):
            bugs.get_function(f"bug_{list(BUGS).index(bug)}")((1, 1, 1), (64, 1, 1), [to_device(floats(64), "emu")])


def test_uninitialised_shared_memory_is_nan(bench: Bench) -> None:
    text = """
__global__ void test(float* x) {
    __shared__ float tile[32];
    if (threadIdx.x < 5) tile[threadIdx.x] = x[threadIdx.x];
    x[threadIdx.x] = tile[threadIdx.x];
}
"""
    x = floats(32)
    (y,) = bench.run(text, x)
    np.testing.assert_array_equal(y[:5], x[:5])
    assert np.isnan(y[5:]).all()


def test_the_reverse_order_shows_what_depends_on_order(bench: Bench) -> None:
    text = "__global__ void test(int* x) { x[0] = threadIdx.x + blockDim.x * blockIdx.x; }"
    with watching(races=False):
        assert bench.run(text, np.zeros(1, np.int32), grid=2, block=64)[0] == 127
    with watching(races=False, reversed=True):
        assert bench.run(text, np.zeros(1, np.int32), grid=2, block=64)[0] == 0


def test_a_failed_launch_leaves_the_next_one_alone(bugs: EmulatedModule, bench: Bench) -> None:
    test_a_bug_is_caught_and_named("a barrier that only some reach", bugs, bench)
    test_barriers_and_both_kinds_of_shared_memory(bench)


def test_arrays_of_the_host_and_strided_ones_are_refused(bench: Bench) -> None:
    bench.path.write_text("__global__ void test(float* x) {}")
    kernel = EmulatedModule(bench.path, ["test"]).get_function("test")
    with pytest.raises(EmulationError, match="got a NumPy array; use to_device"):
        kernel((1, 1, 1), (32, 1, 1), [floats(3)])
    with pytest.raises(EmulationError, match="contiguous arrays"):
        kernel((1, 1, 1), (32, 1, 1), [to_device(floats(6), "emu")[::2]])


def test_what_the_compiler_refuses_names_the_line(bench: Bench) -> None:
    with pytest.raises(EmulationError, match=r"test\.cu:2:.*"):
        bench.run("__global__ void test(float* x) {\n y[0] = 1;\n}", floats(1))


def test_without_a_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    program.compiler.cache_clear()
    try:
        with pytest.raises(BackendUnavailable, match=r"no C\+\+ compiler was found: install g\+\+"):
            program.compiler()
    finally:
        program.compiler.cache_clear()


# ---- Counts


def counted(bench: Bench, body: str, step: int = 1, start: int = 0, **launch: int) -> Watch:
    """What a kernel asks for whose threads have each an index i, `step` apart."""
    head = "__global__ void test(const float* x, float* y, int step, int start) { __shared__ float tile[1024];"
    text = f"{head} int i = (step * threadIdx.x + start) % 1024;\n {body}\n}}"
    with watching(races=False, counting=True) as watch:
        bench.run(text, floats(4096), np.zeros(4096, np.float32), np.int32(step), np.int32(start), **launch)
    return watch


@pytest.mark.parametrize(("step", "start", "sectors"), [(1, 0, 4), (1, 1, 5), (2, 0, 8), (8, 0, 32)])
def test_sectors_of_global_memory(step: int, start: int, sectors: int, bench: Bench) -> None:
    (line,) = [line for line in counted(bench, "y[threadIdx.x] = x[i];", step, start).lines if not line.writes]
    assert (line.place, line.requests, line.lanes, line.moved, line.best) == ("test.cu:2", 1, 32, sectors, 4)


@pytest.mark.parametrize(("step", "start", "rounds"), [(1, 0, 1), (2, 0, 2), (32, 0, 32), (33, 0, 1), (0, 7, 1)])
def test_rounds_of_shared_memory(step: int, start: int, rounds: int, bench: Bench) -> None:
    watch = counted(bench, "tile[i] = 1;\n __syncthreads();\n y[0] = tile[5];", step, start)
    (line,) = [line for line in watch.lines if line.shared and line.writes]
    assert (line.requests, line.moved, line.best) == (1, rounds, 1)


def test_a_float4_is_one_access(bench: Bench) -> None:
    body = "reinterpret_cast<float4*>(y)[threadIdx.x] = reinterpret_cast<const float4*>(x)[threadIdx.x];"
    for line in counted(bench, body).lines:
        assert (line.size, line.requests, line.lanes, line.moved, line.best) == (16, 1, 32, 16, 16)
    body = (
        "reinterpret_cast<float4*>(tile)[threadIdx.x] = make_float4(1, 2, 3, 4);\n __syncthreads();\n y[0] = tile[5];"
    )
    (line,) = [line for line in counted(bench, body).lines if line.shared and line.writes]
    assert (line.size, line.moved, line.best) == (16, 4, 4)


def test_loops_and_several_warps_add_up(bench: Bench) -> None:
    watch = counted(bench, "for (int i = 0; i < 3; ++i) y[threadIdx.x + 64 * i] = 1;", grid=2, block=64)
    (line,) = watch.lines
    assert (line.requests, line.lanes, line.moved) == (2 * 2 * 3, 2 * 64 * 3, 2 * 2 * 3 * 4)


def test_one_number_for_all_lanes_is_one_sector(bench: Bench) -> None:
    (line,) = [line for line in counted(bench, "y[threadIdx.x] = x[0];").lines if not line.writes]
    assert (line.lanes, line.moved, line.best) == (32, 1, 1)
