// AdamW's step in place, the sum of a gradient's squares, and the average of weights.
// A thread takes four elements (elementwise.cuh); the sum is made in two steps (sums.cuh).
#include "sums.cuh"

// One pass over the buffers moves 7 numbers per parameter, 4 in and 3 out.
template <typename T>
__global__ void adam_step(T* param, const T* grad, T* m, T* v, int count, T size, T scale, T beta1, T rest1, T beta2,
                          T rest2, T eps, T decay, T grad_scale) {
    const auto step = [=](T& param, T grad, T& m, T& v) {
        const T g = grad_scale * grad;
        m = beta1 * m + rest1 * g;
        v = beta2 * v + rest2 * g * g;
        param -= size * m / (sqrt(v) * scale + eps) + decay * param;
    };
    update_each_element(count, step, param, grad, m, v);
}

template <typename T>
__global__ void adam_squares(const T* __restrict__ grad, double* __restrict__ parts, int count) {
    sum_in_parts(count, parts, [](double g) { return g * g; }, grad);
}

__global__ void adam_squared_length(const double* __restrict__ parts, double* __restrict__ total, int count) {
    const double sum = sum_of_parts(parts, count);
    if (threadIdx.x == 0) *total = sum;
}

template <typename T>
__global__ void adam_average(T* mean, const T* param, int count, T rate) {
    update_each_element(count, [=](T& mean, T param) { mean += rate * (param - mean); }, mean, param);
}
