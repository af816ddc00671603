// GEGLU: y = value gelu(gate), of rows of value and gate side by side, and its gradient. A thread takes one element of
// y: its neighbours in a warp read neighbours in both halves of a row.
#include "elementwise.cuh"

template <typename T>
__global__ void geglu_forward(const T* __restrict__ x, T* __restrict__ y, int N, int D) {
    const long long i = static_cast<long long>(blockIdx.x) * blockDim.x + threadIdx.x;
    if (i >= static_cast<long long>(N) * D) return;
    const long long value = i + i / D * D;  // element d of row n is i = n D + d in y, and n 2D + d in x
    const T gate = x[value + D];
    y[i] = x[value] * (gate * normal_below(gate));
}

template <typename T>
__global__ void geglu_backward(
    const T* __restrict__ grad_y, const T* __restrict__ x, T* __restrict__ grad_x, int N, int D) {
    const long long i = static_cast<long long>(blockIdx.x) * blockDim.x + threadIdx.x;
    if (i >= static_cast<long long>(N) * D) return;
    const long long value = i + i / D * D;
    const T gate = x[value + D], below = normal_below(gate);
    grad_x[value] = grad_y[i] * (gate * below);
    grad_x[value + D] = grad_y[i] * x[value] * (below + gate * normal_density(gate));
}
