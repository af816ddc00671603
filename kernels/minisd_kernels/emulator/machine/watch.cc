// Checks and counts of memory accesses. The compiler calls in at every access of a watched program: the calls that its
// thread sanitizer makes, with our own answer to them.
//
//   out of bounds   an address in none of the launch's arrays, shared variables and stacks
//   misaligned      found by the compiler's own test, which calls in only then
//   races           two threads meet at an address, one writes, and no barrier of their block or warp lies between them
//   counts          for every instruction: the 32-byte sectors that a warp's accesses to global memory touch, and how
//                   often shared memory, in 32 banks of 4 bytes, must be asked to serve them

#include "watch.h"

#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <map>
#include <string>
#include <unordered_map>
#include <vector>

namespace emulator {
namespace {

struct Access {  // who was last at a word
    int block = -1, thread = -1;
    unsigned block_epoch = 0, warp_epoch = 0;
    unsigned char bytes = 0;  // which of the word's four
    bool atomic = false;
    const void* pc = nullptr;
};

struct Word {
    Access write, read, other_read;  // the last, and the last of another thread
};

enum Kind { global, shared, constant };  // constant: may be read, and nothing is asked about it

struct Range {
    std::string name;
    uintptr_t first;
    size_t bytes;
    Kind kind;
    std::vector<Word> words;
};

struct WarpAccess {  // one instruction, once, by a warp
    unsigned lanes = 0;
    uintptr_t addresses[32];
};

struct Instruction {
    bool shared, writes;
    size_t bytes;
    std::unordered_map<int, std::vector<WarpAccess>> open;  // of a warp
    std::unordered_map<int, unsigned> times;                // that a thread has come by
    uint64_t requests = 0, lanes = 0, moved = 0, best = 0;  // moved: sectors, or rounds of shared memory
};

std::vector<Range> ranges;
bool watched = false, races_looked_for = false, counting = false;
int block_number = 0;
unsigned block_epoch = 0;
std::vector<unsigned> warp_epochs(32);
std::map<const void*, Instruction> instructions;
char fault[1000];
std::string counts;

Range* range_of(uintptr_t address) {
    static size_t last = 0;
    if (last < ranges.size() && address - ranges[last].first < ranges[last].bytes) return &ranges[last];
    for (size_t r = 0; r < ranges.size(); ++r)
        if (address - ranges[r].first < ranges[r].bytes) return &ranges[last = r];
    return nullptr;
}

bool ordered(const Access& before, const Access& now) {
    if (before.thread < 0 || !(before.bytes & now.bytes) || (before.atomic && now.atomic)) return true;
    if (before.block != now.block) return false;
    if (before.thread == now.thread || before.block_epoch != now.block_epoch) return true;
    return before.thread / warpSize == now.thread / warpSize && before.warp_epoch != now.warp_epoch;
}

void race(const Range& range, const Access& before, const Access& now, const char* what) {
    fail_at(now.pc, "a race on %s: %s what thread %d of %s has touched at @%zx@, and no barrier lies between them",
            range.name.c_str(), what, before.thread, before.block == now.block ? "its block" : "another block",
            reinterpret_cast<size_t>(before.pc));
}

void look_for_races(Range& range, uintptr_t address, size_t bytes, bool writes, bool atomic, const void* pc) {
    const int thread = running_thread();
    for (uintptr_t word = address / 4; word <= (address + bytes - 1) / 4; ++word) {
        Access now{block_number, thread, block_epoch, warp_epochs[thread / warpSize], 0, atomic, pc};
        for (unsigned b = 0; b < 4; ++b)
            if (word * 4 + b >= address && word * 4 + b < address + bytes) now.bytes |= 1 << b;
        Word& seen = range.words[word - range.first / 4];
        if (!ordered(seen.write, now)) race(range, seen.write, now, writes ? "writes" : "reads");
        if (writes) {
            if (!ordered(seen.read, now)) race(range, seen.read, now, "writes");
            if (!ordered(seen.other_read, now)) race(range, seen.other_read, now, "writes");
            seen.write = now;
        }
        if (!writes || atomic) {
            if (seen.read.thread != thread || seen.read.block != block_number) seen.other_read = seen.read;
            seen.read = now;
        }
    }
}

void count(const Range& range, uintptr_t address, size_t bytes, bool writes, const void* pc) {
    auto [found, is_new] = instructions.try_emplace(pc);
    Instruction& instruction = found->second;
    if (is_new) instruction.shared = range.kind == shared, instruction.writes = writes, instruction.bytes = bytes;
    const int thread = running_thread();
    auto& accesses = instruction.open[thread / warpSize];
    const unsigned time = instruction.times[thread]++;
    if (accesses.size() <= time) accesses.resize(time + 1);
    accesses[time].lanes |= 1u << thread % warpSize;
    accesses[time].addresses[thread % warpSize] = address;
}

// 32-byte sectors that a warp touches; at best its bytes lie side by side.
void close_global(Instruction& instruction, const WarpAccess& access) {
    std::vector<uintptr_t> sectors;
    for (int l = 0; l < warpSize; ++l)
        if (access.lanes >> l & 1)
            for (uintptr_t s = access.addresses[l] / 32; s <= (access.addresses[l] + instruction.bytes - 1) / 32; ++s)
                sectors.push_back(s);
    std::sort(sectors.begin(), sectors.end());
    const size_t touched = std::unique(sectors.begin(), sectors.end()) - sectors.begin();
    instruction.moved += touched;
    instruction.best += std::min<size_t>(touched, (__builtin_popcount(access.lanes) * instruction.bytes + 31) / 32);
}

// Rounds that shared memory needs: in one round each bank gives one word. Wide accesses go in parts of 128 bytes.
void close_shared(Instruction& instruction, const WarpAccess& access) {
    const int lanes_at_once = std::max<int>(1, warpSize * 4 / std::max<size_t>(4, instruction.bytes));
    for (int first = 0; first < warpSize; first += lanes_at_once) {
        std::vector<uintptr_t> banks[32];
        for (int l = first; l < first + lanes_at_once; ++l)
            if (access.lanes >> l & 1)
                for (uintptr_t w = access.addresses[l] / 4; w <= (access.addresses[l] + instruction.bytes - 1) / 4; ++w)
                    if (auto& bank = banks[w % 32]; std::find(bank.begin(), bank.end(), w) == bank.end())
                        bank.push_back(w);
        size_t rounds = 0;
        for (const auto& bank : banks) rounds = std::max(rounds, bank.size());
        instruction.moved += rounds;
        instruction.best += rounds > 0;
    }
}

void name_array(char* text, size_t size, uintptr_t address) {  // the range that ends or begins nearest
    const Range* nearest = nullptr;
    size_t least = SIZE_MAX;
    for (const Range& range : ranges) {
        if (range.kind == constant) continue;
        const size_t away = address < range.first ? range.first - address : address - range.first - range.bytes;
        if (away < least) least = away, nearest = &range;
    }
    if (!nearest)
        std::snprintf(text, size, "no array of the launch");
    else if (address < nearest->first)
        std::snprintf(text, size, "%zu bytes before %s (%zu bytes)", least, nearest->name.c_str(), nearest->bytes);
    else
        std::snprintf(text, size, "%zu bytes behind the end of %s (%zu bytes)", least, nearest->name.c_str(),
                      nearest->bytes);
}

}  // namespace

void fail_at(const void* pc, const char* format, ...) {
    va_list values;
    va_start(values, format);
    std::vsnprintf(fault, sizeof fault, format, values);
    va_end(values);
    fail("@%zx@: thread %d: %s", reinterpret_cast<size_t>(pc), running_thread(), fault);
}

void watch(const void* address, size_t bytes, bool writes, bool atomic, const void* pc) {
    if (!watched || running_thread() < 0 || bytes == 0) return;
    const auto first = reinterpret_cast<uintptr_t>(address);
    if (on_a_stack(first)) return;
    Range* range = range_of(first);
    if (range && range->kind == constant && !writes) return;
    if (!range || range->kind == constant || first + bytes > range->first + range->bytes) {
        char where[300];
        name_array(where, sizeof where, range && range->kind != constant ? range->first + range->bytes : first);
        fail_at(pc, "%s %zu bytes out of bounds, %s", writes ? "writes" : "reads", bytes, where);
    }
    if (races_looked_for) look_for_races(*range, first, bytes, writes, atomic, pc);
    if (counting) count(*range, first, bytes, writes, pc);
}

void watch_block_begins(char* dynamic_memory, size_t bytes) {
    std::memset(dynamic_memory, 0xff, bytes);  // NaN: what a kernel reads and has not written shows
    for (Range& range : ranges)
        if (range.kind == shared) {
            std::memset(reinterpret_cast<char*>(range.first), 0xff, range.bytes);
            std::fill(range.words.begin(), range.words.end(), Word());
        }
    block_epoch = 0;
    std::fill(warp_epochs.begin(), warp_epochs.end(), 0);
}

void watch_block_met() { ++block_epoch; }

void watch_warp_met(size_t warp) { ++warp_epochs[warp]; }

void watch_block_ends() {
    ++block_number;
    for (auto& [pc, instruction] : instructions) {
        for (auto& [warp, accesses] : instruction.open)
            for (const WarpAccess& access : accesses) {
                (instruction.shared ? close_shared : close_global)(instruction, access);
                ++instruction.requests;
                instruction.lanes += __builtin_popcount(access.lanes);
            }
        instruction.open.clear();
        instruction.times.clear();
    }
}

void atomic_access(const void* address, size_t bytes, const void* pc) { watch(address, bytes, true, true, pc); }

}  // namespace emulator

