// Attention, step 3 of 4: tiles of scores in registers, four numbers a load, copies that run ahead.
//
// Changed:
// - In step 2 a lane loads two numbers from shared memory for each multiply-add, and shared memory is the limit. Here a
//   thread makes a tile of scores, ROWS queries x 8 keys: a number that it loads serves a whole row or column of it.
//   With ROWS = 4, 12 loads of four numbers (128 bits) feed 128 multiply-adds. The second product has a tile too:
//   ROWS queries x a quarter of the columns. For 128 queries and keys of width 40 the emulator counts 79 616 rounds of
//   shared memory in step 2, and 12 928 here.
// - Four neighbouring lanes share their queries: each takes every fourth key, then every fourth pair of columns. The
//   softmax needs the largest of four lanes instead of 32, and a weight comes from one of three neighbours.
// - cp.async copies from global to shared memory past the registers, and nobody waits for it until the numbers are
//   needed: the values arrive during the first product, the next keys during the second (Dao 2023). So one buffer for
//   each is enough.
// - exp(x) = exp2(x log2(e)): the exponential of base 2 is an instruction.
//
// A block is 64 threads, 16 groups of four lanes, 16 ROWS queries of one head. Group g has the queries g, g + 16, ...
#include "../attention/copies.cuh"

constexpr int THREADS = 64, LANES = 4, GROUPS = THREADS / LANES;

__device__ float product(float4 x, float4 y, float sum) {
    return fmaf(x.w, y.w, fmaf(x.z, y.z, fmaf(x.y, y.y, fmaf(x.x, y.x, sum))));
}

