// SPDX-License-Identifier: Apache-2.0
/// @file Connections that wait for something that is short, first come, first served: whoever was refused last and asks
/// again at once must not be fed before those who wait.
///
/// Who has ended meanwhile stays in the line until its turn comes or the line is full. No allocation after
/// construction.
#pragma once

#include <cstddef>
#include <vector>

#include "tcp/connection.h"

namespace weft::tcp {

class WaitingLine {
 public:
  /// @param connections that there may be, each at most once in the line
  explicit WaitingLine(size_t connections) : most_(2 * connections) { line_.reserve(most_); }

  bool empty() const { return first_ == line_.size(); }

  /// @param is_there(id): does the connection still exist?
  template <typename IsThere>
  void join(ConnectionId id, IsThere is_there) {
    if (line_.size() == most_) {
      // At least half of the line is behind us or gone, so a walk is paid for by as many that joined.
      line_.erase(line_.begin(), line_.begin() + static_cast<std::ptrdiff_t>(first_));
      std::erase_if(line_, [&](ConnectionId each) { return !is_there(each); });
      first_ = 0;
    }
    line_.push_back(id);
  }

  /// Precondition: it is not empty.
  ConnectionId next() {
    const ConnectionId id = line_[first_++];
    if (empty()) {
      line_.clear();
      first_ = 0;
    }
    return id;
  }

  size_t memory_bytes() const { return most_ * sizeof(ConnectionId); }

 private:
  size_t most_;
  std::vector<ConnectionId> line_;
  size_t first_ = 0;  ///< in line_
};

}  // namespace weft::tcp
