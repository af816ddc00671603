// Softmax over the last axis. A group of lanes takes a row (rows.cuh), and passes along it three times: for the largest
// number, for the sum of exponentials, and to write the quotients. Only the first pass waits for memory: the row then
// lies in the cache, so that taking the exponentials twice costs less than writing them down and reading them again.
#include "rows.cuh"

template <typename T>
__global__ void softmax_forward(const T* __restrict__ x, T* __restrict__ y, int rows, int N, int lanes) {
    const Row row = row_of_group(rows, N, lanes);
    T largest, total;
    largest_and_total(x + row.start, row, largest, total);
    const T scale = 1 / total;
    for (int j = row.lane; j < row.end; j += row.lanes) y[row.start + j] = exp(x[row.start + j] - largest) * scale;
}

template <typename T>
__global__ void softmax_backward(const T* __restrict__ grad_y, const T* __restrict__ y, T* __restrict__ grad_x,
                                 int rows, int N, int lanes) {
    const Row row = row_of_group(rows, N, lanes);
    grad_y += row.start, y += row.start, grad_x += row.start;
    T inner = 0;
    for (int j = row.lane; j < row.end; j += row.lanes) inner += grad_y[j] * y[j];
    inner = group_sum(inner, row.lanes);
    for (int j = row.lane; j < row.end; j += row.lanes) grad_x[j] = y[j] * (grad_y[j] - inner);
}
