// SPDX-License-Identifier: Apache-2.0
/// @file Where a head's lines end: one pass over its bytes, 64 at a time, that leaves a bit for each LF, and says
/// whether each has its CR and nothing else is a control character.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "http/http1.h"

namespace weft::http {

constexpr size_t kMaxHead = 64 << 10;  ///< bytes; Limits may be lower

class Lines {
 public:
  /// Precondition: kMaxHead bytes at most.
  /// @returns false: a CR or a LF by itself (RFC 9112, section 2.2), or a control character but HTAB (RFC 9110, section
  /// 5.5); wrong_byte() says which
  bool scan(std::string_view bytes);

  /// The next LF. Precondition: there is one.
  size_t next() {
    while (left_ == 0) {
      left_ = ends_[++block_];
    }
    const size_t end = block_ * 64 + static_cast<size_t>(std::countr_zero(left_));
    left_ &= left_ - 1;
    return end;
  }

 private:
  std::array<uint64_t, kMaxHead / 64> ends_;  // scan() writes as many as it needs
  uint64_t left_ = 0;
  size_t block_ = 0;
};

/// What is wrong with bytes that scan() refused.
/// @param in_first_line what a control character there is
Defect wrong_byte(std::string_view bytes, Defect in_first_line);

}  // namespace weft::http
