// How a launch runs: block after block, every CUDA thread a fiber, each until it must wait for others.

#include <sys/mman.h>

#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <vector>

#include "fiber.h"
#include "watch.h"

uint3 threadIdx, blockIdx;
dim3 blockDim, gridDim;

namespace emulator {
namespace {

constexpr size_t STACK = 256 << 10;  // bytes of address space; only what is touched costs memory

enum class State { ready, at_barrier, in_warp, done };

struct Failure {};  // of an answer to a warp, which runs between the fibers

struct Copy {
    void* to;
    const void* from;
    size_t bytes, zeros;
    const void* pc;
};

struct Thread {
    Fiber fiber;
    uint3 index;
    State state;
    Place place;       // where it waits
    Request* request;  // what it waits for in its warp
    std::vector<std::vector<Copy>> copies;  // the groups on the way; the last one is still open
};

std::vector<Thread> threads;
char* stacks = nullptr;
size_t stacks_size = 0;
Fiber scheduler;
Thread* running = nullptr;
void (*kernel)(void**) = nullptr;
void** kernel_arguments = nullptr;
char* dynamic_memory = nullptr;
size_t dynamic_bytes = 0;
char message[1000];
bool failed = false;

void run_thread() {
    kernel(kernel_arguments);
    running->state = State::done;
    switch_fibers(running->fiber, scheduler);
}

void wait(State state, Place place) {
    running->state = state;
    running->place = place;
    switch_fibers(running->fiber, scheduler);
}

void go_on(Thread& thread) {
    running = &thread;
    threadIdx = thread.index;
    switch_fibers(scheduler, thread.fiber);
    running = nullptr;
}

int number(const Thread& thread) { return static_cast<int>(&thread - threads.data()); }

const char* describe(const Thread& thread, char* text, size_t size) {
    if (thread.state == State::done)
        std::snprintf(text, size, "thread %d has returned", number(thread));
    else
        std::snprintf(text, size, "thread %d waits %s at %s:%d", number(thread),
                      thread.state == State::at_barrier ? "for its block" : "for its warp", thread.place.file,
                      thread.place.line);
    return text;
}

void note(const char* format, ...) {  // the first failure counts
    if (failed) return;
    failed = true;
    char text[800];
    va_list values;
    va_start(values, format);
    std::vsnprintf(text, sizeof text, format, values);
    va_end(values);
    std::snprintf(message, sizeof message, "block (%u, %u, %u): %s", blockIdx.x, blockIdx.y, blockIdx.z, text);
}

// Answer the requests of a warp's lanes for which all lanes of the mask have come; whether there was one.
bool answer_warp(size_t first) {
    const size_t lanes = std::min<size_t>(warpSize, threads.size() - first);
    for (size_t l = 0; l < lanes; ++l) {
        Thread& asking = threads[first + l];
        if (asking.state != State::in_warp) continue;
        Request* requests[warpSize] = {};
        bool complete = true;
        for (size_t other = 0; other < static_cast<size_t>(warpSize) && complete; ++other) {
            if (!(asking.request->mask >> other & 1)) continue;
            complete = other < lanes && threads[first + other].state == State::in_warp &&
                       threads[first + other].request->mask == asking.request->mask &&
                       threads[first + other].request->answer == asking.request->answer;
            if (complete) requests[other] = threads[first + other].request;
        }
        if (!complete) continue;
        try {
            asking.request->answer(requests);
        } catch (const Failure&) {
            return false;
        }
        for (size_t other = 0; other < lanes; ++other)
            if (requests[other]) threads[first + other].state = State::ready;
        if (asking.request->orders_memory) watch_warp_met(first / warpSize);
        return true;
    }
    return false;
}

// A lane of a warp waits for another that cannot come: say which.
void explain_warp(const Thread& asking) {
    const size_t first = number(asking) / warpSize * warpSize;
    char text[300];
    for (size_t l = 0; l < static_cast<size_t>(warpSize); ++l) {
        if (!(asking.request->mask >> l & 1)) continue;
        const bool exists = first + l < threads.size();
        if (exists && threads[first + l].state == State::in_warp &&
            threads[first + l].request->mask == asking.request->mask)
            continue;
        return note("%s:%d: thread %d waits for lane %zu of its warp (mask %08x), which never comes: %s",
                    asking.place.file, asking.place.line, number(asking), l, asking.request->mask,
                    exists ? describe(threads[first + l], text, sizeof text) : "the block has no such thread");
    }
    note("%s:%d: the lanes of a warp wait for each other in different operations", asking.place.file, asking.place.line);
}

void run_block(bool reversed) {
    watch_block_begins(dynamic_memory, dynamic_bytes);
    const size_t count = threads.size(), warps = (count + warpSize - 1) / warpSize;
    for (size_t t = 0; t < count; ++t) {
        Thread& thread = threads[t];
        thread.state = State::ready;
        if (thread.copies.size() != 1 || !thread.copies[0].empty()) thread.copies.assign(1, {});
        prepare(thread.fiber, stacks + t * STACK, STACK, run_thread);
    }
    while (!failed) {
        for (size_t w = 0; w < warps && !failed; ++w) {
            const size_t first = (reversed ? warps - 1 - w : w) * warpSize, last = std::min(first + warpSize, count);
            do {
                for (size_t t = first; t < last && !failed; ++t) {
                    Thread& thread = threads[reversed ? last - 1 - (t - first) : t];
                    if (thread.state == State::ready) go_on(thread);
                }
            } while (!failed && answer_warp(first));
        }
        if (failed) break;
        // Nobody can go on alone: either all wait at one barrier, or they wait for each other for ever.
        const Thread* waiting = nullptr;
        size_t done = 0;
        for (const Thread& thread : threads) {
            if (thread.state == State::in_warp) return explain_warp(thread);
            if (thread.state == State::done) ++done;
            else if (!waiting) waiting = &thread;
        }
        if (!waiting) return;
        char text[300], other[300];
        for (const Thread& thread : threads)
            if (thread.state == State::done || thread.place.line != waiting->place.line ||
                std::strcmp(thread.place.file, waiting->place.file) != 0)
                return note("%s:%d: a barrier that only some threads reach: %s, but %s", waiting->place.file,
                            waiting->place.line, describe(*waiting, text, sizeof text),
                            describe(thread, other, sizeof other));
        for (Thread& thread : threads) thread.state = State::ready;
        watch_block_met();
    }
}

}  // namespace

void fail(const char* format, ...) {
    char text[800];
    va_list values;
    va_start(values, format);
    std::vsnprintf(text, sizeof text, format, values);
    va_end(values);
    note("%s", text);
    if (!running) throw Failure();
    switch_fibers(running->fiber, scheduler);
    __builtin_unreachable();  // a failed thread never goes on
}

void barrier(Place place) { wait(State::at_barrier, place); }

void ask_warp(Request& request) {
    if (!(request.mask >> (number(*running) % warpSize) & 1))
        fail("%s:%d: thread %d is not in the mask %08x that it gives", request.place.file, request.place.line,
             number(*running), request.mask);
    running->request = &request;
    wait(State::in_warp, request.place);
}

void* dynamic_shared() { return dynamic_memory; }

int running_thread() { return running ? number(*running) : -1; }

bool on_a_stack(uintptr_t address) {
    const auto first = reinterpret_cast<uintptr_t>(stacks);
    return address >= first && address < first + stacks_size;
}

void copy_later(void* to, const void* from, size_t bytes, size_t zeros) {
    if (bytes != 4 && bytes != 8 && bytes != 16)
        fail("an asynchronous copy moves 4, 8 or 16 bytes, not %zu", bytes);
    if (reinterpret_cast<uintptr_t>(to) % bytes || reinterpret_cast<uintptr_t>(from) % bytes)
        fail_at(__builtin_return_address(0), "an asynchronous copy of %zu bytes from %p to %p: both must be multiples "
                "of its size", bytes, from, to);
    watch(from, bytes - zeros, false, false, __builtin_return_address(0));
    running->copies.back().push_back({to, from, bytes, zeros, __builtin_return_address(0)});
}

void commit_copies() { running->copies.emplace_back(); }

void wait_for_copies(unsigned open_groups) {
    auto& groups = running->copies;
    while (groups.size() > open_groups + 1) {
        for (const Copy& copy : groups.front()) {
            watch(copy.to, copy.bytes, true, false, copy.pc);
            std::memcpy(copy.to, copy.from, copy.bytes - copy.zeros);
            std::memset(static_cast<char*>(copy.to) + copy.bytes - copy.zeros, 0, copy.zeros);
        }
        groups.erase(groups.begin());
    }
}

}  // namespace emulator

