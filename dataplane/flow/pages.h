// SPDX-License-Identifier: Apache-2.0
/// @file Zeroed memory for large tables, there from the start, in huge pages where the kernel grants them.
///
/// All of it is touched at construction, so that no packet pays for a page fault.
/// Transparent huge pages need neither root nor a reservation, and spare a random look-up most of its TLB misses.
#pragma once

#include <sys/mman.h>

#include <cerrno>
#include <cstddef>
#include <new>
#include <span>
#include <type_traits>
#include <utility>

namespace weft::flow {

/// An array of T, all bits zero, aligned to a huge page; owned. Throws std::bad_alloc: construct it at start.
template <typename T>
class Pages {
  static_assert(std::is_trivially_destructible_v<T>);
  static constexpr size_t kHugePage = size_t{2} << 20;

 public:
  explicit Pages(size_t count) : count_(count) {
    const size_t bytes = (count * sizeof(T) + kHugePage - 1) / kHugePage * kHugePage;
    mapped_bytes_ = bytes + kHugePage;
    mapped_ = mmap(nullptr, mapped_bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mapped_ == MAP_FAILED) {
      throw std::bad_alloc();
    }
    auto* start = static_cast<std::byte*>(mapped_);
    start += (kHugePage - reinterpret_cast<uintptr_t>(start) % kHugePage) % kHugePage;
    // Advice both: without huge pages a table works, slower; a kernel that can't populate does so when first touched.
    madvise(start, bytes, MADV_HUGEPAGE);
    if (madvise(start, bytes, MADV_POPULATE_WRITE) != 0 && (errno == ENOMEM || errno == EFAULT)) {
      munmap(mapped_, mapped_bytes_);
      throw std::bad_alloc();
    }
    data_ = reinterpret_cast<T*>(start);
  }
  Pages(const Pages&) = delete;
  Pages& operator=(const Pages&) = delete;
  ~Pages() { munmap(mapped_, mapped_bytes_); }

  T& operator[](size_t i) { return data_[i]; }
  const T& operator[](size_t i) const { return data_[i]; }
  T* data() { return data_; }
  size_t size() const { return count_; }
  size_t memory_bytes() const { return count_ * sizeof(T); }

 private:
  void* mapped_ = nullptr;
  size_t mapped_bytes_ = 0;
  size_t count_ = 0;
  T* data_ = nullptr;
};

}  // namespace weft::flow