// ---- Called from Python

using namespace emulator;

// Begin to watch a launch: nothing is known of its memory yet.
extern "C" void emulator_watch(int on, int look_for_races, int count_accesses) {
    watched = on;
    ranges.clear();
    instructions.clear();
    races_looked_for = look_for_races;
    counting = count_accesses;
    block_number = 0;
}

// Memory that the launch may touch.
extern "C" void emulator_range(const char* name, void* address, size_t bytes, int kind) {
    const size_t words = races_looked_for ? bytes / 4 + 2 : 0;
    ranges.push_back({name, reinterpret_cast<uintptr_t>(address), bytes, static_cast<Kind>(kind), std::vector<Word>(words)});
}

// A line for every instruction: pc, shared, writes, bytes, requests, lanes, moved, best.
extern "C" const char* emulator_counts() {
    counts.clear();
    for (const auto& [pc, i] : instructions) {
        char line[200];
        std::snprintf(line, sizeof line, "%zx %d %d %zu %zu %zu %zu %zu\n", reinterpret_cast<size_t>(pc), i.shared,
                      i.writes, i.bytes, size_t(i.requests), size_t(i.lanes), size_t(i.moved), size_t(i.best));
        counts += line;
    }
    return counts.c_str();
}

// ---- Called from compiled kernels, by the names that the compiler's sanitizers give

