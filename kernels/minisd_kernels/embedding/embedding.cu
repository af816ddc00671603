// Embedding: rows of a table, and the gradient of each row of the table: the sum of all that it was used for.
#include "common.cuh"

// A warp copies a row, its lanes side by side. The row of an id that the table does not have is NaN.
template <typename T>
__global__ void embedding_forward(const T* __restrict__ table, const long long* __restrict__ ids, T* __restrict__ y,
                                  int count, int V, int D) {
    const int n = blockIdx.x * blockDim.y + threadIdx.y;
    if (n >= count) return;
    const long long id = ids[n];
    for (int d = threadIdx.x; d < D; d += WARP)
        y[static_cast<long long>(n) * D + d] = id >= 0 && id < V ? table[id * D + d] : static_cast<T>(nan(""));
}

// A block makes 32 columns of one row v of the table. Its warps divide the ids among themselves, and a warp looks at 32
// ids at once: each lane asks whether its id is v, the ballot tells all of them which are, and for those, one after the
// other, a lane adds the number in its column. Then the warps' sums are added in order: who is first does not matter.
constexpr int SLICES = 16;

template <typename T>
__global__ void embedding_backward(const T* __restrict__ grad_y, const long long* __restrict__ ids,
                                   T* __restrict__ grad_table, int count, int D) {
    __shared__ T sums[SLICES][WARP];
    const int lane = threadIdx.x, slice = threadIdx.y, v = blockIdx.x, d = blockIdx.y * WARP + lane;
    const int length = (count + SLICES - 1) / SLICES, start = slice * length, stop = min(start + length, count);
    T sum = 0;
    for (int first = start; first < stop; first += WARP) {
        const bool mine = first + lane < stop && ids[first + lane] == v;
        for (unsigned found = __ballot_sync(ALL_LANES, mine); found != 0; found &= found - 1) {
            const int n = first + __ffs(found) - 1;  // the lowest bit that is set, and the loop clears it
            if (d < D) sum += grad_y[static_cast<long long>(n) * D + d];
        }
    }
    sums[slice][lane] = sum;
    __syncthreads();
    if (slice == 0 && d < D) {
        for (int other = 1; other < SLICES; ++other) sum += sums[other][lane];
        grad_table[static_cast<long long>(v) * D + d] = sum;
    }
}
