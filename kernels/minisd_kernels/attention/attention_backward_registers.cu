// The gradients of attention with tiles in registers: read attention_registers.cu first.
//
//     weights = exp(scores - logsumexp),    grad_weights = grad_y value^T,    grad_value = weights^T grad_y
//     grad_scores = weights (grad_weights - row_sums)
//     grad_query = scale grad_scores key,   grad_key = scale grad_scores^T query
//
// The scores are made again, block by block, and never stored (Dao et al. 2022, appendix B.2). One kernel is launched
// twice. A block owns 32 rows of the gradient and meets all rows of the other side, 32 at a time:
//
//                       own x, own y       other x, other y     writes
//     of the queries    query, grad_y        key, value           grad_own_x = grad_query
//     of the keys       key, value         query, grad_y          grad_own_x = grad_key, grad_own_y = grad_value
//
// Then both sides are the same four products: x x'^T are the scores, y y'^T is grad_weights; grad_own_x += grad_scores
// x', and for the keys grad_own_y += weights y'. The transposes of the equation come by themselves, because the keys
// are now the rows. Every number is written by one thread, in one order: the same bits on every run.
//
// A block is 64 threads, 8 groups of eight lanes. A group has 4 own rows; its lanes take every eighth of the other rows
// in the first products, and every eighth column in the second ones, where a weight comes from the lane that made it.
#include "../attention/copies.cuh"

constexpr int THREADS = 64, LANES = 8, GROUPS = THREADS / LANES, ROWS = 4, OWN = GROUPS * ROWS, OTHERS = 32;

__device__ float product(float4 x, float4 y, float sum) {
    return fmaf(x.w, y.w, fmaf(x.z, y.z, fmaf(x.y, y.y, fmaf(x.x, y.x, sum))));
}

