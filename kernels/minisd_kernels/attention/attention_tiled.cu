// Attention, step 2 of 4: keys and values in shared memory, a warp a query row.
//
// Changed: the 16 warps of a block, 16 neighbouring queries of one head, meet the same keys and values. They fetch them
// together, 32 at a time, into the block's shared memory, and each reads them there. The row of y and the running
// softmax stay in registers, a part in each lane.
//
// Faster, because a key and a value come from global memory once for 16 queries, in whole rows side by side instead of
// a number here and there, and y is written once instead of once a key. For 128 queries and keys of width 40 the
// emulator counts 44 MB read from global memory in step 1, and 0.35 MB here.
//
// A tile has 32 keys because a warp has 32 lanes. In the first product a lane is a key: it multiplies the query with
// its key by itself, and the softmax then needs two numbers of the whole warp, the largest score and (at the end) the
// total. In the second product a lane is a column, or several 32 apart: it adds up that column of the values, and asks
// lane m for the weight of key m.
#include "common.cuh"

constexpr int QUERIES = 16;  // warps in a block

template <typename T, int COLUMNS>  // columns of y in a lane: d <= 32 COLUMNS
__global__ void __launch_bounds__(QUERIES* WARP, 2)
    attention_forward_tiled(const T* __restrict__ query, const T* __restrict__ key, const T* __restrict__ value,
                            T* __restrict__ y, T* __restrict__ logsumexp, int N, int M, int heads, int d, T scale,
                            bool causal) {
    constexpr int WIDTH = WARP * COLUMNS;
    __shared__ T queries[QUERIES][WIDTH];
    __shared__ T keys[WARP][WIDTH + 1];  // one more: 32 lanes read one column of 32 rows, from 32 different banks
    __shared__ T values[WARP][WIDTH];

    const int lane = threadIdx.x % WARP, warp = threadIdx.x / WARP;
    const int tiles = (N + QUERIES - 1) / QUERIES, head = blockIdx.x / tiles, b = head / heads, h = head % heads;
    const int first_n = blockIdx.x % tiles * QUERIES, n = first_n + warp;
    const long long step = static_cast<long long>(heads) * d;  // from a token to the next
    query += b * N * step + h * d;
    y += b * N * step + h * d;
    key += b * M * step + h * d;
    value += b * M * step + h * d;

    for (int c = lane; c < WIDTH; c += WARP) queries[warp][c] = n < N && c < d ? query[n * step + c] : T(0);
    T sums[COLUMNS] = {}, total = 0;
    T largest = sizeof(T) == 4 ? T(-3.4e38) : T(-1.7e308);
    const int seen = causal ? n + 1 : M, seen_by_block = causal ? min(first_n + QUERIES, M) : M;

    for (int first = 0; first < seen_by_block; first += WARP) {
        __syncthreads();  // nobody reads the tile before any more
        for (int m = warp; m < WARP; m += QUERIES)
            for (int c = lane; c < WIDTH; c += WARP) {
                const bool inside = first + m < M && c < d;
                keys[m][c] = inside ? key[(first + m) * step + c] : T(0);
                values[m][c] = inside ? value[(first + m) * step + c] : T(0);
            }
        __syncthreads();

        // A lane is a key.
        T score = 0;
        for (int c = 0; c < d; ++c) score += queries[warp][c] * keys[lane][c];
        score *= scale;
        const bool visible = first + lane < seen;
        const T new_largest = larger(largest, warp_max(visible ? score : largest));
        const T shrink = exp(largest - new_largest), weight = visible ? exp(score - new_largest) : T(0);
        total = total * shrink + weight;  // of this lane's keys
        largest = new_largest;

        // A lane is a column.
        for (int j = 0; j < COLUMNS; ++j) sums[j] *= shrink;
        for (int m = 0; m < WARP; ++m) {
            const T weight_m = __shfl_sync(ALL_LANES, weight, m);
            for (int j = 0; j < COLUMNS; ++j) sums[j] += weight_m * values[m][lane + WARP * j];
        }
    }
    total = warp_sum(total);
    if (n >= N) return;
    for (int j = 0; j < COLUMNS; ++j)
        if (lane + WARP * j < d) y[n * step + lane + WARP * j] = sums[j] / total;
    if (lane == 0) logsumexp[static_cast<long long>(head) * N + n] = largest + log(total);
}
