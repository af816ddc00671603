// A fiber: a function with a stack of its own, which runs until it gives the processor back.
#pragma once

#include <cstddef>
#include <cstdint>

#if defined(EMULATOR_PORTABLE) || (!defined(__x86_64__) && !defined(__aarch64__))
#include <ucontext.h>
#endif

namespace emulator {

#if !defined(EMULATOR_PORTABLE) && (defined(__x86_64__) || defined(__aarch64__))

// All that a function may expect its callee to keep lies on the stack, so that a fiber is its stack pointer.
struct Fiber {
    void* stack_pointer;
};

extern "C" void emulator_switch(void** save, void* load);
extern "C" void emulator_begin();

#if defined(__x86_64__)
asm(R"(
    .text
    .globl emulator_switch
emulator_switch:
    pushq %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, (%rdi)
    movq %rsi, %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    ret
    .globl emulator_begin
emulator_begin:
    callq *%rbx
    ud2
)");
constexpr int SAVED = 7, FUNCTION = 4, RETURN = 6;  // words: r15 r14 r13 r12 rbx rbp, and where to go on
#else
asm(R"(
    .text
    .globl emulator_switch
emulator_switch:
    sub sp, sp, #160
    stp x19, x20, [sp, #0]
    stp x21, x22, [sp, #16]
    stp x23, x24, [sp, #32]
    stp x25, x26, [sp, #48]
    stp x27, x28, [sp, #64]
    stp x29, x30, [sp, #80]
    stp d8, d9, [sp, #96]
    stp d10, d11, [sp, #112]
    stp d12, d13, [sp, #128]
    stp d14, d15, [sp, #144]
    mov x9, sp
    str x9, [x0]
    mov sp, x1
    ldp x19, x20, [sp, #0]
    ldp x21, x22, [sp, #16]
    ldp x23, x24, [sp, #32]
    ldp x25, x26, [sp, #48]
    ldp x27, x28, [sp, #64]
    ldp x29, x30, [sp, #80]
    ldp d8, d9, [sp, #96]
    ldp d10, d11, [sp, #112]
    ldp d12, d13, [sp, #128]
    ldp d14, d15, [sp, #144]
    add sp, sp, #160
    ret
    .globl emulator_begin
emulator_begin:
    blr x19
    brk #0
)");
constexpr int SAVED = 20, FUNCTION = 0, RETURN = 11;  // words: x19 ... x30, d8 ... d15
#endif

// The fiber will begin with `function` on the stack, which it may not return from.
inline void prepare(Fiber& fiber, char* stack, size_t bytes, void (*function)()) {
    const uintptr_t top = reinterpret_cast<uintptr_t>(stack + bytes) & ~uintptr_t{15};
    auto** words = reinterpret_cast<void**>(top) - 2 - SAVED;  // the stack is aligned where they end
    words[FUNCTION] = reinterpret_cast<void*>(function);
    words[RETURN] = reinterpret_cast<void*>(emulator_begin);
    fiber.stack_pointer = words;
}

inline void switch_fibers(Fiber& from, Fiber& to) { emulator_switch(&from.stack_pointer, to.stack_pointer); }

#else  // any other processor: the C library's contexts, which ask the operating system at every switch

struct Fiber {
    ucontext_t context;
};

inline void prepare(Fiber& fiber, char* stack, size_t bytes, void (*function)()) {
    getcontext(&fiber.context);
    fiber.context.uc_stack.ss_sp = stack;
    fiber.context.uc_stack.ss_size = bytes;
    fiber.context.uc_link = nullptr;
    makecontext(&fiber.context, function, 0);
}

inline void switch_fibers(Fiber& from, Fiber& to) { swapcontext(&from.context, &to.context); }

#endif

}  // namespace emulator
