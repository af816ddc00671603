// Four neighbouring channels of a pixel, read and written by one access of 128 bits, and arithmetic on all four.
//
// A warp that reads 32 of them asks for 512 bytes at once: fewer requests, each longer, than with a float a thread. The
// address must be a multiple of 16 bytes: float4.py tells the launch whether it is.
#pragma once

__device__ inline float4 load4(const float* x) { return *reinterpret_cast<const float4*>(x); }
__device__ inline void store4(float* x, float4 four) { *reinterpret_cast<float4*>(x) = four; }

__device__ inline float4 all4(float x) { return make_float4(x, x, x, x); }

__device__ inline float4 operator+(float4 a, float4 b) {
    return make_float4(a.x + b.x, a.y + b.y, a.z + b.z, a.w + b.w);
}
__device__ inline float4 operator-(float4 a, float4 b) {
    return make_float4(a.x - b.x, a.y - b.y, a.z - b.z, a.w - b.w);
}
__device__ inline float4 operator*(float4 a, float4 b) {
    return make_float4(a.x * b.x, a.y * b.y, a.z * b.z, a.w * b.w);
}
__device__ inline float4 operator*(float a, float4 b) { return all4(a) * b; }

// The formula's value for each of the four.
template <typename Formula>
__device__ float4 map4(Formula formula, float4 a) {
    return make_float4(formula(a.x), formula(a.y), formula(a.z), formula(a.w));
}
template <typename Formula>
__device__ float4 map4(Formula formula, float4 a, float4 b) {
    return make_float4(formula(a.x, b.x), formula(a.y, b.y), formula(a.z, b.z), formula(a.w, b.w));
}

__device__ inline float sum4(float4 four) { return (four.x + four.y) + (four.z + four.w); }
