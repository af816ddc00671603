// Tensor cores: a warp multiplies small matrices together. A fragment is a lane's share of a matrix; which elements those
// are CUDA leaves open, here neighbours in a row.
#pragma once

#include "cuda_bf16.h"
#include "cuda_fp16.h"

namespace nvcuda::wmma {

struct matrix_a {};
struct matrix_b {};
struct accumulator {};
struct row_major {};
struct col_major {};
enum layout_t { mem_row_major, mem_col_major };
namespace precision {
struct tf32 {};
}  // namespace precision

// TF32: float32 with 10 bits of mantissa. This is the rounding to nearest; a tensor core that gets a float32 as it is
// drops the lower bits.
inline float __float_to_tf32(float x) {
    return isfinite(x) ? __uint_as_float((__float_as_uint(x) + 0x1000u) & 0xffffe000u) : x;
}

template <typename T>
struct Stored {
    using type = T;
    static float factor(T x) { return static_cast<float>(x); }
};
template <>
struct Stored<precision::tf32> {
    using type = float;
    static float factor(float x) { return __uint_as_float(__float_as_uint(x) & 0xffffe000u); }
};

template <typename Use, int M, int N, int K, typename T, typename Layout = void>
struct fragment {
    static constexpr int rows = std::is_same_v<Use, matrix_b> ? K : M;
    static constexpr int columns = std::is_same_v<Use, matrix_a> ? K : N;
    static constexpr int num_elements = rows * columns / warpSize;
    using element = typename Stored<T>::type;
    element x[num_elements];
};

template <typename F, typename V>
void fill_fragment(F& fragment, V value) {
    for (auto& element : fragment.x) element = static_cast<typename F::element>(value);
}

template <typename F>
size_t emulated_place(int element, unsigned step, bool by_rows) {
    const int place = emulator::lane() * F::num_elements + element;
    const size_t row = place / F::columns, column = place % F::columns;
    return by_rows ? row * step + column : column * step + row;
}

template <typename Use, int M, int N, int K, typename T, typename Layout, typename P>
void load_matrix_sync(fragment<Use, M, N, K, T, Layout>& f, const P* from, unsigned step) {
    using F = fragment<Use, M, N, K, T, Layout>;
    for (int e = 0; e < F::num_elements; ++e)
        f.x[e] = from[emulated_place<F>(e, step, std::is_same_v<Layout, row_major>)];
}
template <int M, int N, int K, typename T, typename P>
void load_matrix_sync(fragment<accumulator, M, N, K, T>& f, const P* from, unsigned step, layout_t layout) {
    using F = fragment<accumulator, M, N, K, T>;
    for (int e = 0; e < F::num_elements; ++e) f.x[e] = from[emulated_place<F>(e, step, layout == mem_row_major)];
}
template <int M, int N, int K, typename T, typename P>
void store_matrix_sync(P* to, const fragment<accumulator, M, N, K, T>& f, unsigned step, layout_t layout) {
    using F = fragment<accumulator, M, N, K, T>;
    for (int e = 0; e < F::num_elements; ++e) to[emulated_place<F>(e, step, layout == mem_row_major)] = f.x[e];
}

template <typename D, typename A, typename B, typename C, typename TA, typename TB>
struct Product {  // the four fragments of a lane
    D* d;
    const A* a;
    const B* b;
    const C* c;

    static void run(emulator::Request** lanes) {
        float left[A::rows][A::columns], right[B::rows][B::columns], sums[D::rows][D::columns];
        for (int l = 0; l < warpSize; ++l) {  // the lanes' shares lie one behind the other
            const auto* own = static_cast<Product*>(lanes[l]->data);
            for (int e = 0; e < A::num_elements; ++e)
                (&left[0][0])[l * A::num_elements + e] = Stored<TA>::factor(own->a->x[e]);
            for (int e = 0; e < B::num_elements; ++e)
                (&right[0][0])[l * B::num_elements + e] = Stored<TB>::factor(own->b->x[e]);
            for (int e = 0; e < D::num_elements; ++e)
                (&sums[0][0])[l * D::num_elements + e] = static_cast<float>(own->c->x[e]);
        }
        for (int i = 0; i < D::rows; ++i)
            for (int k = 0; k < A::columns; ++k)
                for (int j = 0; j < D::columns; ++j) sums[i][j] += left[i][k] * right[k][j];
        for (int l = 0; l < warpSize; ++l)
            for (int e = 0; e < D::num_elements; ++e)
                static_cast<Product*>(lanes[l]->data)->d->x[e] =
                    static_cast<typename D::element>((&sums[0][0])[l * D::num_elements + e]);
    }
};

template <int M, int N, int K, typename TD, typename TA, typename LA, typename TB, typename LB, typename TC>
void emulated_product(emulator::Place place, fragment<accumulator, M, N, K, TD>& d,
                      const fragment<matrix_a, M, N, K, TA, LA>& a, const fragment<matrix_b, M, N, K, TB, LB>& b,
                      const fragment<accumulator, M, N, K, TC>& c) {
    using P = Product<fragment<accumulator, M, N, K, TD>, fragment<matrix_a, M, N, K, TA, LA>,
                      fragment<matrix_b, M, N, K, TB, LB>, fragment<accumulator, M, N, K, TC>, TA, TB>;
    P product{&d, &a, &b, &c};
    emulator::Request request{0xffffffffu, P::run, 0, 0, 0, &product, place};
    emulator::ask_warp(request);
}

}  // namespace nvcuda::wmma

#define mma_sync(...) emulated_product(EMULATED_HERE, __VA_ARGS__)
