// The second step of sums over many pixels or rows: each block of a first kernel left a row of partial sums, and the
// rows are added up, always in the same order, so that the same numbers give the same bits.
//
//     sums[m, c] = sum over the rows r of parts[m, r, c],    parts (matrices, rows, columns), sums (matrices, columns)
//
// One thread a sum would read its rows one after the other, and wait for each. A block takes COLUMNS columns, 32 bytes
// of each row, which is the least that memory gives, and LANES threads for each of them share the rows out in turn.
// Their sums are double, which costs nothing here: there are few of them.

constexpr int COLUMNS = 8, LANES = 32;

template <typename T>
__global__ void __launch_bounds__(COLUMNS * LANES)
column_sums(const T* __restrict__ parts, T* __restrict__ sums, int rows, int columns) {
    __shared__ double partial[LANES][COLUMNS];
    const int lane = threadIdx.x / COLUMNS, own = threadIdx.x % COLUMNS;
    const int tiles = (columns + COLUMNS - 1) / COLUMNS;
    const int matrix = blockIdx.x / tiles, column = blockIdx.x % tiles * COLUMNS + own;
    double sum = 0;
    if (column < columns) {
        const T* part = parts + static_cast<long long>(matrix) * rows * columns + column;
#pragma unroll 8
        for (int r = lane; r < rows; r += LANES) sum += part[static_cast<long long>(r) * columns];
    }
    partial[lane][own] = sum;
    __syncthreads();
    if (lane == 0 && column < columns) {
        for (int other = 1; other < LANES; ++other) sum += partial[other][own];
        sums[static_cast<long long>(matrix) * columns + column] = sum;
    }
}
