// Asynchronous copies from global to shared memory.
#pragma once

inline void __pipeline_memcpy_async(void* to, const void* from, size_t bytes, size_t zeros = 0) {
    emulator::copy_later(to, from, bytes, zeros);
}
inline void __pipeline_commit() { emulator::commit_copies(); }
inline void __pipeline_wait_prior(unsigned open_groups) { emulator::wait_for_copies(open_groups); }
