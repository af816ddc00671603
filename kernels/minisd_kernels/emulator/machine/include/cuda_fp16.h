// 16-bit floating point with 10 bits of mantissa: the compiler's own.
#pragma once

typedef _Float16 __half;
typedef __half half;
inline __half __float2half(float x) { return static_cast<__half>(x); }
inline float __half2float(__half x) { return static_cast<float>(x); }
