// Attention, step 4 of 4: both products on tensor cores (compute capability 8.0 and later).
//
// Changed: a warp has 16 ROW_TILES queries, and its 32 lanes together multiply a matrix of 16 x 8 numbers by one of
// 8 x 16 (fragments.cuh). The factors are rounded to TF32, float32 with 10 of the mantissa's 23 bits; products and sums
// are float32. The running softmax, the two buffers and the copies that run ahead are those of step 3.
//
// Faster, because tensor cores make several times as many multiply-adds as the ordinary units. Then the time goes into
// feeding them:
// - the queries stay in registers as left factors, and so do the sums of y;
// - with ROW_TILES = 2, a piece of the keys or values that is loaded is used twice;
// - each number of a key or value is rounded once for all warps, by the thread that has copied it.
//
// The softmax needs whole rows, and nobody says which lane holds which element of a fragment. So the scores go through
// shared memory: two lanes (ROW_TILES = 1) or one (2) take a row there, turn its scores into weights and leave them as
// the left factor of the second product. Behind its row a lane also leaves the factor by which what has been summed so
// far must shrink; for that the lanes have found out which rows the elements of their sums are in.
//
// A block is four warps, 64 ROW_TILES queries of one head.
#include "../attention/fragments.cuh"

constexpr int WARPS = 4, THREADS = WARPS * WARP;

