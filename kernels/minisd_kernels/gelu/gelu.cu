// GELU: y = x sigmoid(2u), its tanh form, or y = x Phi(x), the exact one, and their gradients. A thread takes four
// elements (elementwise.cuh).
#include "elementwise.cuh"

constexpr double SLOPE = 1.5957691216057308;  // 2 sqrt(2 / pi)
constexpr double CUBIC = 0.044715;

template <typename T>
__device__ T gate(T x) {
    return sigmoid(T(SLOPE) * (x + T(CUBIC) * x * x * x));
}

template <typename T>
__global__ void gelu_tanh_forward(const T* __restrict__ x, T* __restrict__ y, int size) {
    each_element(size, y, [](T x) { return x * gate(x); }, x);
}

template <typename T>
__global__ void gelu_tanh_backward(
    const T* __restrict__ grad_y, const T* __restrict__ x, T* __restrict__ grad_x, int size) {
    const auto gradient = [](T grad_y, T x) {
        const T s = gate(x);
        return grad_y * (s + x * s * (1 - s) * T(SLOPE) * (1 + T(3 * CUBIC) * x * x));
    };
    each_element(size, grad_x, gradient, grad_y, x);
}

template <typename T>
__global__ void gelu_exact_forward(const T* __restrict__ x, T* __restrict__ y, int size) {
    each_element(size, y, [](T x) { return x * normal_below(x); }, x);
}

template <typename T>
__global__ void gelu_exact_backward(
    const T* __restrict__ grad_y, const T* __restrict__ x, T* __restrict__ grad_x, int size) {
    const auto gradient = [](T grad_y, T x) { return grad_y * (normal_below(x) + x * normal_density(x)); };
    each_element(size, grad_x, gradient, grad_y, x);
}
