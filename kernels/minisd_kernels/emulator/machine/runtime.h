// What a kernel's program and the emulator know of each other: where threads wait, and what they ask of their warp.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <utility>

struct uint3 {
    unsigned x, y, z;
};

struct dim3 {
    unsigned x = 1, y = 1, z = 1;
    dim3(unsigned x = 1, unsigned y = 1, unsigned z = 1) : x(x), y(y), z(z) {}
    operator uint3() const { return {x, y, z}; }
};

extern uint3 threadIdx, blockIdx;  // set whenever a thread goes on
extern dim3 blockDim, gridDim;
constexpr int warpSize = 32;

namespace emulator {

struct Place {  // in the .cu file
    const char* file;
    int line;
};

// A thread waits here until all threads of its block have come.
void barrier(Place place);

// What a lane of a warp asks for together with the other lanes of its mask. When all have asked, `answer` is called
// once with their requests, nullptr for lanes outside the mask, and every lane goes on.
struct Request {
    unsigned mask;
    void (*answer)(Request** lanes);
    uint64_t value;  // what the lane gives
    int source;      // the lane that it wants to read
    uint64_t result;
    void* data;  // of the answer's own kind
    Place place;
    bool orders_memory = false;  // a shuffle or a vote does not: another lane may not see yet what was written before
};
void ask_warp(Request& request);

void* dynamic_shared();  // the block's extern __shared__ memory
[[noreturn]] void fail(const char* format, ...);

// Asynchronous copies: done when the thread waits for them, so that who forgets to wait reads what was there before.
void copy_later(void* to, const void* from, size_t bytes, size_t zeros);
void commit_copies();
void wait_for_copies(unsigned open_groups);

// Atomic operations pass here, so that they are known to be no race.
void atomic_access(const void* address, size_t bytes, const void* pc);

// Unpack a launch's arguments as the kernel's own types.
template <typename... Types, size_t... Places>
__attribute__((no_sanitize("thread"))) void call(void (*kernel)(Types...), void** values, std::index_sequence<Places...>) {
    kernel(*static_cast<std::remove_cv_t<std::remove_reference_t<Types>>*>(values[Places])...);
}
template <typename... Types>
void call(void (*kernel)(Types...), void** values) {
    call(kernel, values, std::index_sequence_for<Types...>{});
}

}  // namespace emulator