// d <= D, a multiple of 4. D is a multiple of 8.
template <int D, bool OF_KEYS>
__global__ void __launch_bounds__(THREADS, D < 64 ? 6 : 4)
    attention_backward_registers(const float* __restrict__ own_x, const float* __restrict__ own_y,
                                 const float* __restrict__ other_x, const float* __restrict__ other_y,
                                 const float* __restrict__ logsumexp, const float* __restrict__ row_sums,
                                 float* __restrict__ grad_own_x, float* __restrict__ grad_own_y, int own_count,
                                 int other_count, int heads, int d, float scale, bool causal) {
    constexpr int STRIDE = D + 4, OTHER_ROWS = OTHERS / LANES, COLUMNS = D / LANES;
    extern __shared__ __align__(128) float memory[];
    float *own_xs = memory, *own_ys = own_xs + OWN * STRIDE;
    float *xs = own_ys + OWN * STRIDE, *ys = xs + OTHERS * STRIDE;

    const int lane = threadIdx.x % LANES, group = threadIdx.x / LANES;
    const int tiles = (own_count + OWN - 1) / OWN, head = blockIdx.x / tiles, b = head / heads, h = head % heads;
    const int first_own = blockIdx.x % tiles * OWN;
    const long long step = static_cast<long long>(heads) * d;  // from a token to the next
    const long long own_start = (static_cast<long long>(b) * own_count + first_own) * step + h * d;
    other_x += b * other_count * step + h * d;
    other_y += b * other_count * step + h * d;
    const int queries = OF_KEYS ? other_count : own_count;
    logsumexp += static_cast<long long>(head) * queries;
    row_sums += static_cast<long long>(head) * queries;

    copy_rows<THREADS, OWN, D, STRIDE>(own_xs, own_x + own_start, step, own_count - first_own, d);
    copy_rows<THREADS, OWN, D, STRIDE>(own_ys, own_y + own_start, step, own_count - first_own, d);
    float sums_x[ROWS][COLUMNS] = {}, sums_y[ROWS][COLUMNS] = {};

    // A causal query sees no later key, so a key is seen by no earlier query.
    const int begin = causal && OF_KEYS ? first_own : 0;
    const int end = causal && !OF_KEYS ? min(first_own + OWN, other_count) : other_count;
    for (int first = begin; first < end; first += OTHERS) {
        copy_rows<THREADS, OTHERS, D, STRIDE>(xs, other_x + first * step, step, other_count - first, d);
        copy_rows<THREADS, OTHERS, D, STRIDE>(ys, other_y + first * step, step, other_count - first, d);
        __pipeline_wait_prior(0);
        __syncthreads();

        float weights[ROWS][OTHER_ROWS] = {}, grad_scores[ROWS][OTHER_ROWS] = {};  // scores, grad_weights at first
#pragma unroll 1
        for (int c = 0; c < D; c += 4) {
            float4 x[ROWS], y[ROWS];
#pragma unroll
            for (int i = 0; i < ROWS; ++i) {
                x[i] = load4(own_xs + (group + GROUPS * i) * STRIDE + c);
                y[i] = load4(own_ys + (group + GROUPS * i) * STRIDE + c);
            }
#pragma unroll
            for (int j = 0; j < OTHER_ROWS; ++j) {
                const float4 other_x4 = load4(xs + (lane + LANES * j) * STRIDE + c);
                const float4 other_y4 = load4(ys + (lane + LANES * j) * STRIDE + c);
#pragma unroll
                for (int i = 0; i < ROWS; ++i) {
                    weights[i][j] = product(x[i], other_x4, weights[i][j]);
                    grad_scores[i][j] = product(y[i], other_y4, grad_scores[i][j]);
                }
            }
        }

#pragma unroll
        for (int i = 0; i < ROWS; ++i)
#pragma unroll
            for (int j = 0; j < OTHER_ROWS; ++j) {
                const int own = first_own + group + GROUPS * i, other = first + lane + LANES * j;
                const int n = OF_KEYS ? other : own, m = OF_KEYS ? own : other;
                const bool seen = own < own_count && other < other_count && !(causal && m > n);
                const float score = weights[i][j] * (scale * LOG2_E);
                weights[i][j] = seen ? weight_of(score, logsumexp[n] * LOG2_E) : 0.0f;
                grad_scores[i][j] = seen ? weights[i][j] * (grad_scores[i][j] - row_sums[n]) : 0.0f;
            }

        // Lane l has the weights of the others l, l + 8, ...; this thread sums the columns lane, lane + 8, ...
#pragma unroll
        for (int j = 0; j < OTHER_ROWS; ++j)
#pragma unroll
            for (int l = 0; l < LANES; ++l) {
                const int place = (l + LANES * j) * STRIDE + lane;
                float weight[ROWS], grad_score[ROWS];
#pragma unroll
                for (int i = 0; i < ROWS; ++i) {
                    grad_score[i] = __shfl_sync(ALL_LANES, grad_scores[i][j], l, LANES);
                    if (OF_KEYS) weight[i] = __shfl_sync(ALL_LANES, weights[i][j], l, LANES);
                }
#pragma unroll
                for (int c = 0; c < COLUMNS; ++c) {
                    const float other = xs[place + LANES * c];
#pragma unroll
                    for (int i = 0; i < ROWS; ++i) sums_x[i][c] = fmaf(grad_score[i], other, sums_x[i][c]);
                    if (OF_KEYS) {
                        const float other = ys[place + LANES * c];
#pragma unroll
                        for (int i = 0; i < ROWS; ++i) sums_y[i][c] = fmaf(weight[i], other, sums_y[i][c]);
                    }
                }
            }
        __syncthreads();
    }

    __pipeline_wait_prior(0);  // for the own rows, if there are no others
#pragma unroll
    for (int i = 0; i < ROWS; ++i) {
        const int row = group + GROUPS * i;
        if (first_own + row >= own_count) continue;
#pragma unroll
        for (int c = 0; c < COLUMNS; ++c) {
            if (lane + LANES * c >= d) continue;
            const long long place = own_start + row * step + lane + LANES * c;
            grad_own_x[place] = scale * sums_x[i][c];
            if (OF_KEYS) grad_own_y[place] = sums_y[i][c];
        }
    }
}
