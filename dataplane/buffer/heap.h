// SPDX-License-Identifier: Apache-2.0
/// @file A pool of buffers on the heap: for tests, simulations and what never meets a device.
#pragma once

#include <memory>
#include <vector>

#include "buffer/slice.h"

namespace weft::buffer {

class HeapBuffers {
 public:
  /// Throws std::bad_alloc.
  /// @param capacity of each, at most 65535 bytes
  HeapBuffers(size_t count, uint32_t capacity) : bytes_(new std::byte[count * capacity]), buffers_(count) {
    for (size_t i = 0; i < count; ++i) {
      buffers_[i] = {.bytes = &bytes_[i * capacity], .pool = &pool_, .capacity = capacity};
      pool_.give_back(&buffers_[i]);
    }
  }

  Pool& pool() { return pool_; }
  /// Does every buffer lie in the pool?
  bool is_whole() const { return pool_.size() == buffers_.size(); }

 private:
  std::unique_ptr<std::byte[]> bytes_;
  std::vector<Buffer> buffers_;
  Pool pool_;
};

}  // namespace weft::buffer
