// The three sums of a convolution as matrix products y = A B, and how a block brings tiles of A and B to shared memory.
//
//                     rows of y           columns    summed over          A                  B
//   forward           m = (b, p, q)       n = o      k = (i, j, c)        Windows of x       Rows of the weight
//   input_gradient    m = (b, h, w)       n = c      k = (i, j, o)        Windows of grad_y    Columns of the weight
//   weight_gradient   m = (i, j, c)       n = o      k = (b, p, q)        Taps of x          Rows of grad_y
//
// A tile has 16 steps of k, and lies in shared memory as it does in global memory: where neighbours differ in k
// (KFast), the 16 numbers of a row of A or column of B are neighbours in the tile, else (KSlow) the numbers of a step
// of k are. So 4 numbers can be copied at once, or 1 where C or O is no multiple of 4 (VECTOR). The copies (cp.async)
// pass the registers and keep nobody waiting: they arrive by the time of __pipeline_wait_prior. What is outside becomes
// 0.
//
// Shared memory has 32 banks, and serves a warp at once if its lanes ask different banks or the same number. The rows
// of a tile are longer than what they hold, so that lanes that read below each other meet different banks.
#pragma once

#include <cuda_pipeline.h>

#include "../conv2d/window.cuh"
#include "common.cuh"

enum Sum { forward, input_gradient, weight_gradient };

constexpr int TILE_K = 16;

template <int VECTOR>
__device__ void copy_async(float* to, const float* from, bool exists) {
    if (exists)
        __pipeline_memcpy_async(to, from, VECTOR * sizeof(float));
    else if (VECTOR == 4)
        *reinterpret_cast<float4*>(to) = make_float4(0, 0, 0, 0);
    else
        *to = 0;
}

// A tile whose neighbours differ in k: SIZE rows of 16 numbers. A thread copies COUNT of its 16 / VECTOR pieces a row.
template <int SIZE, int VECTOR, int THREADS>
struct KFast {
    static constexpr bool K_FAST = true;
    static constexpr int STEP = TILE_K + 4;  // numbers from row to row: a multiple of 4, and 8 rows meet all banks
    static constexpr int FLOATS = SIZE * STEP;
    static constexpr int PIECES = TILE_K / VECTOR, AT_ONCE = THREADS / PIECES, COUNT = SIZE / AT_ONCE;
    static_assert(COUNT * AT_ONCE == SIZE, "every thread copies as many pieces");

    __device__ static int column() { return threadIdx.x % PIECES * VECTOR; }
    __device__ static int row(int r) {
        const int own = threadIdx.x / PIECES;
        if (VECTOR == 1) return own + r * AT_ONCE;
        // 8 threads write 128 bytes at once: two rows. Those of rows 4 apart lie 16 banks apart.
        return own / 8 * 8 + own % 2 * 4 + own % 8 / 2 + r * AT_ONCE;
    }
    __device__ static float* place(float* tile, int r) { return tile + row(r) * STEP + column(); }
};

// A tile whose neighbours have the same k: 16 rows of SIZE numbers.
template <int SIZE, int VECTOR, int THREADS>
struct KSlow {
    static constexpr bool K_FAST = false;
    static constexpr int STEP = SIZE + 8;  // 4 rows and 8 columns meet all banks
    static constexpr int FLOATS = TILE_K * STEP;
    static constexpr int PIECES = SIZE / VECTOR, AT_ONCE = THREADS / PIECES, COUNT = TILE_K / AT_ONCE;
    static_assert(COUNT * AT_ONCE == TILE_K, "every thread copies as many pieces");

    __device__ static int column() { return threadIdx.x % PIECES * VECTOR; }
    __device__ static int row(int r) { return threadIdx.x / PIECES + r * AT_ONCE; }
    __device__ static float* place(float* tile, int r) { return tile + row(r) * STEP + column(); }
};

