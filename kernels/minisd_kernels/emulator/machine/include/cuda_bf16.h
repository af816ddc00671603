// bfloat16: the upper half of a float32, rounded to nearest, ties to even.
#pragma once

struct __nv_bfloat16 {
    unsigned short bits;
    __nv_bfloat16() = default;
    __nv_bfloat16(float x) {
        unsigned whole = emulated_bits<unsigned>(x);
        bits = x != x ? 0x7fff : (whole + 0x7fff + (whole >> 16 & 1)) >> 16;
    }
    operator float() const { return emulated_bits<float>(static_cast<unsigned>(bits) << 16); }
};
inline __nv_bfloat16 __float2bfloat16(float x) { return x; }
inline float __bfloat162float(__nv_bfloat16 x) { return x; }
