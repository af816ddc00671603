// Convolution, step 2 of 4: a block computes a tile of 16 x 16 outputs from tiles in shared memory.
//
// What changed: the sum is seen as a matrix product, y (pixels, O) = A (pixels, kh kw C) weight (kh kw C, O), where A
// is gathered from the picture (window.cuh). In step 1 the threads of a block read the same numbers again and again:
// the outputs of a pixel share a row of A, and those of a channel share a column of the weight. Now the block brings 16
// steps of k of its 16 rows and 16 columns into shared memory, each thread one number of both, and all multiply from
// there.
// Why it is faster: a number that was brought is used 16 times, so global memory is read a sixteenth as often.
// What is left: every product still costs two reads, now of shared memory (conv2d_registers.cu).
#include "../conv2d/window.cuh"

constexpr int TILE = 16;

template <typename T>
__global__ void conv2d_tiled_forward(const T* __restrict__ x, const T* __restrict__ weight, const T* __restrict__ bias,
                                     T* __restrict__ y, Window window, int O) {
    __shared__ T left[TILE][TILE], right[TILE][TILE];
    const int M = window.B * window.P * window.Q, K = window.kh * window.kw * window.C;
    const int row = threadIdx.y, column = threadIdx.x;
    const int m = blockIdx.x * TILE + row, o = blockIdx.y * TILE + column;
    T sum = 0;
    for (int k = 0; k < K; k += TILE) {
        left[row][column] = m < M && k + column < K ? gathered(x, window, m, k + column) : 0;
        right[row][column] = k + row < K && o < O ? weight[(k + row) * O + o] : 0;
        __syncthreads();  // the tiles are complete
        for (int t = 0; t < TILE; ++t) sum += left[row][t] * right[t][column];
        __syncthreads();  // and read, so that the next ones may take their place
    }
    if (m < M && o < O) y[m * O + o] = sum + (bias ? bias[o] : 0);
}