#define PC __builtin_return_address(0)
#define WATCHED(bytes)                                                                                      \
    extern "C" void __tsan_read##bytes(void* address) { watch(address, bytes, false, false, PC); }          \
    extern "C" void __tsan_write##bytes(void* address) { watch(address, bytes, true, false, PC); }          \
    extern "C" void __tsan_unaligned_read##bytes(void* address) { watch(address, bytes, false, false, PC); } \
    extern "C" void __tsan_unaligned_write##bytes(void* address) { watch(address, bytes, true, false, PC); }
WATCHED(1)
WATCHED(2)
WATCHED(4)
WATCHED(8)
WATCHED(16)
extern "C" void __tsan_read_range(void* address, size_t bytes) { watch(address, bytes, false, false, PC); }
extern "C" void __tsan_write_range(void* address, size_t bytes) { watch(address, bytes, true, false, PC); }
extern "C" void __tsan_init() {}
extern "C" void __tsan_func_entry(void*) {}
extern "C" void __tsan_func_exit() {}

namespace {

struct SourceLocation {
    const char* file;
    uint32_t line, column;
};

struct TypeDescriptor {
    uint16_t kind, info;
    char name[1];
};

struct OutOfBounds {
    SourceLocation place;
    TypeDescriptor *array, *index;
};

struct TypeMismatch {
    SourceLocation place;
    TypeDescriptor* type;
    unsigned char log_alignment, kind;
};

}  // namespace

extern "C" void __ubsan_handle_out_of_bounds(OutOfBounds* data, uintptr_t index) {
    fail("%s:%u: thread %d: index %lld is out of bounds for %s", data->place.file, data->place.line, running_thread(),
         static_cast<long long>(index), data->array->name);
}

extern "C" void __ubsan_handle_type_mismatch_v1(TypeMismatch* data, uintptr_t address) {
    const uintptr_t alignment = uintptr_t{1} << data->log_alignment;
    if (address == 0)
        fail("%s:%u: thread %d: the null pointer is read or written", data->place.file, data->place.line,
             running_thread());
    fail("%s:%u: thread %d: a misaligned access to %s: its address must be a multiple of %zu, and is %zu behind one",
         data->place.file, data->place.line, running_thread(), data->type->name, size_t(alignment),
         size_t(address % alignment));
}