// A of forward and input_gradient. A thread keeps its pixels and goes through the taps and channels.
template <int SIZE, int VECTOR, int THREADS>
struct Windows : KFast<SIZE, VECTOR, THREADS> {
    using Tile = KFast<SIZE, VECTOR, THREADS>;
    const float* x;
    int start[Tile::COUNT], h[Tile::COUNT], w[Tile::COUNT];  // where a window begins, as an index and as row and column
    Digits tap, step;

    __device__ Windows(const float* x, const Window& window, int first, int k) : x(x) {
        tap = digits(k + Tile::column(), window.kw, window.C);
        step = digits(TILE_K, window.kw, window.C);
        for (int r = 0; r < Tile::COUNT; ++r) {
            const Digits pixel = digits(first + Tile::row(r), window.P, window.Q);
            h[r] = pixel.middle * window.stride_h + window.first_h;
            w[r] = pixel.low * window.stride_w + window.first_w;
            start[r] = ((pixel.high * window.H + h[r]) * window.W + w[r]) * window.C;
            if (pixel.high >= window.B) h[r] = -(1 << 30);  // no such pixel: always outside
        }
    }

    // Copy the next 16 steps of k.
    __device__ void copy(float* tile, const Window& window) {
        const int down = tap.high * window.step_h, right = tap.middle * window.step_w;
        const int offset = (down * window.W + right) * window.C + tap.low;
        for (int r = 0; r < Tile::COUNT; ++r) {
            const bool exists = tap.high < window.kh && inside(h[r] + down, window.H) && inside(w[r] + right, window.W);
            copy_async<VECTOR>(Tile::place(tile, r), x + (start[r] + offset), exists);
        }
        tap = sum(tap, step, window.kw, window.C);
    }
};

// A of weight_gradient. A thread keeps its tap and channel and goes through the pixels.
template <int SIZE, int VECTOR, int THREADS>
struct Taps : KSlow<SIZE, VECTOR, THREADS> {
    using Tile = KSlow<SIZE, VECTOR, THREADS>;
    const float* x;
    int down, right;
    bool exists;
    Digits pixel, step;

    __device__ Taps(const float* x, const Window& window, int first, int k) {
        const Digits tap = digits(first + Tile::column(), window.kw, window.C);
        this->x = x + tap.low;
        down = window.first_h + tap.high * window.step_h;
        right = window.first_w + tap.middle * window.step_w;
        exists = tap.high < window.kh;
        pixel = digits(k + Tile::row(0), window.P, window.Q);
        step = digits(Tile::AT_ONCE, window.P, window.Q);
    }

    __device__ void copy(float* tile, const Window& window) {
        for (int r = 0; r < Tile::COUNT; ++r) {
            const int h = pixel.middle * window.stride_h + down, w = pixel.low * window.stride_w + right;
            const bool there = exists && pixel.high < window.B && inside(h, window.H) && inside(w, window.W);
            const int start = ((pixel.high * window.H + h) * window.W + w) * window.C;
            copy_async<VECTOR>(Tile::place(tile, r), x + start, there);
            pixel = sum(pixel, step, window.P, window.Q);
        }
    }
};

// B of forward and weight_gradient: a matrix with N columns as it is.
template <int SIZE, int VECTOR, int THREADS>
struct Rows : KSlow<SIZE, VECTOR, THREADS> {
    using Tile = KSlow<SIZE, VECTOR, THREADS>;
    const float* from;
    int N, left;  // columns, and how many rows there are from this one on

    __device__ Rows(const float* matrix, const Window&, int K, int N, int first, int k) : N(N) {
        const int row = k + Tile::row(0), column = first + Tile::column();
        from = matrix + static_cast<long long>(row) * N + column;
        left = column < N ? K - row : 0;
    }

    __device__ void copy(float* tile, const Window&) {
        for (int r = 0; r < Tile::COUNT; ++r) {
            const int down = r * Tile::AT_ONCE;
            copy_async<VECTOR>(Tile::place(tile, r), from + down * N, down < left);
        }
        from += TILE_K * N;
        left -= TILE_K;
    }
};

