// SPDX-License-Identifier: Apache-2.0
#include "store_watch.h"

#include <array>
#include <cstddef>
#include <cstring>

namespace {

constexpr uintptr_t kLine = 64;
constexpr size_t kSlots = 1 << 16;

struct Slot {
  uintptr_t line = 0;
  uint8_t writers = 0;  ///< a bit each
};
std::array<Slot, kSlots> slots;
int writer = weft::test::kNobody;

Slot& slot_of(uintptr_t line) {
  size_t at = line / kLine * 0x9e3779b97f4a7c15 >> 40;
  while (slots[at % kSlots].line != 0 && slots[at % kSlots].line != line) {
    ++at;
  }
  slots[at % kSlots].line = line;
  return slots[at % kSlots];
}

/// Both writers work on this thread's stack; two threads would have two.
bool is_on_stack(uintptr_t address) {
  const auto here = reinterpret_cast<uintptr_t>(__builtin_frame_address(0));
  constexpr uintptr_t kReach = 1 << 20;
  return address > here - kReach && address < here + kReach;
}

void note(const volatile void* at, size_t size) {
  if (writer == weft::test::kNobody || size == 0) {
    return;
  }
  const auto address = reinterpret_cast<uintptr_t>(at);
  if (is_on_stack(address)) {
    return;
  }
  for (uintptr_t line = address / kLine * kLine; line < address + size; line += kLine) {
    slot_of(line).writers |= static_cast<uint8_t>(1U << writer);
  }
}

}  // namespace

namespace weft::test {

void write_as(int its_writer) {
  writer = its_writer;
}

std::vector<uintptr_t> lines_written_by_several() {
  std::vector<uintptr_t> lines;
  for (const Slot& slot : slots) {
    if ((slot.writers & (slot.writers - 1)) != 0) {
      lines.push_back(slot.line);
    }
  }
  return lines;
}

uint32_t lines_written_by(int its_writer) {
  uint32_t count = 0;
  for (const Slot& slot : slots) {
    count += slot.writers >> its_writer & 1U;
  }
  return count;
}

}  // namespace weft::test

// What clang calls (compiler-rt, tsan_interface.h and tsan_interface_atomic.h). Compiled without instrumentation.
extern "C" {

void __tsan_init() {}
void __tsan_func_entry(void*) {}
void __tsan_func_exit() {}
void __tsan_vptr_read(void**) {}
void __tsan_vptr_update(void** at, void*) {
  note(at, sizeof(void*));
}

#define WEFT_ACCESSES(size)                          \
  void __tsan_read##size(void*) {}                   \
  void __tsan_unaligned_read##size(void*) {}         \
  void __tsan_volatile_read##size(void*) {}          \
  void __tsan_write##size(void* at) {                \
    note(at, size);                                  \
  }                                                  \
  void __tsan_unaligned_write##size(void* at) {      \
    note(at, size);                                  \
  }                                                  \
  void __tsan_volatile_write##size(void* at) {       \
    note(at, size);                                  \
  }                                                  \
  void __tsan_read_write##size(void* at) {           \
    note(at, size);                                  \
  }                                                  \
  void __tsan_unaligned_read_write##size(void* at) { \
    note(at, size);                                  \
  }
WEFT_ACCESSES(1)
WEFT_ACCESSES(2)
WEFT_ACCESSES(4)
WEFT_ACCESSES(8)
WEFT_ACCESSES(16)

#define WEFT_ATOMICS(bits)                                                                                            \
  using Word##bits = uint##bits##_t;                                                                                  \
  Word##bits __tsan_atomic##bits##_load(const volatile Word##bits* at, int) {                                         \
    return __atomic_load_n(at, __ATOMIC_SEQ_CST);                                                                     \
  }                                                                                                                   \
  void __tsan_atomic##bits##_store(volatile Word##bits* at, Word##bits value, int) {                                  \
    note(at, sizeof value);                                                                                           \
    __atomic_store_n(at, value, __ATOMIC_SEQ_CST);                                                                    \
  }                                                                                                                   \
  Word##bits __tsan_atomic##bits##_exchange(volatile Word##bits* at, Word##bits value, int) {                         \
    note(at, sizeof value);                                                                                           \
    return __atomic_exchange_n(at, value, __ATOMIC_SEQ_CST);                                                          \
  }                                                                                                                   \
  Word##bits __tsan_atomic##bits##_fetch_add(volatile Word##bits* at, Word##bits value, int) {                        \
    note(at, sizeof value);                                                                                           \
    return __atomic_fetch_add(at, value, __ATOMIC_SEQ_CST);                                                           \
  }                                                                                                                   \
  Word##bits __tsan_atomic##bits##_fetch_sub(volatile Word##bits* at, Word##bits value, int) {                        \
    note(at, sizeof value);                                                                                           \
    return __atomic_fetch_sub(at, value, __ATOMIC_SEQ_CST);                                                           \
  }                                                                                                                   \
  Word##bits __tsan_atomic##bits##_fetch_and(volatile Word##bits* at, Word##bits value, int) {                        \
    note(at, sizeof value);                                                                                           \
    return __atomic_fetch_and(at, value, __ATOMIC_SEQ_CST);                                                           \
  }                                                                                                                   \
  Word##bits __tsan_atomic##bits##_fetch_or(volatile Word##bits* at, Word##bits value, int) {                         \
    note(at, sizeof value);                                                                                           \
    return __atomic_fetch_or(at, value, __ATOMIC_SEQ_CST);                                                            \
  }                                                                                                                   \
  int __tsan_atomic##bits##_compare_exchange_strong(volatile Word##bits* at, Word##bits* expected, Word##bits wanted, \
                                                    int, int) {                                                       \
    note(at, sizeof wanted);                                                                                          \
    return __atomic_compare_exchange_n(at, expected, wanted, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);              \
  }                                                                                                                   \
  int __tsan_atomic##bits##_compare_exchange_weak(volatile Word##bits* at, Word##bits* expected, Word##bits wanted,   \
                                                  int, int) {                                                         \
    return __tsan_atomic##bits##_compare_exchange_strong(at, expected, wanted, 0, 0);                                 \
  }                                                                                                                   \
  Word##bits __tsan_atomic##bits##_compare_exchange_val(volatile Word##bits* at, Word##bits expected,                 \
                                                        Word##bits wanted, int, int) {                                \
    __tsan_atomic##bits##_compare_exchange_strong(at, &expected, wanted, 0, 0);                                       \
    return expected;                                                                                                  \
  }
WEFT_ATOMICS(8)
WEFT_ATOMICS(16)
WEFT_ATOMICS(32)
WEFT_ATOMICS(64)

void __tsan_atomic_thread_fence(int) {
  __atomic_thread_fence(__ATOMIC_SEQ_CST);
}
void __tsan_atomic_signal_fence(int) {}

// Of blocks, the compiler leaves the noting to the runtime's versions of these (linked with --wrap).
void* __real_memcpy(void* to, const void* from, size_t size);
void* __real_memmove(void* to, const void* from, size_t size);
void* __real_memset(void* at, int value, size_t size);
void* __wrap_memcpy(void* to, const void* from, size_t size) {
  note(to, size);
  return __real_memcpy(to, from, size);
}
void* __wrap_memmove(void* to, const void* from, size_t size) {
  note(to, size);
  return __real_memmove(to, from, size);
}
void* __wrap_memset(void* at, int value, size_t size) {
  note(at, size);
  return __real_memset(at, value, size);
}
}
