// The gradients of attention on tensor cores (compute capability 8.0 and later): read attention_tensor.cu first.
//
//     weights = exp(scores - logsumexp),    grad_weights = grad_y value^T,    grad_value = weights^T grad_y
//     grad_scores = weights (grad_weights - row_sums)
//     grad_query = scale grad_scores key,   grad_key = scale grad_scores^T query
//
// The scores are made again, tile by tile, and never stored (Dao et al. 2022, appendix B.2). One kernel is launched
// twice. A block owns 32 rows of the gradient, 16 in each warp, and meets all rows of the other side, 16 at a time:
//
//                       own x, own y       other x, other y     writes
//     of the queries    query, grad_y        key, value           grad_own_x = grad_query
//     of the keys       key, value         query, grad_y          grad_own_x = grad_key, grad_own_y = grad_value
//
// Then both sides are the same four products: x x'^T are the scores, y y'^T is grad_weights; grad_own_x += grad_scores
// x', and for the keys grad_own_y += weights y'. The transposes of the equation come by themselves, because the keys
// are now the rows. Every number is written by one warp, in one order: the same bits on every run.
//
// Scores and grad_weights are fragments of one kind, so an element of weights and of both gradients is in the same
// place of the same lane, and the softmax needs no maximum any more: it is computed where the elements are. Only as
// left factors of the second products do weights and grad_scores go through shared memory. Registers are what limits
// this kernel, two gradients are summed in them; so the own rows wait in shared memory. The other side arrives in two
// buffers, one ahead.
#include "../attention/fragments.cuh"

constexpr int WARPS = 2, THREADS = WARPS * WARP, OWN = WARPS * TILE, OTHERS = TILE;

