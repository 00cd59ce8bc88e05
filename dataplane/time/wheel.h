// SPDX-License-Identifier: Apache-2.0
/// @file A timing wheel (Varghese and Lauck, 1987, scheme 7): when to look at which of many things again.
///
/// Three levels of 256 slots, a tick of a millisecond: four and a half hours ahead; what is later fires then, and is
/// armed again by whoever knows better. Arming, disarming and firing take constant time, and a node moves down twice at
/// most.
///
/// Lazy: a node that is armed stays where it is when it is armed for later. It then fires early, and its owner, who
/// knows the deadline, says when next. So a deadline that moves with each packet costs one store in the owner's own
/// record.
///
/// No clock: time is what callers say. Times are compared by difference, so they may wrap. Owned by one thread; all
/// memory is taken at construction, 16 bytes a node.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <optional>
#include <vector>

#include "time/clock.h"

namespace weft::time {

class Wheel {
 public:
  /// The furthest that a node is armed ahead.
  static constexpr Millis kHorizon = (1U << 24) - (1U << 16) - 1;

  /// @param nodes how many there are, by number from 0
  Wheel(uint32_t nodes, Millis now) : nodes_(nodes), next_tick_(now) { heads_.fill(kNone); }

  /// Fires the node at the first advance() to `deadline` or beyond; earlier, if it was armed for earlier.
  void arm(uint32_t node, Millis deadline) {
    const auto ahead = std::clamp(static_cast<int32_t>(deadline - next_tick_), 0, static_cast<int32_t>(kHorizon));
    const Millis tick = next_tick_ + static_cast<Millis>(ahead);
    Node& armed = nodes_[node];
    if (armed.slot != kNoSlot) {
      if (static_cast<int32_t>(tick - armed.tick) >= 0) {
        return;
      }
      unlink(node);
    }
    armed.tick = tick;
    link(node);
  }
  void disarm(uint32_t node) {
    if (nodes_[node].slot != kNoSlot) {
      unlink(node);
      nodes_[node].slot = kNoSlot;
    }
  }
  void prefetch(uint32_t node) const { __builtin_prefetch(&nodes_[node]); }
  bool is_armed(uint32_t node) const { return nodes_[node].slot != kNoSlot; }

  /// Fires what is due, in the order of ticks. `fire(node)` is called of a node that is no longer armed, and returns
  /// when it is to fire next, if at all; it may arm and disarm others.
  /// @param budget of nodes to fire or to move down; what is left is done next time
  /// @returns how much of it was used: all of it may mean that there is more
  template <typename Fire>
  uint32_t advance(Millis now, uint32_t budget, Fire fire) {
    uint32_t used = 0;
    while (static_cast<int32_t>(now - next_tick_) >= 0) {
      for (uint32_t level = kLevels - 1; level > 0; --level) {
        if (next_tick_ % span_of(level) == 0 && !move_down(level, budget, used)) {
          return used;
        }
      }
      const uint32_t slot = next_tick_ % kSlots;
      while (heads_[slot] != kNone) {
        if (used == budget) {
          return used;
        }
        ++used;
        const uint32_t node = heads_[slot];
        disarm(node);
        if (const std::optional<Millis> next = fire(node)) {
          arm(node, static_cast<int32_t>(*next - next_tick_) > 0 ? *next : next_tick_ + 1);
        }
      }
      next_tick_ += ticks_to_skip(now);
    }
    return used;
  }

  /// All ticks before it are done.
  Millis next_tick() const { return next_tick_; }
  /// No node fires before; none: nothing is armed.
  std::optional<Millis> next_deadline() const {
    std::optional<Millis> first;  // ticks from now
    for (uint32_t level = 0; level < kLevels; ++level) {
      const Millis span = span_of(level);
      // A higher level's slot of now has a whole turn to go, unless it is about to be moved down.
      for (uint32_t ahead = next_tick_ % span == 0 ? 0 : 1; ahead <= kSlots; ++ahead) {
        const Millis begin = (next_tick_ / span + ahead) * span;
        if (is_occupied(level * kSlots + begin / span % kSlots)) {
          first = std::min(first.value_or(UINT32_MAX), begin - next_tick_);
          break;
        }
      }
    }
    return first ? std::optional(next_tick_ + *first) : std::nullopt;
  }

  size_t memory_bytes() const { return nodes_.size() * sizeof(Node) + sizeof heads_ + sizeof occupied_; }

 private:
  static constexpr uint32_t kLevels = 3;
  static constexpr uint32_t kSlots = 256;
  static constexpr uint32_t kNone = UINT32_MAX;
  static constexpr uint32_t kNoSlot = UINT32_MAX;
  struct Node {
    uint32_t previous = kNone;
    uint32_t next = kNone;
    uint32_t slot = kNoSlot;  ///< of all levels' slots; kNoSlot: not armed
    Millis tick = 0;
  };

  /// Ticks that a slot of this level stands for.
  static constexpr Millis span_of(uint32_t level) { return 1U << 8 * level; }

  void link(uint32_t node) {
    Node& linked = nodes_[node];
    uint32_t level = 0;
    while ((linked.tick - next_tick_ + next_tick_ % span_of(level)) / span_of(level) >= kSlots) {
      ++level;  // its slot would be one that comes before
    }
    linked.slot = level * kSlots + linked.tick / span_of(level) % kSlots;
    linked.previous = kNone;
    linked.next = heads_[linked.slot];
    if (linked.next != kNone) {
      nodes_[linked.next].previous = node;
    }
    heads_[linked.slot] = node;
    occupied_[linked.slot / 64] |= uint64_t{1} << linked.slot % 64;
  }
  void unlink(uint32_t node) {
    const Node& gone = nodes_[node];
    (gone.previous == kNone ? heads_[gone.slot] : nodes_[gone.previous].next) = gone.next;
    if (gone.next != kNone) {
      nodes_[gone.next].previous = gone.previous;
    }
    if (heads_[gone.slot] == kNone) {
      occupied_[gone.slot / 64] &= ~(uint64_t{1} << gone.slot % 64);
    }
  }
  bool is_occupied(uint32_t slot) const { return (occupied_[slot / 64] >> slot % 64 & 1) != 0; }
  bool is_empty(uint32_t level) const {
    return std::all_of(&occupied_[level * kSlots / 64], &occupied_[(level + 1) * kSlots / 64],
                       [](uint64_t word) { return word == 0; });
  }

  /// The slot of the level whose time begins now. @returns whether the budget sufficed
  bool move_down(uint32_t level, uint32_t budget, uint32_t& used) {
    const uint32_t slot = level * kSlots + next_tick_ / span_of(level) % kSlots;
    while (heads_[slot] != kNone) {
      if (used == budget) {
        return false;
      }
      ++used;
      const uint32_t node = heads_[slot];
      unlink(node);
      link(node);
    }
    return true;
  }

  /// To the next tick at which there may be something to do, or one beyond `now`.
  Millis ticks_to_skip(Millis now) const {
    Millis step = 1;
    for (uint32_t level = 0; level < kLevels - 1 && is_empty(level); ++level) {
      step = span_of(level + 1) - next_tick_ % span_of(level + 1);
    }
    return std::min<Millis>(step, now - next_tick_ + 1);
  }

  std::vector<Node> nodes_;
  std::array<uint32_t, kLevels * kSlots> heads_;
  std::array<uint64_t, kLevels * kSlots / 64> occupied_{};
  Millis next_tick_;
};

}  // namespace weft::time
