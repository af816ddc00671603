// The sum of a term over all elements of an array, in two steps.
//
// Blocks end in any order, so if each added its sum to one number with atomicAdd, the order of the additions, and with
// it the last bits, would change from run to run. Instead every block leaves its sum in `parts`, and a second kernel of
// one block adds them up, always in the same order. All sums are double: the blocks wait for memory anyway.
#pragma once

#include "common.cuh"
#include "elementwise.cuh"

// First step: parts[b] = the sum of term(x[i]...) over the elements of block b, which are strewn over the whole array.
template <typename Term, typename... X>
__device__ void sum_in_parts(int size, double* parts, Term term, const X*... x) {
    __shared__ double scratch[WARP];
    double sum = 0;
    const long long stride = 4ll * gridDim.x * blockDim.x;
    for (long long i = first_of_four(); i < size; i += stride) {
        if (i + 4 <= size && aligned(x...)) {
            const auto add_four = [&](auto... four) {
                for (int k = 0; k < 4; ++k) sum += term(four.of[k]...);
            };
            add_four(load_four(x + i)...);
        } else {
            for (long long j = i; j < i + 4 && j < size; ++j) sum += term(x[j]...);
        }
    }
    sum = block_sum(sum, scratch);
    if (threadIdx.x == 0) parts[blockIdx.x] = sum;
}

// Second step, one block: every thread gets the sum of the parts.
__device__ double sum_of_parts(const double* parts, int count) {
    __shared__ double scratch[WARP];
    double sum = 0;
    for (int i = threadIdx.x; i < count; i += blockDim.x) sum += parts[i];
    return block_sum(sum, scratch);
}