// Launch a kernel; nullptr, or what went wrong.
extern "C" const char* emulator_launch(void (*kernel)(void**), void** arguments, const unsigned* grid,
                                       const unsigned* block, char* shared, size_t shared_bytes, int reversed) {
    using namespace emulator;
    emulator::kernel = kernel;
    kernel_arguments = arguments;
    gridDim = {grid[0], grid[1], grid[2]};
    blockDim = {block[0], block[1], block[2]};
    failed = false;
    const size_t count = size_t{block[0]} * block[1] * block[2];
    threads.resize(count);
    for (size_t t = 0; t < count; ++t)
        threads[t].index = {static_cast<unsigned>(t % block[0]), static_cast<unsigned>(t / block[0] % block[1]),
                            static_cast<unsigned>(t / block[0] / block[1])};
    if (stacks_size < count * STACK) {
        if (stacks) munmap(stacks, stacks_size);
        stacks_size = count * STACK;
        stacks = static_cast<char*>(mmap(nullptr, stacks_size, PROT_READ | PROT_WRITE,
                                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
        if (stacks == MAP_FAILED) {
            stacks = nullptr;
            stacks_size = 0;
            return "there is no memory for the threads' stacks";
        }
    }
    dynamic_memory = shared;
    dynamic_bytes = shared_bytes;
    const size_t blocks = size_t{grid[0]} * grid[1] * grid[2];
    for (size_t b = 0; b < blocks && !failed; ++b) {
        const size_t i = reversed ? blocks - 1 - b : b;
        blockIdx = {static_cast<unsigned>(i % grid[0]), static_cast<unsigned>(i / grid[0] % grid[1]),
                    static_cast<unsigned>(i / grid[0] / grid[1])};
        run_block(reversed);
        watch_block_ends();
    }
    return failed ? message : nullptr;
}
