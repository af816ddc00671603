// SiLU: y = x sigmoid(slope x), and its gradient. A thread takes four elements (elementwise.cuh).
#include "elementwise.cuh"

template <typename T>
__global__ void silu_forward(const T* __restrict__ x, T* __restrict__ y, int size, double slope) {
    each_element(size, y, [=](T x) { return x * sigmoid(T(slope) * x); }, x);
}

template <typename T>
__global__ void silu_backward(
    const T* __restrict__ grad_y, const T* __restrict__ x, T* __restrict__ grad_x, int size, double slope) {
    const auto gradient = [=](T grad_y, T x) {
        const T s = sigmoid(T(slope) * x);
        return grad_y * s * (1 + T(slope) * x * (1 - s));
    };
    each_element(size, grad_x, gradient, grad_y, x);
}
