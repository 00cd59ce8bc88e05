// SPDX-License-Identifier: Apache-2.0
#include "lb/path_tree.h"

#include <algorithm>
#include <bit>
#include <cassert>

#include "lb/bytes.h"

namespace weft::lb {
namespace {

/// So that prefixes of one another, and those that share a segment, lie side by side: "/" before all other characters.
bool before(const PathTree::Prefix& a, const PathTree::Prefix& b) {
  if (a.tree != b.tree) {
    return a.tree < b.tree;
  }
  return std::lexicographical_compare(a.path.begin(), a.path.end(), b.path.begin(), b.path.end(), [](char x, char y) {
    const auto order = [](char c) { return c == '/' ? 0 : static_cast<int>(static_cast<uint8_t>(c)) + 1; };
    return order(x) < order(y);
  });
}

size_t end_of_segment(const std::string& path, size_t begin) {
  return std::min(path.find('/', begin), path.size());
}

}  // namespace

PathTree::PathTree(uint32_t trees, std::vector<Prefix> prefixes) : nodes_(trees) {
  std::sort(prefixes.begin(), prefixes.end(), before);
  for (size_t first = 0; first < prefixes.size();) {
    const uint32_t tree = prefixes[first].tree;
    size_t last = first;
    while (last < prefixes.size() && prefixes[last].tree == tree) {
      ++last;
    }
    grow(tree, prefixes, first, last, 0);
    first = last;
  }
  slots_.resize(std::bit_ceil(nodes_.size() * 2 + 1));
  for (uint32_t node = trees; node < nodes_.size(); ++node) {
    const std::string_view label = std::string_view(labels_).substr(nodes_[node].label, nodes_[node].label_length);
    const uint64_t hash = segment_at(label, 0, nodes_[node].parent).hash;
    size_t at = hash & (slots_.size() - 1);
    while (slots_[at].node != kNone) {
      at = (at + 1) & (slots_.size() - 1);
    }
    slots_[at] = {.hash = hash, .node = node};
  }
}

/// Makes the children of a node out of prefixes [first, last), which all begin with the `depth` bytes that lead to it.
void PathTree::grow(uint32_t node, const std::vector<Prefix>& prefixes, size_t first, size_t last, size_t depth) {
  if (first < last && prefixes[first].path.size() == depth) {
    nodes_[node].value = prefixes[first].value;
    ++first;
    assert(first == last || prefixes[first].path.size() > depth);
  }
  while (first < last) {
    // Those that share the next segment, and then all that they share beyond it.
    const std::string& path = prefixes[first].path;
    size_t end = end_of_segment(path, depth + 1);
    const auto shares = [&](const Prefix& other, size_t upto) {
      return other.path.compare(0, upto, path, 0, upto) == 0 && (other.path.size() == upto || other.path[upto] == '/');
    };
    size_t next = first;
    while (next < last && shares(prefixes[next], end)) {
      ++next;
    }
    while (end < path.size()) {
      const size_t further = end_of_segment(path, end + 1);
      if (!std::all_of(prefixes.begin() + static_cast<std::ptrdiff_t>(first),
                       prefixes.begin() + static_cast<std::ptrdiff_t>(next),
                       [&](const Prefix& other) { return shares(other, further); })) {
        break;
      }
      end = further;
    }
    const auto child = static_cast<uint32_t>(nodes_.size());
    nodes_.push_back({.shorter = nodes_[node].value != kNone ? node : nodes_[node].shorter,
                      .parent = node,
                      .label = static_cast<uint32_t>(labels_.size()),
                      .label_length = static_cast<uint32_t>(end - depth - 1)});
    labels_.append(path, depth + 1, end - depth - 1);
    ++nodes_[node].children;
    grow(child, prefixes, first, next, end);
    first = next;
  }
}

uint32_t PathTree::find(uint32_t tree, std::string_view path) const {
  uint32_t node = tree;
  size_t at = 0;  // of the slash in front of the next segment
  while (nodes_[node].children > 0 && at < path.size() && path[at] == '/') {
    const uint32_t next = child(segment_at(path, at + 1, node), path.substr(at + 1), node);
    if (next == kNone) {
      break;
    }
    node = next;
    at += 1 + nodes_[node].label_length;
  }
  return nodes_[node].value != kNone ? node : nodes_[node].shorter;
}

uint32_t PathTree::child(const Segment& segment, std::string_view rest, uint32_t node) const {
  for (size_t at = segment.hash & (slots_.size() - 1); slots_[at].node != kNone; at = (at + 1) & (slots_.size() - 1)) {
    if (slots_[at].hash != segment.hash) {
      continue;
    }
    const Node& child = nodes_[slots_[at].node];
    const size_t length = child.label_length;
    if (child.parent == node && length <= rest.size() && (length == rest.size() || rest[length] == '/') &&
        same_text(std::string_view(labels_).substr(child.label, length), rest.substr(0, length))) {
      return slots_[at].node;
    }
  }
  return kNone;
}

/// Finds the segment's end and hashes it in one go, eight bytes at a time.
PathTree::Segment PathTree::segment_at(std::string_view path, size_t begin, uint32_t node) {
  constexpr uint64_t kOnes = 0x0101010101010101;
  constexpr uint64_t kSlashes = kOnes * '/';
  uint64_t hash = (node + 1) * kFold;
  size_t at = begin;
  while (at < path.size()) {
    uint64_t word = word_at(path, at);
    const uint64_t unlike = word ^ kSlashes;
    // The lowest bit set is of the first byte that is a slash; higher ones may lie, by borrows.
    const uint64_t found = (unlike - kOnes) & ~unlike & kOnes << 7;
    if (found == 0) [[likely]] {
      hash = folded(hash ^ word, kFold);
      at = std::min(at + 8, path.size());
      continue;
    }
    const auto length = static_cast<unsigned>(std::countr_zero(found)) / 8;
    if (length > 0) {
      word &= ~uint64_t{0} >> (64 - 8 * length);
      hash = folded(hash ^ word, kFold);
      at += length;
    }
    break;
  }
  return {.hash = folded(hash ^ (at - begin), kFold), .end = at};
}

size_t PathTree::memory_bytes() const {
  return nodes_.capacity() * sizeof(Node) + slots_.capacity() * sizeof(Slot) + labels_.capacity();
}

}  // namespace weft::lb
