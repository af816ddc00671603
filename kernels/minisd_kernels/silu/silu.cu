// SiLU: y = x sigmoid(x), and its gradient. A thread takes four elements (elementwise.cuh).
#include "elementwise.cuh"

template <typename T>
__global__ void silu_forward(const T* __restrict__ x, T* __restrict__ y, int size) {
    each_element(size, y, [](T x) { return x * sigmoid(x); }, x);
}

template <typename T>
__global__ void silu_backward(const T* __restrict__ grad_y, const T* __restrict__ x, T* __restrict__ grad_x, int size) {
    const auto gradient = [](T grad_y, T x) {
        const T s = sigmoid(x);
        return grad_y * s * (1 + x * (1 - s));
    };
    each_element(size, grad_x, gradient, grad_y, x);
}
