// Rows of a matrix, each shared out to a group of neighbouring lanes of a warp.
//
// A whole warp for a row of 10 numbers would leave 22 lanes idle, so the launch chooses how many lanes a row gets: a
// power of two, up to 32. The lanes of a group take turns along the row, side by side, and a warp reads neighbouring
// rows together.
#pragma once

#include "common.cuh"

struct Row {
    long long index, start;  // which row it is, and where it begins in the matrix
    int lane, lanes;  // this lane takes numbers lane, lane + lanes, ...
    int end;          // ... below the row's length; 0 for groups behind the last row, which only take part in shuffles
};

// The row of this thread's group, of N rows of D numbers. A group behind the last row may read the last one.
__device__ Row row_of_group(int N, int D, int lanes) {
    const int lane = threadIdx.x % lanes, group = threadIdx.x / lanes, groups = blockDim.x / lanes;
    const long long wanted = static_cast<long long>(blockIdx.x) * groups + group;
    const long long row = wanted < N ? wanted : N - 1;
    return {row, row * D, lane, lanes, wanted < N ? D : 0};
}

// Every lane of the group gets the sum of the group's values: lanes that differ in the lower bits of their number.
template <typename T>
__device__ T group_sum(T value, int lanes) {
    for (int distance = lanes / 2; distance > 0; distance /= 2)
        value += __shfl_xor_sync(ALL_LANES, value, distance);
    return value;
}

template <typename T>
__device__ T group_max(T value, int lanes) {
    for (int distance = lanes / 2; distance > 0; distance /= 2)
        value = larger(value, __shfl_xor_sync(ALL_LANES, value, distance));
    return value;
}

// The largest number of the row x, and the sum of e^(x_d - largest).
template <typename T>
__device__ void largest_and_total(const T* x, Row row, T& largest, T& total) {
    largest = x[0];
    for (int d = row.lane; d < row.end; d += row.lanes) largest = larger(largest, x[d]);
    largest = group_max(largest, row.lanes);
    total = 0;
    for (int d = row.lane; d < row.end; d += row.lanes) total += exp(x[d] - largest);
    total = group_sum(total, row.lanes);
}