// d <= WIDTH, a multiple of 4. WIDTH is a multiple of 16.
template <int WIDTH, bool OF_KEYS>
__global__ void __launch_bounds__(THREADS, 4)
    attention_backward_tensor(const float* __restrict__ own_x, const float* __restrict__ own_y,
                              const float* __restrict__ other_x, const float* __restrict__ other_y,
                              const float* __restrict__ logsumexp, const float* __restrict__ row_sums,
                              float* __restrict__ grad_own_x, float* __restrict__ grad_own_y, int own_count,
                              int other_count, int heads, int d, float scale, bool causal) {
    constexpr int STRIDE = WIDTH + 4, WEIGHT_STRIDE = TILE + 4, BUFFER = 2 * OTHERS * STRIDE;

    // Shared memory: the block's own rows; two buffers of x' and y'; each warp's grad_scores and weights.
    extern __shared__ __align__(128) float memory[];
    const int warp = threadIdx.x / WARP;
    float *xs = memory, *ys = xs + OWN * STRIDE;
    float *buffer = ys + OWN * STRIDE, *next = buffer + BUFFER;
    float* grad_scores = next + BUFFER + warp * 2 * TILE * WEIGHT_STRIDE;
    float* weights = grad_scores + TILE * WEIGHT_STRIDE;
    float *own_xs = xs + warp * TILE * STRIDE, *own_ys = ys + warp * TILE * STRIDE;

    const int tiles = (own_count + OWN - 1) / OWN, head = blockIdx.x / tiles, b = head / heads, h = head % heads;
    const int first_own = blockIdx.x % tiles * OWN, own = first_own + warp * TILE;
    const long long step = static_cast<long long>(heads) * d;  // from a token to the next
    const long long first_start = (static_cast<long long>(b) * own_count + first_own) * step + h * d;
    const long long own_start = first_start + warp * TILE * step;
    other_x += b * other_count * step + h * d;
    other_y += b * other_count * step + h * d;
    const int queries = OF_KEYS ? other_count : own_count;
    logsumexp += static_cast<long long>(head) * queries;
    row_sums += static_cast<long long>(head) * queries;

    // The own rows, x times the scale.
    copy_rows<THREADS, OWN, WIDTH, STRIDE>(xs, own_x + first_start, step, own_count - first_own, d);
    copy_rows<THREADS, OWN, WIDTH, STRIDE>(ys, own_y + first_start, step, own_count - first_own, d);
    __pipeline_wait_prior(0);
    round_rows<THREADS, OWN, WIDTH, STRIDE>(xs, scale * LOG2_E);
    round_rows<THREADS, OWN, WIDTH, STRIDE>(ys);

    const Places<Left, DEPTH> of_own(weights, STRIDE), of_weights(weights, WEIGHT_STRIDE);
    const Places<RightTransposed, DEPTH> of_others_transposed(weights, STRIDE);
    const Places<Right, TILE> of_others(weights, STRIDE);
    const Places<Sums, TILE> of_sums(weights, TILE);

    // What each element's query has left: its logsumexp, in powers of 2, and its <grad_y, y>.
    float denominator[Sums::num_elements], row_sum[Sums::num_elements];
    const auto load_of_queries = [&](int first) {
#pragma unroll
        for (int e = 0; e < Sums::num_elements; ++e) {
            const int n = first + (OF_KEYS ? of_sums.at[e] % TILE : of_sums.at[e] / TILE);
            denominator[e] = n < queries ? logsumexp[n] * LOG2_E : 0.0f;
            row_sum[e] = n < queries ? row_sums[n] : 0.0f;
        }
    };
    if (!OF_KEYS) load_of_queries(own);

    Sums sums_x[WIDTH / TILE], sums_y[OF_KEYS ? WIDTH / TILE : 1];
    for (auto& sums : sums_x) wmma::fill_fragment(sums, 0.0f);
    for (auto& sums : sums_y) wmma::fill_fragment(sums, 0.0f);

    const auto copy_others = [&](int first, float* to) {
        const int count = other_count - first;
        copy_rows<THREADS, OTHERS, WIDTH, STRIDE>(to, other_x + first * step, step, count, d);
        copy_rows<THREADS, OTHERS, WIDTH, STRIDE>(to + OTHERS * STRIDE, other_y + first * step, step, count, d);
    };
    // A causal query sees no later key, so a key is seen by no earlier query.
    const int begin = causal && OF_KEYS ? first_own : 0;
    const int end = causal && !OF_KEYS ? min(first_own + OWN, other_count) : other_count;
    copy_others(begin, buffer);

    for (int first = begin; first < end; first += OTHERS) {
        const float *other_xs = buffer, *other_ys = buffer + OTHERS * STRIDE;
        __pipeline_wait_prior(0);
        round_rows<THREADS, OTHERS, WIDTH, STRIDE>(buffer);
        round_rows<THREADS, OTHERS, WIDTH, STRIDE>(buffer + OTHERS * STRIDE);
        __syncthreads();  // this buffer is full, and nobody reads the other any more
        copy_others(first + OTHERS, next);
        if (OF_KEYS) load_of_queries(first);

        Sums scores, grad_weights;
        wmma::fill_fragment(scores, 0.0f);
        wmma::fill_fragment(grad_weights, 0.0f);
#pragma unroll
        for (int c = 0; c < WIDTH; c += DEPTH) {
            const Left x = of_own.load(own_xs + c), y = of_own.load(own_ys + c);
            wmma::mma_sync(scores, x, of_others_transposed.load(other_xs + c), scores);
            wmma::mma_sync(grad_weights, y, of_others_transposed.load(other_ys + c), grad_weights);
        }

#pragma unroll
        for (int e = 0; e < Sums::num_elements; ++e) {
            const int own_row = own + of_sums.at[e] / TILE, other_row = first + of_sums.at[e] % TILE;
            const int n = OF_KEYS ? other_row : own_row, m = OF_KEYS ? own_row : other_row;
            const bool seen = other_row < other_count && !(causal && m > n);
            const float weight = weight_of(scores.x[e], denominator[e]);
            const float grad_score = weight * (grad_weights.x[e] - row_sum[e]);
            scores.x[e] = seen ? wmma::__float_to_tf32(weight) : 0.0f;
            grad_weights.x[e] = seen ? wmma::__float_to_tf32(grad_score) : 0.0f;
        }
        store_whole(grad_scores, grad_weights, WEIGHT_STRIDE);
        if (OF_KEYS) store_whole(weights, scores, WEIGHT_STRIDE);
        __syncwarp();

#pragma unroll
        for (int k = 0; k < OTHERS; k += DEPTH)
#pragma unroll
            for (int c = 0; c < WIDTH; c += TILE) {
                Sums& sum_x = sums_x[c / TILE];
                const Left left_x = of_weights.load(grad_scores + k);
                wmma::mma_sync(sum_x, left_x, of_others.load(other_xs + k * STRIDE + c), sum_x);
                if (!OF_KEYS) continue;
                Sums& sum_y = sums_y[OF_KEYS ? c / TILE : 0];
                const Left left_y = of_weights.load(weights + k);
                wmma::mma_sync(sum_y, left_y, of_others.load(other_ys + k * STRIDE + c), sum_y);
            }
        float* const read = buffer;
        buffer = next;
        next = read;
    }

    // Out through shared memory, in whole rows; each warp where its own rows were.
    for (auto& sums : sums_x)
#pragma unroll
        for (int e = 0; e < Sums::num_elements; ++e) sums.x[e] *= scale;
#pragma unroll
    for (int c = 0; c < WIDTH; c += TILE) {
        store_whole(own_xs + c, sums_x[c / TILE], STRIDE);
        if (OF_KEYS) store_whole(own_ys + c, sums_y[c / TILE], STRIDE);
    }
    __syncwarp();
    write_rows<TILE, WIDTH, STRIDE>(grad_own_x + own_start, own_xs, step, own_count - own, d);
    if (OF_KEYS) write_rows<TILE, WIDTH, STRIDE>(grad_own_y + own_start, own_ys, step, own_count - own, d);
    __pipeline_wait_prior(0);
}