// d <= D, a multiple of 4. D is a multiple of 8, KEYS of 4.
template <int D, int ROWS, int KEYS>
__global__ void __launch_bounds__(THREADS, D > 64 ? 4 : 6)
    attention_forward_registers(const float* __restrict__ query, const float* __restrict__ key,
                                const float* __restrict__ value, float* __restrict__ y,
                                float* __restrict__ logsumexp, int N, int M, int heads, int d, float scale,
                                bool causal) {
    constexpr int QUERIES = GROUPS * ROWS, OWN_KEYS = KEYS / LANES, PAIRS = D / (2 * LANES);
    constexpr int STRIDE = D + 4;  // eight lanes that read four numbers of eight rows find them in all 32 banks
    extern __shared__ __align__(128) float memory[];
    float* queries = memory;
    float* keys = queries + QUERIES * STRIDE;
    float* values = keys + KEYS * STRIDE;

    const int lane = threadIdx.x % LANES, group = threadIdx.x / LANES;
    const int tiles = (N + QUERIES - 1) / QUERIES, head = blockIdx.x / tiles, b = head / heads, h = head % heads;
    const int first_n = blockIdx.x % tiles * QUERIES;
    const long long step = static_cast<long long>(heads) * d;  // from a token to the next
    query += (static_cast<long long>(b) * N + first_n) * step + h * d;
    y += (static_cast<long long>(b) * N + first_n) * step + h * d;
    key += b * M * step + h * d;
    value += b * M * step + h * d;

    float sums[ROWS][2 * PAIRS] = {}, largest[ROWS], total[ROWS] = {};
    for (int i = 0; i < ROWS; ++i) largest[i] = LOWEST;

    const int seen_by_block = causal ? min(first_n + QUERIES, M) : M;
    copy_rows<THREADS, QUERIES, D, STRIDE>(queries, query, step, N - first_n, d);
    copy_rows<THREADS, KEYS, D, STRIDE>(keys, key, step, M, d);
    __pipeline_wait_prior(0);
    __syncthreads();

    for (int first = 0; first < seen_by_block; first += KEYS) {
        copy_rows<THREADS, KEYS, D, D>(values, value + first * step, step, M - first, d);

        float scores[ROWS][OWN_KEYS] = {};  // of the keys first + lane + 4 j
#pragma unroll 1
        for (int c = 0; c < D; c += 4) {
            float4 q[ROWS];
#pragma unroll
            for (int i = 0; i < ROWS; ++i) q[i] = load4(queries + (group + GROUPS * i) * STRIDE + c);
#pragma unroll
            for (int j = 0; j < OWN_KEYS; ++j) {
                const float4 k = load4(keys + (lane + LANES * j) * STRIDE + c);
#pragma unroll
                for (int i = 0; i < ROWS; ++i) scores[i][j] = product(q[i], k, scores[i][j]);
            }
        }
        __pipeline_wait_prior(0);
        __syncthreads();  // the values are there, and nobody reads the keys any more
        copy_rows<THREADS, KEYS, D, STRIDE>(keys, key + (first + KEYS) * step, step, M - first - KEYS, d);

        // The softmax runs along.
#pragma unroll
        for (int i = 0; i < ROWS; ++i) {
            const int own_n = first_n + group + GROUPS * i, seen = (causal ? min(own_n + 1, M) : M) - first;
            float most = largest[i];
#pragma unroll
            for (int j = 0; j < OWN_KEYS; ++j) {
                scores[i][j] = lane + LANES * j < seen ? scores[i][j] * (scale * LOG2_E) : hidden();
                most = fmaxf(most, scores[i][j]);
            }
            for (int distance = 1; distance < LANES; distance *= 2)
                most = fmaxf(most, __shfl_xor_sync(ALL_LANES, most, distance));
            const float shrink = exp2f(largest[i] - most);
            largest[i] = most;
            total[i] *= shrink;
#pragma unroll
            for (int c = 0; c < 2 * PAIRS; ++c) sums[i][c] *= shrink;
#pragma unroll
            for (int j = 0; j < OWN_KEYS; ++j) {  // scores become weights
                scores[i][j] = exp2f(scores[i][j] - most);
                total[i] += scores[i][j];
            }
        }

        // Lane l has the weights of the keys l, l + 4, ...; this thread sums the columns 2 lane, 2 lane + 1, + 8, ...
#pragma unroll
        for (int j = 0; j < OWN_KEYS; ++j)
#pragma unroll
            for (int l = 0; l < LANES; ++l) {
                float weight[ROWS];
#pragma unroll
                for (int i = 0; i < ROWS; ++i) weight[i] = __shfl_sync(ALL_LANES, scores[i][j], l, LANES);
#pragma unroll
                for (int p = 0; p < PAIRS; ++p) {
                    const float* place = values + (l + LANES * j) * D + 2 * (lane + LANES * p);
                    const float2 v = *reinterpret_cast<const float2*>(place);
#pragma unroll
                    for (int i = 0; i < ROWS; ++i) {
                        sums[i][2 * p] = fmaf(weight[i], v.x, sums[i][2 * p]);
                        sums[i][2 * p + 1] = fmaf(weight[i], v.y, sums[i][2 * p + 1]);
                    }
                }
            }
        __pipeline_wait_prior(0);
        __syncthreads();  // the next keys are there, and nobody reads the values any more
    }

#pragma unroll
    for (int i = 0; i < ROWS; ++i) {
        const int own = group + GROUPS * i;
        for (int distance = 1; distance < LANES; distance *= 2)
            total[i] += __shfl_xor_sync(ALL_LANES, total[i], distance);
        if (first_n + own >= N) continue;
#pragma unroll
        for (int p = 0; p < PAIRS; ++p) {
            const int c = 2 * (lane + LANES * p);
            if (c < d)
                *reinterpret_cast<float2*>(y + own * step + c) =
                    make_float2(sums[i][2 * p] / total[i], sums[i][2 * p + 1] / total[i]);
        }
        if (lane == 0)
            logsumexp[static_cast<long long>(head) * N + first_n + own] = (largest[i] + log2f(total[i])) * LN_2;
    }
}
