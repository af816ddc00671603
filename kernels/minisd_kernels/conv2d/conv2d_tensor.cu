// Convolution, step 4 of 4: tensor cores. All three sums (gather.cuh). Compute capability 8.0 and later.
//
// What changed, and why it is faster:
//   Tensor cores. A warp together multiplies a 16 x 8 matrix by an 8 x 8 one with one instruction, mma, where step 3
//       needs 32 multiply-adds of each thread. The factors are rounded to TF32, 10 bits of mantissa instead of 23; the
//       sums stay float32. An output is off by at most 2^-10 times the sum of its products' sizes, and mostly by far
//       less, since roundings cancel.
//   More from a read. The threads of a warp share what each of them has read: a warp computes WARP_ROWS x WARP_COLUMNS
//       outputs, up to 64 x 64, and a number read from shared memory takes part in as many as 64 products instead of 8.
//   Four tiles. Tensor cores take so little time for a tile that copies must start three tiles ahead to arrive in time.
//
// CUDA C++ has a type for such small matrices, wmma::fragment, which hides who holds what. Here the instruction is
// written itself (PTX): it says which lane holds which numbers, so that they can be read without meeting in a bank, and
// the sums be written from where they are.
#include "../conv2d/gather.cuh"

#if !defined(__CUDA_ARCH__) || __CUDA_ARCH__ >= 800

constexpr int STAGES = 4;      // tiles in shared memory
constexpr int RESIDENT = 256;  // threads that a multiprocessor holds at least, with up to 255 registers each

// What a lane holds of a 16 x 8 matrix A, of an 8 x 8 matrix B and of their product: lane 4 g + t has
//     rows g, g + 8, g, g + 8 of columns t, t, t + 4, t + 4 of A,         rows t, t + 4 of column g of B,
//     rows g, g, g + 8, g + 8 of columns 2t, 2t + 1, 2t, 2t + 1 of the product.
struct FragmentA {
    unsigned of[4];
};
struct FragmentB {
    unsigned of[2];
};
struct Sums {
    float of[4];
};

// The bits of x rounded to TF32. Tensor cores ignore the last 13 bits; infinity and NaN keep theirs.
__device__ inline unsigned tf32(float x) {
    const unsigned bits = __float_as_uint(x);
    return isfinite(x) ? bits + 0x1000 : bits;
}

__device__ inline void multiply_add(Sums& sums, const FragmentA& a, const FragmentB& b) {
#ifdef __CUDA_ARCH__
    asm("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 "
        "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
        : "+f"(sums.of[0]), "+f"(sums.of[1]), "+f"(sums.of[2]), "+f"(sums.of[3])
        : "r"(a.of[0]), "r"(a.of[1]), "r"(a.of[2]), "r"(a.of[3]), "r"(b.of[0]), "r"(b.of[1]));
#else
    emulator::multiply_16x8x8(EMULATED_HERE, sums.of, a.of, b.of);
#endif
}

// A lane's number of a tile: outer counts rows of A or columns of B.
template <typename Tile>
__device__ unsigned at(const float* tile, int outer, int k) {
    return tf32(tile[Tile::K_FAST ? outer * Tile::STEP + k : k * Tile::STEP + outer]);
}

template <Sum SUM, int ROWS, int COLUMNS, int WARP_ROWS, int WARP_COLUMNS, int VECTOR_A, int VECTOR_B>
__global__ void __launch_bounds__(ROWS / WARP_ROWS * COLUMNS / WARP_COLUMNS * WARP,
                                  RESIDENT / (ROWS / WARP_ROWS * COLUMNS / WARP_COLUMNS * WARP))
conv2d_tensor(const float* __restrict__ a, const float* __restrict__ b, const float* __restrict__ bias,
              float* __restrict__ y, Window window, int N) {
    constexpr int THREADS = ROWS / WARP_ROWS * COLUMNS / WARP_COLUMNS * WARP;
    using Both = Factors<SUM, ROWS, COLUMNS, VECTOR_A, VECTOR_B, THREADS>;
    using A = typename Both::A;
    using B = typename Both::B;
    extern __shared__ __align__(16) float memory[];  // STAGES times a tile of A and one of B
    const Share share = share_of_block<SUM, ROWS, COLUMNS>(window, N);
    A factor_a(a, window, share.m, share.k);
    B factor_b(b, window, share.K, N, share.n, share.k);
    const auto copy = [&](int tile) {
        if (tile < share.tiles) {
            float* stage = memory + tile % STAGES * (A::FLOATS + B::FLOATS);
            factor_a.copy(stage, window);
            factor_b.copy(stage + A::FLOATS, window);
        }
        __pipeline_commit();  // an empty group, too, so that the number of groups tells which tiles have arrived
    };
    const int warp = threadIdx.x / WARP, g = threadIdx.x % WARP / 4, t = threadIdx.x % 4;
    const int row = warp / (COLUMNS / WARP_COLUMNS) * WARP_ROWS;
    const int column = warp % (COLUMNS / WARP_COLUMNS) * WARP_COLUMNS;

    constexpr int DOWN = WARP_ROWS / 16, RIGHT = WARP_COLUMNS / 8;
    Sums sums[DOWN][RIGHT] = {};
    for (int tile = 0; tile < STAGES - 1; ++tile) copy(tile);
    for (int tile = 0; tile < share.tiles; ++tile) {
        __pipeline_wait_prior(STAGES - 2);
        __syncthreads();  // the tile has arrived for all threads, and nobody reads the one before it any more
        copy(tile + STAGES - 1);
        const float* tile_a = memory + tile % STAGES * (A::FLOATS + B::FLOATS);
        const float* tile_b = tile_a + A::FLOATS;
#pragma unroll
        for (int k = t; k < TILE_K; k += 8) {
            FragmentB right[RIGHT];
            for (int j = 0; j < RIGHT; ++j) {
                const int n = column + 8 * j + g;
                right[j] = {at<B>(tile_b, n, k), at<B>(tile_b, n, k + 4)};
            }
            for (int i = 0; i < DOWN; ++i) {
                const int m = row + 16 * i + g;
                const FragmentA left = {at<A>(tile_a, m, k), at<A>(tile_a, m + 8, k), at<A>(tile_a, m, k + 4),
                                        at<A>(tile_a, m + 8, k + 4)};
                for (int j = 0; j < RIGHT; ++j) multiply_add(sums[i][j], left, right[j]);
            }
        }
    }

    const int n = share.n + column + 2 * t;  // the lane's first column; the others are 8 apart
    float begin[RIGHT][2];
    for (int j = 0; j < RIGHT; ++j)
        for (int e = 0; e < 2; ++e) begin[j][e] = bias && n + 8 * j + e < N ? bias[n + 8 * j + e] : 0;
    for (int i = 0; i < 2 * DOWN; ++i) {
        const int m = share.m + row + 8 * i + g, exist = m < share.M ? N - n : 0;
        float* to = y + share.y + static_cast<long long>(m) * N + n;
        for (int j = 0; j < RIGHT; ++j) {
            const float first = sums[i / 2][j].of[i % 2 * 2] + begin[j][0];
            const float second = sums[i / 2][j].of[i % 2 * 2 + 1] + begin[j][1];
            if constexpr (VECTOR_B == 4) {
                if (8 * j < exist) *reinterpret_cast<float2*>(to + 8 * j) = make_float2(first, second);
            } else {
                if (8 * j < exist) to[8 * j] = first;
                if (8 * j + 1 < exist) to[8 * j + 1] = second;
            }
        }
    }
}

#endif
