// CUDA's language in terms of C++: what stands before a kernel's text when it is compiled for the CPU.
#pragma once

#include <cfloat>
#include <cmath>
#include <cstring>

#include "runtime.h"

#define __global__ static  // and so is its shared memory: of this program alone
#define __device__
#define __host__
#define __forceinline__ inline
#define __noinline__ __attribute__((noinline))
#define __constant__ static const
#define __shared__ static  // one block runs at a time
#define __align__(bytes) __attribute__((aligned(bytes)))
#define __launch_bounds__(...)
#define __grid_constant__
#ifndef __restrict__
#define __restrict__ __restrict
#endif
#define EMULATED_HERE (emulator::Place{__FILE__, __LINE__})

using std::isfinite;
using std::isinf;
using std::isnan;

// ---- Vectors: one access to memory, as on the GPU.

#define EMULATED_VECTOR(name, T, bytes, ...)                           \
    struct alignas(bytes) name {                                       \
        typedef T Whole __attribute__((vector_size(bytes), may_alias)); \
        T __VA_ARGS__;                                                 \
        name() = default;                                              \
        name(const name& other) { *this = other; }                     \
        name& operator=(const name& other) {                           \
            *reinterpret_cast<Whole*>(this) = *reinterpret_cast<const Whole*>(&other); \
            return *this;                                              \
        }
#define EMULATED_VECTOR_2(name, T)                          \
    EMULATED_VECTOR(name, T, 2 * sizeof(T), x, y)           \
        name(T x, T y) : x(x), y(y) {}                      \
    };                                                      \
    inline name make_##name(T x, T y) { return name(x, y); }
#define EMULATED_VECTOR_4(name, T)                                  \
    EMULATED_VECTOR(name, T, 4 * sizeof(T), x, y, z, w)             \
        name(T x, T y, T z, T w) : x(x), y(y), z(z), w(w) {}        \
    };                                                              \
    inline name make_##name(T x, T y, T z, T w) { return name(x, y, z, w); }

EMULATED_VECTOR_2(float2, float)
EMULATED_VECTOR_4(float4, float)
EMULATED_VECTOR_2(double2, double)
EMULATED_VECTOR_2(int2, int)
EMULATED_VECTOR_4(int4, int)
EMULATED_VECTOR_2(uint2, unsigned)
EMULATED_VECTOR_4(uint4, unsigned)
EMULATED_VECTOR_4(uchar4, unsigned char)

// ---- Barriers and what the lanes of a warp do together

#define __syncthreads() emulator::barrier(EMULATED_HERE)
#define __syncwarp(...) emulator::synchronise_warp(EMULATED_HERE, ##__VA_ARGS__)
#define __shfl_sync(mask, value, source, ...) emulator::shuffle(EMULATED_HERE, 'i', mask, value, source, ##__VA_ARGS__)
#define __shfl_up_sync(mask, value, by, ...) emulator::shuffle(EMULATED_HERE, 'u', mask, value, by, ##__VA_ARGS__)
#define __shfl_down_sync(mask, value, by, ...) emulator::shuffle(EMULATED_HERE, 'd', mask, value, by, ##__VA_ARGS__)
#define __shfl_xor_sync(mask, value, bits, ...) emulator::shuffle(EMULATED_HERE, 'x', mask, value, bits, ##__VA_ARGS__)
#define __ballot_sync(mask, yes) emulator::ballot(EMULATED_HERE, mask, yes)
#define __any_sync(mask, yes) (emulator::ballot(EMULATED_HERE, mask, yes) != 0)
#define __all_sync(mask, yes) (emulator::ballot(EMULATED_HERE, mask, !(yes)) == 0)
#define __threadfence()
#define __threadfence_block()

namespace emulator {

inline int lane() { return (threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z)) % warpSize; }

inline void synchronise_warp(Place place, unsigned mask = 0xffffffffu) {
    Request request{mask, [](Request**) {}, 0, 0, 0, nullptr, place, true};
    ask_warp(request);
}

inline void answer_shuffle(Request** lanes) {
    for (int l = 0; l < warpSize; ++l) {
        if (!lanes[l]) continue;
        const Request* source = lanes[lanes[l]->source];
        if (!source) fail("%s:%d: lane %d shuffles with lane %d, which is not in its mask", lanes[l]->place.file,
                          lanes[l]->place.line, l, lanes[l]->source);
        lanes[l]->result = source->value;
    }
}

template <typename T>
T shuffle(Place place, char how, unsigned mask, T value, int by, int width = warpSize) {
    static_assert(sizeof(T) <= 8, "a shuffle moves at most 64 bits");
    const int own = lane(), first = own / width * width;
    int source = how == 'i' ? first + (by & (width - 1)) : how == 'u' ? own - by : how == 'd' ? own + by : own ^ by;
    if (source < first || source >= first + width) source = own;  // beyond the ends a lane keeps its own
    Request request{mask, answer_shuffle, 0, source, 0, nullptr, place};
    std::memcpy(&request.value, &value, sizeof(T));
    ask_warp(request);
    std::memcpy(&value, &request.result, sizeof(T));
    return value;
}

inline unsigned ballot(Place place, unsigned mask, bool yes) {
    Request request{mask, [](Request** lanes) {
        unsigned bits = 0;
        for (int l = 0; l < warpSize; ++l)
            if (lanes[l] && lanes[l]->value) bits |= 1u << l;
        for (int l = 0; l < warpSize; ++l)
            if (lanes[l]) lanes[l]->result = bits;
    }, yes, 0, 0, nullptr, place};
    ask_warp(request);
    return static_cast<unsigned>(request.result);
}

