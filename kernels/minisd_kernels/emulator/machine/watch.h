// What every access to memory is checked and counted for.
#pragma once

#include <cstddef>
#include <cstdint>

#include "runtime.h"

namespace emulator {

// A thread reads or writes memory. pc is where in the program, for the name of the line.
void watch(const void* address, size_t bytes, bool writes, bool atomic, const void* pc);

// Give up, naming the line at pc.
[[noreturn]] void fail_at(const void* pc, const char* format, ...);

void watch_block_begins(char* dynamic_memory, size_t bytes);
void watch_block_met();            // a barrier: what came before it is ordered before what comes behind it
void watch_warp_met(size_t warp);  // __syncwarp: likewise for a warp
void watch_block_ends();

int running_thread();
bool on_a_stack(uintptr_t address);

}  // namespace emulator
