// SPDX-License-Identifier: Apache-2.0
/// @file Bulkheads between groups of connections, which a service's are: what each may have of an engine's connections
/// and pieces, so that one whose peers are stuck, or come in floods, leaves the others theirs.
///
/// A group may grow as long as it has less than a multiple of what is still free (as switches share their memory:
/// Choudhury and Hahne, "Dynamic Queue Length Thresholds", 1998). So there is always something free, how many groups
/// ever are at their limit: with a multiple of m, and k of them there, 1/(1 + k m) of the whole. Nothing is set aside
/// for those that want nothing, and nobody has to know how many there are.
///
/// One thread. All memory is taken at construction.
#pragma once

#include <cstdint>
#include <vector>

namespace weft::tcp {

/// @param used by one group @param free for all
constexpr bool has_share(uint32_t used, uint32_t free, uint32_t multiple) {
  return used < uint64_t{multiple} * free;
}

/// Of connections, and of whatever else is counted one by one: alone, four fifths; of two, four ninths each.
constexpr uint32_t kShareMultiple = 4;

class Groups {
 public:
  static constexpr uint16_t kNone = 0;  ///< of whom nothing is asked

  /// @param count that there may be, numbered from 0; at most 65535
  Groups(uint32_t count, uint32_t connections) : all_(count + 1), tags_(connections) {}

  /// Whose a connection is, by its place; a new one is nobody's.
  uint16_t of(uint32_t connection) const { return tags_[connection]; }
  void set(uint32_t connection, uint16_t tag) { tags_[connection] = tag; }

  /// What stands for a group; kNone if there is none of that number.
  uint16_t tag(uint32_t number) const { return number + 1 < all_.size() ? static_cast<uint16_t>(number + 1) : kNone; }

  bool may_connect(uint16_t tag, uint32_t free) const {
    return tag == kNone || has_share(all_[tag].connections, free, kShareMultiple);
  }
  void connected(uint16_t tag) { ++all_[tag].connections; }
  void disconnected(uint16_t tag) { --all_[tag].connections; }
  void hold(uint16_t tag, uint32_t pieces) { all_[tag].pieces += pieces; }
  void drop(uint16_t tag, uint32_t pieces) { all_[tag].pieces -= pieces; }

  /// How many more a queue that holds `held` may take: of a group within its share as many as the queue may; else one
  /// in an empty queue, so that those who do read go on; beyond twice the share none.
  /// @param queue what any may hold more @param spare pieces that are free, and kept for nobody
  uint32_t takes(uint16_t tag, uint32_t held, uint32_t queue, uint32_t spare) const {
    if (tag == kNone || has_share(all_[tag].pieces, spare, 1)) [[likely]] {
      return queue;
    }
    return held == 0 && queue > 0 && has_share(all_[tag].pieces, spare, 2) ? 1 : 0;
  }

  uint32_t connections(uint16_t tag) const { return all_[tag].connections; }
  uint32_t pieces(uint16_t tag) const { return all_[tag].pieces; }
  size_t memory_bytes() const { return all_.size() * sizeof(Group) + tags_.size() * sizeof(uint16_t); }

 private:
  struct Group {
    uint32_t connections = 0;
    uint32_t pieces = 0;
  };
  std::vector<Group> all_;
  std::vector<uint16_t> tags_;  ///< by connection: not in it, as its lines are full
};

}  // namespace weft::tcp