// ---- The tensor cores' own instruction mma.m16n8k8 for TF32, which a kernel can only name in assembly: sums += A B,
// where lane 4 g + t holds rows g, g + 8, g, g + 8 of columns t, t, t + 4, t + 4 of A (16 x 8), rows t, t + 4 of column g
// of B (8 x 8), and rows g, g, g + 8, g + 8 of columns 2 t, 2 t + 1, 2 t, 2 t + 1 of the sums.

struct ProductOfWarp {
    float* sums;
    const unsigned *a, *b;  // bits of float32, of which TF32 has no more than the upper 19
};

inline void answer_product(Request** lanes) {
    float a[16][8], b[8][8], sums[16][8] = {};
    const auto factor = [](unsigned bits) {
        float value;
        bits &= 0xffffe000u;
        std::memcpy(&value, &bits, sizeof value);
        return value;
    };
    for (int l = 0; l < warpSize; ++l) {
        const auto* own = static_cast<ProductOfWarp*>(lanes[l]->data);
        const int g = l / 4, t = l % 4;
        for (int e = 0; e < 4; ++e) a[g + e % 2 * 8][t + e / 2 * 4] = factor(own->a[e]);
        for (int e = 0; e < 2; ++e) b[t + 4 * e][g] = factor(own->b[e]);
    }
    for (int i = 0; i < 16; ++i)
        for (int k = 0; k < 8; ++k)
            for (int j = 0; j < 8; ++j) sums[i][j] += a[i][k] * b[k][j];
    for (int l = 0; l < warpSize; ++l)
        for (int e = 0; e < 4; ++e)
            static_cast<ProductOfWarp*>(lanes[l]->data)->sums[e] += sums[l / 4 + e / 2 * 8][l % 4 * 2 + e % 2];
}

inline void multiply_16x8x8(Place place, float* sums, const unsigned* a, const unsigned* b) {
    ProductOfWarp product{sums, a, b};
    Request request{0xffffffffu, answer_product, 0, 0, 0, &product, place};
    ask_warp(request);
}

// ---- Atomic operations: one thread runs at a time, so the plain operation is one.

template <typename T, typename Change>
__attribute__((noinline, no_sanitize("thread"))) T atomically(T* address, Change change) {
    atomic_access(address, sizeof(T), __builtin_return_address(0));
    const T before = *address;
    *address = change(before);
    return before;
}

}  // namespace emulator

template <typename T>
inline T atomicAdd(T* address, std::common_type_t<T> value) {
    return emulator::atomically(address, [=](T old) { return old + value; });
}
template <typename T>
inline T atomicMax(T* address, std::common_type_t<T> value) {
    return emulator::atomically(address, [=](T old) { return old < value ? value : old; });
}
template <typename T>
inline T atomicMin(T* address, std::common_type_t<T> value) {
    return emulator::atomically(address, [=](T old) { return value < old ? value : old; });
}
template <typename T>
inline T atomicExch(T* address, std::common_type_t<T> value) {
    return emulator::atomically(address, [=](T) { return value; });
}
template <typename T>
inline T atomicCAS(T* address, std::common_type_t<T> compare, std::common_type_t<T> value) {
    return emulator::atomically(address, [=](T old) { return old == compare ? value : old; });
}

// ---- Arithmetic that CUDA has and C++ has not, or under another name; __expf and its kin are exact here.

template <typename T, typename U>
inline std::common_type_t<T, U> max(T a, U b) {
    return a < b ? std::common_type_t<T, U>(b) : std::common_type_t<T, U>(a);
}
template <typename T, typename U>
inline std::common_type_t<T, U> min(T a, U b) {
    return b < a ? std::common_type_t<T, U>(b) : std::common_type_t<T, U>(a);
}
inline float rsqrtf(float x) { return 1 / std::sqrt(x); }
inline double rsqrt(double x) { return 1 / std::sqrt(x); }
inline float __expf(float x) { return std::exp(x); }
inline float __logf(float x) { return std::log(x); }
inline float __fdividef(float a, float b) { return a / b; }
inline float __frcp_rn(float x) { return 1 / x; }
inline float __fmaf_rn(float a, float b, float c) { return std::fma(a, b, c); }
inline float __saturatef(float x) { return x > 0 ? (x < 1 ? x : 1) : 0; }
inline int __popc(unsigned bits) { return __builtin_popcount(bits); }
inline int __ffs(int bits) { return __builtin_ffs(bits); }
inline int __clz(int bits) { return bits ? __builtin_clz(static_cast<unsigned>(bits)) : 32; }
template <typename T>
inline T __ldg(const T* address) {
    return *address;
}
template <typename To, typename From>
inline To emulated_bits(From value) {
    To result;
    static_assert(sizeof(To) == sizeof(From));
    std::memcpy(&result, &value, sizeof(To));
    return result;
}
inline int __float_as_int(float x) { return emulated_bits<int>(x); }
inline unsigned __float_as_uint(float x) { return emulated_bits<unsigned>(x); }
inline float __int_as_float(int x) { return emulated_bits<float>(x); }
inline float __uint_as_float(unsigned x) { return emulated_bits<float>(x); }
