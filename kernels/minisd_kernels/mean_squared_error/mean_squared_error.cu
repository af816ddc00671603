// The mean squared error, in the two steps of a sum (sums.cuh), and its gradient, four elements a thread.
#include "sums.cuh"

template <typename T>
__global__ void mean_squared_error_parts(const T* __restrict__ a, const T* __restrict__ b, double* __restrict__ parts,
                                         int size) {
    sum_in_parts(size, parts, [](T a, T b) { return (a - b) * (a - b); }, a, b);
}

template <typename T>
__global__ void mean_squared_error_forward(const double* __restrict__ parts, T* __restrict__ loss, int count,
                                           int size) {
    const double total = sum_of_parts(parts, count);
    if (threadIdx.x == 0) *loss = total / size;
}

// The gradient of the loss stays on the device: every thread reads the one number.
template <typename T>
__global__ void mean_squared_error_backward(const T* __restrict__ grad_y, const T* __restrict__ a,
                                            const T* __restrict__ b, T* __restrict__ grad_a, int size) {
    const T scale = *grad_y * 2 / size;
    each_element(size, grad_a, [=](T a, T b) { return scale * (a - b); }, a, b);
}
