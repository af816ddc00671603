// Convolution, step 3 of 4: a thread computes 8 x 8 outputs in registers. All three sums (gather.cuh).
//
// What changed, and why it is faster:
//   Registers. A thread reads 8 numbers of A and 8 of B and makes 64 products of them: a quarter of a read for each
//       instead of two. The 64 sums stay in registers; every loop over them has a length that the compiler knows, since
//       registers have no addresses.
//   128 bits. Where neighbours allow, four numbers are read by one instruction.
//   Two tiles. While the block multiplies one pair of tiles, the next pair is on its way from global memory; the copies
//       (cp.async) pass the registers, and a thread waits only if it has nothing left to multiply.
//   Banks. The tiles lie so that no two lanes of a warp ask the same bank for different numbers.
//   Parts. A sum over many k with few outputs is shared out among several blocks.
// What is left: a multiply-add is an instruction of its own for every thread (conv2d_tensor.cu).
#include "../conv2d/gather.cuh"

constexpr int OWN = 8;         // rows and columns of outputs of a thread
constexpr int RESIDENT = 256;  // threads that a multiprocessor holds at least, with up to 255 registers each

// Which row (or column) of a tile of SIZE is number i of lane's OWN, and their numbers of steps k to k + 3.
template <typename Tile, int SIZE>
struct Strip {
    static constexpr int LANES = SIZE / OWN;
    float of[OWN][4];

    __device__ static int place(int lane, int i) {
        return Tile::K_FAST ? i * LANES + lane : i / 4 * (SIZE / 2) + lane * 4 + i % 4;
    }

    __device__ Strip(const float* tile, int lane, int k) {
        if constexpr (Tile::K_FAST) {  // four steps of a row are neighbours
            for (int i = 0; i < OWN; ++i) {
                const float4 four = *reinterpret_cast<const float4*>(tile + place(lane, i) * Tile::STEP + k);
                of[i][0] = four.x, of[i][1] = four.y, of[i][2] = four.z, of[i][3] = four.w;
            }
        } else {  // four rows of a step are neighbours
            for (int t = 0; t < 4; ++t) {
                for (int i = 0; i < OWN; i += 4) {
                    const float4 four = *reinterpret_cast<const float4*>(tile + (k + t) * Tile::STEP + place(lane, i));
                    of[i][t] = four.x, of[i + 1][t] = four.y, of[i + 2][t] = four.z, of[i + 3][t] = four.w;
                }
            }
        }
    }
};

template <Sum SUM, int ROWS, int COLUMNS, int VECTOR_A, int VECTOR_B>
__global__ void __launch_bounds__(ROWS / OWN * COLUMNS / OWN, RESIDENT / (ROWS / OWN * COLUMNS / OWN))
conv2d_registers(const float* __restrict__ a, const float* __restrict__ b, const float* __restrict__ bias,
                 float* __restrict__ y, Window window, int N) {
    constexpr int THREADS = ROWS / OWN * COLUMNS / OWN;
    using Both = Factors<SUM, ROWS, COLUMNS, VECTOR_A, VECTOR_B, THREADS>;
    using A = typename Both::A;
    using B = typename Both::B;
    __shared__ __align__(16) float tiles_a[2][A::FLOATS];
    __shared__ __align__(16) float tiles_b[2][B::FLOATS];
    const Share share = share_of_block<SUM, ROWS, COLUMNS>(window, N);
    A factor_a(a, window, share.m, share.k);
    B factor_b(b, window, share.K, N, share.n, share.k);
    const int row = threadIdx.x / (COLUMNS / OWN), column = threadIdx.x % (COLUMNS / OWN);

    float sums[OWN][OWN] = {};
    factor_a.copy(tiles_a[0], window);
    factor_b.copy(tiles_b[0], window);
    __pipeline_commit();
    for (int tile = 0; tile < share.tiles; ++tile) {
        __pipeline_wait_prior(0);
        __syncthreads();  // this pair of tiles has arrived for all threads, and nobody reads the other pair any more
        if (tile + 1 < share.tiles) {
            factor_a.copy(tiles_a[(tile + 1) % 2], window);
            factor_b.copy(tiles_b[(tile + 1) % 2], window);
        }
        __pipeline_commit();
#pragma unroll
        for (int k = 0; k < TILE_K; k += 4) {
            const Strip<A, ROWS> left(tiles_a[tile % 2], row, k);
            const Strip<B, COLUMNS> right(tiles_b[tile % 2], column, k);
            for (int t = 0; t < 4; ++t)
                for (int i = 0; i < OWN; ++i)
                    for (int j = 0; j < OWN; ++j) sums[i][j] += left.of[i][t] * right.of[j][t];
        }
    }

    for (int j = 0; j < OWN; ++j) {
        const int n = share.n + Strip<B, COLUMNS>::place(column, j);
        const float begin = bias && n < N ? bias[n] : 0;
        for (int i = 0; i < OWN; ++i) sums[i][j] += begin;
    }
    for (int i = 0; i < OWN; ++i) {
        const int m = share.m + Strip<A, ROWS>::place(row, i), columns = m < share.M ? N : 0;
        float* to = y + share.y + static_cast<long long>(m) * N;
        for (int j = 0; j < OWN; j += 4) {
            const int n = share.n + Strip<B, COLUMNS>::place(column, j);
            const float* four = sums[i] + j;
            if constexpr (VECTOR_B == 4 && !B::K_FAST) {  // they are neighbours
                if (n < columns) *reinterpret_cast<float4*>(to + n) = make_float4(four[0], four[1], four[2], four[3]);
            } else {
                for (int e = 0; e < 4; ++e) {
                    const int own = share.n + Strip<B, COLUMNS>::place(column, j + e);
                    if (own < columns) to[own] = four[e];
                }
            }
        }
    }
}
