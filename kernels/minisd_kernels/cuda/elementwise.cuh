// Formulas that are applied to every element by itself: a kernel says the formula, the rest is here.
//
// A thread takes four neighbours, with one load of 128 bits from each float array (float4). Memory is the limit of such
// kernels, and it is read in fewer, longer requests. At the end of the arrays, and where one does not start at a
// multiple of 16 bytes, as a view need not, the four go one by one.
#pragma once

template <typename T>
struct Four {
    T of[4];
};

template <typename... T>
__device__ bool aligned(const T*... x) {
    return ((reinterpret_cast<size_t>(x) % sizeof(float4) == 0) && ...);
}

__device__ Four<float> load_four(const float* x) {
    const float4 four = *reinterpret_cast<const float4*>(x);
    return {four.x, four.y, four.z, four.w};
}

__device__ Four<double> load_four(const double* x) {
    const double2 a = reinterpret_cast<const double2*>(x)[0], b = reinterpret_cast<const double2*>(x)[1];
    return {a.x, a.y, b.x, b.y};
}

__device__ void store_four(float* x, Four<float> four) {
    *reinterpret_cast<float4*>(x) = make_float4(four.of[0], four.of[1], four.of[2], four.of[3]);
}

__device__ void store_four(double* x, Four<double> four) {
    reinterpret_cast<double2*>(x)[0] = make_double2(four.of[0], four.of[1]);
    reinterpret_cast<double2*>(x)[1] = make_double2(four.of[2], four.of[3]);
}

template <typename T>
__device__ void store_four(const T*, Four<T>) {}  // of an array that is only read: nothing to write back

// Where this thread's four begin.
__device__ long long first_of_four() {
    return 4 * (static_cast<long long>(blockIdx.x) * blockDim.x + threadIdx.x);
}

// y[i] = formula(x[i]...).
template <typename Y, typename Formula, typename... X>
__device__ void each_element(int size, Y* y, Formula formula, const X*... x) {
    const long long i = first_of_four();
    if (i + 4 <= size && aligned(y, x...)) {
        const auto formula_of_four = [&](auto... four) {
            Four<Y> result;
            for (int k = 0; k < 4; ++k) result.of[k] = formula(four.of[k]...);
            return result;
        };
        store_four(y + i, formula_of_four(load_four(x + i)...));
    } else {
        for (long long j = i; j < i + 4 && j < size; ++j) y[j] = formula(x[j]...);
    }
}

// formula(x[i]...) in place: it takes references to the numbers that it changes, those of arrays that are not const.
template <typename Formula, typename... X>
__device__ void update_each_element(int size, Formula formula, X*... x) {
    const long long i = first_of_four();
    if (i + 4 <= size && aligned(x...)) {
        const auto update_four = [&](auto... four) {
            for (int k = 0; k < 4; ++k) formula(four.of[k]...);
            (store_four(x + i, four), ...);
        };
        update_four(load_four(x + i)...);
    } else {
        for (long long j = i; j < i + 4 && j < size; ++j) formula(x[j]...);
    }
}

template <typename T>
__device__ T sigmoid(T x) {
    return 1 / (1 + exp(-x));
}

// Phi(x): the chance that a normal number is below x.
template <typename T>
__device__ T normal_below(T x) {
    return erfc(x * T(-0.7071067811865476)) / 2;
}

// phi(x) = e^(-x^2 / 2) / sqrt(2 pi), its derivative.
template <typename T>
__device__ T normal_density(T x) {
    return exp(-x * x / 2) * T(0.3989422804014327);
}
