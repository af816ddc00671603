// Softmax over the last axis. A group of lanes takes a row (rows.cuh), and passes along it three times: for the largest
// number, for the sum of exponentials, and to write the quotients. Only the first pass waits for memory: the row then
// lies in the cache, so that taking the exponentials twice costs less than writing them down and reading them again.
#include "rows.cuh"

template <typename T>
__global__ void softmax_forward(const T* __restrict__ x, T* __restrict__ y, int N, int D, int lanes) {
    const Row row = row_of_group(N, D, lanes);
    T largest, total;
    largest_and_total(x + row.start, row, largest, total);
    const T scale = 1 / total;
    for (int d = row.lane; d < row.end; d += row.lanes) y[row.start + d] = exp(x[row.start + d] - largest) * scale;
}

template <typename T>
__global__ void softmax_backward(const T* __restrict__ grad_y, const T* __restrict__ y, T* __restrict__ grad_x,
                                 int N, int D, int lanes) {
    const Row row = row_of_group(N, D, lanes);
    grad_y += row.start, y += row.start, grad_x += row.start;
    T inner = 0;
    for (int d = row.lane; d < row.end; d += row.lanes) inner += grad_y[d] * y[d];
    inner = group_sum(inner, row.lanes);
    for (int d = row.lane; d < row.end; d += row.lanes) grad_x[d] = y[d] * (grad_y[d] - inner);
}
