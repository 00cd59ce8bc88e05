// SPDX-License-Identifier: Apache-2.0
/// @file Which is the longest of many path prefixes that a path begins with, by whole segments?
///
/// A forest of radix trees, one a host name: an edge is one segment or, where nothing branches and no prefix ends,
/// several. The children of all nodes lie in one hash table by node and first segment, so that a node of ten thousand
/// children costs what one of three does. 24 bytes a node, 16 a place in the table. Immutable.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace weft::lb {

class PathTree {
 public:
  static constexpr uint32_t kNone = UINT32_MAX;

  struct Prefix {
    uint32_t tree;     ///< from 0
    std::string path;  ///< without its last slash: "/abc", or "" for all
    uint32_t value;    ///< not kNone
  };

  /// @param prefixes each path at most once in a tree
  PathTree(uint32_t trees, std::vector<Prefix> prefixes);

  /// Where the longest prefix that the path has ends; kNone if it has none.
  uint32_t find(uint32_t tree, std::string_view path) const;
  uint32_t value(uint32_t node) const { return nodes_[node].value; }
  /// The next shorter prefix of what reached this node, or kNone.
  uint32_t shorter(uint32_t node) const { return nodes_[node].shorter; }

  size_t memory_bytes() const;

 private:
  struct Node {
    uint32_t value = kNone;
    uint32_t shorter = kNone;  ///< the nearest node above that has a value
    uint32_t parent = kNone;
    uint32_t label = 0;  ///< of the edge from the parent, in labels_: segments without the first slash
    uint32_t label_length = 0;
    uint32_t children = 0;
  };
  struct Slot {
    uint64_t hash = 0;
    uint32_t node = kNone;
  };
  struct Segment {
    uint64_t hash;
    size_t end;  ///< of the slash behind it, or the path's
  };

  static Segment segment_at(std::string_view path, size_t begin, uint32_t node);
  uint32_t child(const Segment& segment, std::string_view rest, uint32_t node) const;
  void grow(uint32_t node, const std::vector<Prefix>& prefixes, size_t first, size_t last, size_t depth);

  std::vector<Node> nodes_;  ///< roots first
  std::vector<Slot> slots_;  ///< open addressing, a power of two, at most half full
  std::string labels_;
};

}  // namespace weft::lb
