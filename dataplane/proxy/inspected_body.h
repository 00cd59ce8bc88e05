// SPDX-License-Identifier: Apache-2.0
/// @file Bodies that signatures are looked for in as they go by: how far each was read, ahead of what moves it on.
///
/// It follows the framing by itself, over bytes that still lie in the sender's receive queue, so nothing is moved that
/// was not looked at, and nothing is copied. Two policies of one message have one each. One thread.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "http/chunked.h"
#include "http/head.h"
#include "lb/inspection.h"

namespace weft::proxy {

struct InspectedBody {
  const lb::Inspection* inspection = nullptr;  ///< which says in_use() while this is here
  lb::Inspection::Body body;
  http::Framing::Kind kind = http::Framing::Kind::none;
  uint64_t left = 0;  ///< of a length
  http::ChunkedReader chunks;
  uint64_t seen = 0;  ///< bytes of the connection, from the body's first on
  uint32_t next = UINT32_MAX;

  enum class State : uint8_t {
    more,     ///< wants what follows
    over,     ///< the body is
    found,    ///< something that denies
    blind,    ///< the rest is not looked at
    trailed,  ///< the body is over, and there were trailers, which are not looked at
  };
  /// What follows in the receive queue.
  State look(size_t worker, std::string_view bytes, lb::Finding& finding);
};

/// All fields as they came, with what stands between them: they lie in one piece.
std::string_view lines_of(const http::Fields& fields);

/// A stock of them.
class InspectedBodies {
 public:
  static constexpr uint32_t kMost = 8192;
  static constexpr uint32_t kNone = UINT32_MAX;

  explicit InspectedBodies(uint32_t count) : bodies_(count) {
    free_.reserve(count);
    for (uint32_t i = count; i-- > 0;) {
      free_.push_back(i);
    }
  }

  InspectedBody& operator[](uint32_t i) { return bodies_[i]; }
  /// kNone: none is left.
  uint32_t take() {
    if (free_.empty()) {
      return kNone;
    }
    const uint32_t taken = free_.back();
    free_.pop_back();
    bodies_[taken] = {};
    return taken;
  }
  void give_back(uint32_t i) { free_.push_back(i); }
  size_t memory_bytes() const { return bodies_.capacity() * (sizeof(InspectedBody) + sizeof(uint32_t)); }

 private:
  std::vector<InspectedBody> bodies_;
  std::vector<uint32_t> free_;
};

}  // namespace weft::proxy
