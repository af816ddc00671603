// The SiLU behind a norm, and its gradient.
#pragma once

#include "elementwise.cuh"
#include "float4.cuh"

// The exact division has a rare case, and therefore a branch, which the next loads from memory would have to wait
// behind. This one may be wrong in the last bit or two.
__device__ inline float sigmoid(float z) { return __fdividef(1.0f, 1 + expf(-z)); }

template <typename T>
__device__ T gradient_of_z(T grad_y, T z, bool silu) {
    if (!silu) return grad_y;
    const T s = sigmoid(z);
    return grad_y * s * (1 + z * (1 - s));
}

__device__ inline float4 gradient_of_z(float4 grad_y, float4 x_hat, float4 gamma, float4 beta, bool silu) {
    if (!silu) return grad_y;
    return map4([](float grad_y, float z) { return gradient_of_z(grad_y, z, true); }, grad_y, gamma * x_hat + beta);
}

// y of four channels, from x minus the mean.
__device__ inline float4 scaled(float4 centred, float4 scale, float4 shift, bool silu) {
    const float4 z = scale * centred + shift;
    return silu ? map4([](float z) { return z * sigmoid(z); }, z) : z;
}
