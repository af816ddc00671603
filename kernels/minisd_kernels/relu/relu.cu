// ReLU: y = max(x, 0), and its gradient. A thread takes four elements (elementwise.cuh).
#include "elementwise.cuh"

template <typename T>
__global__ void relu_forward(const T* __restrict__ x, T* __restrict__ y, int size) {
    each_element(size, y, [](T x) { return x <= 0 ? T(0) : x; }, x);  // NaN is not <= 0 and passes
}

template <typename T>
__global__ void relu_backward(const T* __restrict__ grad_y, const T* __restrict__ y, T* __restrict__ grad_x, int size) {
    each_element(size, grad_x, [](T grad_y, T y) { return y > 0 ? grad_y : T(0); }, grad_y, y);
}