// d <= D, a multiple of 4. D is a multiple of 8, KEYS of 16.
template <int D, int ROW_TILES, int KEYS>
__global__ void __launch_bounds__(THREADS, D > 80 ? 2 : 3)
    attention_forward_tensor(const float* __restrict__ query, const float* __restrict__ key,
                             const float* __restrict__ value, float* __restrict__ y, float* __restrict__ logsumexp,
                             int N, int M, int heads, int d, float scale, bool causal) {
    constexpr int ROWS = TILE * ROW_TILES, QUERIES = WARPS * ROWS;  // of a warp, of a block
    constexpr int LANES = WARP / ROWS, SHARE = KEYS / LANES;        // lanes that share a row of scores; keys of each
    constexpr int WIDTH = (D + TILE - 1) / TILE * TILE;             // columns of y
    // Strides that let the lanes of a warp read a fragment from 32 different banks.
    constexpr int KEY_STRIDE = D + 4, VALUE_STRIDE = WIDTH + 8, SCORE_STRIDE = KEYS + 4, OUT_STRIDE = WIDTH + 4;

    // Shared memory: keys, values, each warp's scores. Before the loop the block's queries, after it the block's y.
    extern __shared__ __align__(128) float memory[];
    float *keys = memory, *values = keys + KEYS * KEY_STRIDE;
    const int lane = threadIdx.x % WARP, warp = threadIdx.x / WARP;
    float* scores = values + KEYS * VALUE_STRIDE + warp * ROWS * SCORE_STRIDE;

    const int tiles = (N + QUERIES - 1) / QUERIES, head = blockIdx.x / tiles, b = head / heads, h = head % heads;
    const int first_n = blockIdx.x % tiles * QUERIES, own_n = first_n + warp * ROWS;
    const long long step = static_cast<long long>(heads) * d;  // from a token to the next
    query += (static_cast<long long>(b) * N + first_n) * step + h * d;
    y += (static_cast<long long>(b) * N + own_n) * step + h * d;
    key += b * M * step + h * d;
    value += b * M * step + h * d;

    // The queries, times the scale.
    Left queries[ROW_TILES][D / DEPTH];
    copy_rows<THREADS, QUERIES, D, KEY_STRIDE>(memory, query, step, N - first_n, d);
    __pipeline_wait_prior(0);
    round_rows<THREADS, QUERIES, D, KEY_STRIDE>(memory, scale * LOG2_E);
    __syncthreads();
#pragma unroll
    for (int t = 0; t < ROW_TILES; ++t)
#pragma unroll
        for (int c = 0; c < D; c += DEPTH)
            load_whole(queries[t][c / DEPTH], memory + (warp * ROWS + t * TILE) * KEY_STRIDE + c, KEY_STRIDE);
    __syncthreads();

    Sums sums[ROW_TILES][WIDTH / TILE];
#pragma unroll
    for (int t = 0; t < ROW_TILES; ++t)
#pragma unroll
        for (int c = 0; c < WIDTH / TILE; ++c) wmma::fill_fragment(sums[t][c], 0.0f);

    const Places<RightTransposed, DEPTH> of_keys(scores, KEY_STRIDE);
    const Places<Left, DEPTH> of_weights(scores, SCORE_STRIDE);
    const Places<Right, TILE> of_values(scores, VALUE_STRIDE);
    const Places<Sums, TILE> of_sums(scores, TILE);
    const auto scale_rows = [&] {  // by the factors behind the rows of scores
#pragma unroll
        for (int t = 0; t < ROW_TILES; ++t)
#pragma unroll
            for (int e = 0; e < Sums::num_elements; ++e) {
                const float factor = scores[(t * TILE + of_sums.at[e] / TILE) * SCORE_STRIDE + KEYS];
#pragma unroll
                for (int c = 0; c < WIDTH / TILE; ++c) sums[t][c].x[e] *= factor;
            }
    };

    // This lane's row of scores, and its share of the row.
    const int row = lane % ROWS, share = lane / ROWS * SHARE;
    const int seen = causal ? min(own_n + row + 1, M) : M, seen_by_all = causal ? own_n + 1 : M;
    float* own_scores = scores + row * SCORE_STRIDE + share;
    float* row_factor = scores + row * SCORE_STRIDE + KEYS;
    float largest = LOWEST, total = 0;

    const int seen_by_block = causal ? min(first_n + QUERIES, M) : M;
    copy_rows<THREADS, KEYS, D, KEY_STRIDE>(keys, key, step, M, d);
    __pipeline_wait_prior(0);
    round_rows<THREADS, KEYS, D, KEY_STRIDE>(keys);
    __syncthreads();

    for (int first = 0; first < seen_by_block; first += KEYS) {
        copy_rows<THREADS, KEYS, WIDTH, VALUE_STRIDE>(values, value + first * step, step, M - first, d);

        // scores = queries keys^T
#pragma unroll
        for (int j = 0; j < KEYS; j += TILE) {
            Sums tile[ROW_TILES];
#pragma unroll
            for (int t = 0; t < ROW_TILES; ++t) wmma::fill_fragment(tile[t], 0.0f);
#pragma unroll
            for (int c = 0; c < D; c += DEPTH) {
                const RightTransposed k = of_keys.load(keys + j * KEY_STRIDE + c);
#pragma unroll
                for (int t = 0; t < ROW_TILES; ++t) wmma::mma_sync(tile[t], queries[t][c / DEPTH], k, tile[t]);
            }
#pragma unroll
            for (int t = 0; t < ROW_TILES; ++t)
                store_whole(scores + t * TILE * SCORE_STRIDE + j, tile[t], SCORE_STRIDE);
        }
        __pipeline_wait_prior(0);
        round_rows<THREADS, KEYS, WIDTH, VALUE_STRIDE>(values);
        __syncthreads();  // the values and the scores are there, and nobody reads the keys any more
        copy_rows<THREADS, KEYS, D, KEY_STRIDE>(keys, key + (first + KEYS) * step, step, M - first - KEYS, d);

        // The softmax runs along; scores become weights.
        if (first + KEYS > seen_by_all)
            for (int j = 0; j < SHARE; ++j)
                if (first + share + j >= seen) own_scores[j] = hidden();
        float most = largest;
#pragma unroll 2
        for (int j = 0; j < SHARE; j += 4) {
            const float4 score = load4(own_scores + j);
            most = fmaxf(fmaxf(fmaxf(most, score.x), fmaxf(score.y, score.z)), score.w);
        }
        for (int distance = ROWS; distance < WARP; distance *= 2)
            most = fmaxf(most, __shfl_xor_sync(ALL_LANES, most, distance));
        const float shrink = exp2f(largest - most);
        largest = most;
        total *= shrink;
#pragma unroll 2
        for (int j = 0; j < SHARE; j += 4) {
            const float4 score = load4(own_scores + j);
            const float4 weight = rounded(make_float4(exp2f(score.x - most), exp2f(score.y - most),
                                                      exp2f(score.z - most), exp2f(score.w - most)));
            total += (weight.x + weight.y) + (weight.z + weight.w);  // as the values will be multiplied with it
            store4(own_scores + j, weight);
        }
        if (share == 0) *row_factor = shrink;
        __syncwarp();

        // sums = shrink sums + weights values
        if (__any_sync(ALL_LANES, shrink != 1)) scale_rows();  // few blocks of keys bring a larger score
#pragma unroll
        for (int k = 0; k < KEYS; k += DEPTH) {
            Left weights[ROW_TILES];
#pragma unroll
            for (int t = 0; t < ROW_TILES; ++t) weights[t] = of_weights.load(scores + t * TILE * SCORE_STRIDE + k);
#pragma unroll
            for (int c = 0; c < WIDTH; c += TILE) {
                const Right v = of_values.load(values + k * VALUE_STRIDE + c);
#pragma unroll
                for (int t = 0; t < ROW_TILES; ++t)
                    wmma::mma_sync(sums[t][c / TILE], weights[t], v, sums[t][c / TILE]);
            }
        }
        __pipeline_wait_prior(0);
        round_rows<THREADS, KEYS, D, KEY_STRIDE>(keys);
        __syncthreads();  // the next keys are there, and nobody reads the values any more
    }

    for (int distance = ROWS; distance < WARP; distance *= 2) total += __shfl_xor_sync(ALL_LANES, total, distance);
    if (share == 0) {
        *row_factor = 1 / total;
        if (own_n + row < N)
            logsumexp[static_cast<long long>(head) * N + own_n + row] = (largest + log2f(total)) * LN_2;
    }
    __syncwarp();
    scale_rows();

    // Out through shared memory, in whole rows.
    __syncthreads();
    float* own_out = memory + warp * ROWS * OUT_STRIDE;
#pragma unroll
    for (int t = 0; t < ROW_TILES; ++t)
#pragma unroll
        for (int c = 0; c < WIDTH; c += TILE)
            store_whole(own_out + t * TILE * OUT_STRIDE + c, sums[t][c / TILE], OUT_STRIDE);
    __syncwarp();
    write_rows<ROWS, WIDTH, OUT_STRIDE>(y, own_out, step, N - own_n, d);
}