// B of input_gradient: the weight (i, j, n, o), whose neighbours differ in k = (i, j, o). The window's C counts the o.
template <int SIZE, int VECTOR, int THREADS>
struct Columns : KFast<SIZE, VECTOR, THREADS> {
    using Tile = KFast<SIZE, VECTOR, THREADS>;
    const float* weight;
    int N, n;
    Digits tap, step;

    __device__ Columns(const float* weight, const Window& window, int, int N, int first, int k)
        : weight(weight), N(N), n(first + Tile::row(0)) {
        tap = digits(k + Tile::column(), window.kw, window.C);
        step = digits(TILE_K, window.kw, window.C);
    }

    __device__ void copy(float* tile, const Window& window) {
        const int left = tap.high < window.kh ? N - n : 0;
        const int start = ((tap.high * window.kw + tap.middle) * N + n) * window.C + tap.low;
        for (int r = 0; r < Tile::COUNT; ++r) {
            const int down = r * Tile::AT_ONCE;
            copy_async<VECTOR>(Tile::place(tile, r), weight + (start + down * window.C), down < left);
        }
        tap = sum(tap, step, window.kw, window.C);
    }
};

// A and B of a sum, for tiles of ROWS x COLUMNS outputs.
template <Sum SUM, int ROWS, int COLUMNS, int VECTOR_A, int VECTOR_B, int THREADS>
struct Factors {
    using A = Windows<ROWS, VECTOR_A, THREADS>;
    using B = Rows<COLUMNS, VECTOR_B, THREADS>;
};
template <int ROWS, int COLUMNS, int VECTOR_A, int VECTOR_B, int THREADS>
struct Factors<input_gradient, ROWS, COLUMNS, VECTOR_A, VECTOR_B, THREADS> {
    using A = Windows<ROWS, VECTOR_A, THREADS>;
    using B = Columns<COLUMNS, VECTOR_B, THREADS>;
};
template <int ROWS, int COLUMNS, int VECTOR_A, int VECTOR_B, int THREADS>
struct Factors<weight_gradient, ROWS, COLUMNS, VECTOR_A, VECTOR_B, THREADS> {
    using A = Taps<ROWS, VECTOR_A, THREADS>;
    using B = Rows<COLUMNS, VECTOR_B, THREADS>;
};

// What a block computes: outputs from (m, n) on, over `tiles` tiles of k from k on.
//
// Blocks with neighbouring blockIdx.x lie below each other in y: they run at the same time and share columns of B,
// which then come from the cache. Where y is too small to keep a GPU busy, the sum is split among gridDim.y blocks;
// each writes a y of its own, and conv2d_parts.cu adds them up, always in the same order.
struct Share {
    int M, N, K, m, n, k, tiles;
    long long y;  // where its y begins
};

template <Sum SUM, int ROWS, int COLUMNS>
__device__ Share share_of_block(const Window& window, int N) {
    const int pixels = window.B * window.P * window.Q, taps = window.kh * window.kw * window.C;
    Share share;
    share.M = SUM == weight_gradient ? taps : pixels;
    share.K = SUM == weight_gradient ? pixels : taps;
    share.N = N;
    const int blocks_m = (share.M + ROWS - 1) / ROWS, tiles_k = (share.K + TILE_K - 1) / TILE_K;
    share.m = blockIdx.x % blocks_m * ROWS;
    share.n = blockIdx.x / blocks_m * COLUMNS;
    const int part = blockIdx.y, parts = gridDim.y;
    const int first = static_cast<long long>(tiles_k) * part / parts;
    share.tiles = static_cast<int>(static_cast<long long>(tiles_k) * (part + 1) / parts) - first;
    share.k = first * TILE_K;
    share.y = static_cast<long long>(part) * share.M * N;
    return share;
}
