// SPDX-License-Identifier: Apache-2.0
/// @file What workers tell each other. Nothing else crosses between them but packets that are handed over.
///
/// A pipeline writes notes into its Outbox; the worker delivers them, in order, before any packet of the same burst is
/// sent. So a reply never comes in before the note that says whose it is was delivered.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <vector>

#include "lb/flow_key.h"

namespace weft::l4 {

constexpr uint32_t kMaxWorkers = 16;

struct Note {
  Note() : key6() {}
  enum class What : uint8_t {
    steer,  ///< packets with this reply tuple are for the sender's flow
    steer_no_more,
    client,  ///< a client of a service with session affinity was sent to an endpoint
  };
  What what = What::steer;
  lb::Family family = lb::Family::ipv4;  ///< of steer: which key counts
  uint16_t from = 0;
  uint32_t endpoint_slot = 0;  ///< of client
  union {
    lb::FlowKey6 key6;
    lb::FlowKey4 key4;
    uint64_t client;  ///< hash of service and address
  };
};
static_assert(sizeof(Note) == 64);

/// Bounded by what the receivers have room for: a note that does not fit is refused, at once.
class Outbox {
 public:
  explicit Outbox(uint32_t workers) : room_(), workers_(workers) {
    for (std::vector<Note>& notes : notes_) {
      notes.reserve(kMost);
    }
  }

  /// How many notes the receiver takes until this is called again; the worker's to say.
  void set_room(uint32_t receiver, uint32_t notes) { room_[receiver] = std::min(notes, kMost); }
  bool has_room(uint32_t receiver) const { return notes_[receiver].size() < room_[receiver]; }
  /// Of each receiver that has any.
  bool has_half_its_room() const {
    for (uint32_t receiver = 0; receiver < workers_; ++receiver) {
      if (notes_[receiver].size() > room_[receiver] / 2) {
        return false;
      }
    }
    return true;
  }
  bool add(uint32_t receiver, const Note& note) {
    if (!has_room(receiver)) {
      return false;
    }
    notes_[receiver].push_back(note);
    return true;
  }
  /// To all, or if one of them has no room, to none.
  bool add_for_all_but(uint32_t sender, const Note& note) {
    for (uint32_t receiver = 0; receiver < workers_; ++receiver) {
      if (receiver != sender && !has_room(receiver)) {
        return false;
      }
    }
    for (uint32_t receiver = 0; receiver < workers_; ++receiver) {
      if (receiver != sender) {
        notes_[receiver].push_back(note);
      }
    }
    return true;
  }
  const std::vector<Note>& notes(uint32_t receiver) const { return notes_[receiver]; }
  void clear(uint32_t receiver) { notes_[receiver].clear(); }

 private:
  static constexpr uint32_t kMost = 1024;

  std::array<std::vector<Note>, kMaxWorkers> notes_;
  std::array<uint32_t, kMaxWorkers> room_;
  uint32_t workers_;
};

}  // namespace weft::l4
