// SPDX-License-Identifier: Apache-2.0
/// @file The endpoints that packets are steered for: those of the registry, and those that left while flows hold their
/// slots. What each slot stands for, when its owner became ready, and when its flows are to be reset.
///
/// What changed is kept until take_changes(), so that steering costs what changed and not what there is.
///
/// One thread. About 100 bytes a slot beside the identities (slots.h).
#pragma once

#include <map>

#include "registry-sync/choose.h"
#include "registry-sync/slots.h"

namespace weft::registry {

/// An endpoint behind a virtual address that packets must be steered for.
struct TrackedEndpoint {
  uint32_t slot = 0;
  lb::Address vip;
  lb::Port vip_port{};
  lb::Protocol protocol{};
  lb::Address address;
  lb::Port port{};
  bool lingering = false;  ///< not in the registry any more: only the flows that it has

  bool operator==(const TrackedEndpoint&) const = default;
};

/// From one state of what is tracked to the next. What is gone comes first: its slot may be another's by now.
struct TrackedChanges {
  std::vector<TrackedEndpoint> gone;     ///< no flow holds them; in the order of their going
  std::vector<TrackedEndpoint> changed;  ///< new, or lingering, or back; in the order of slots
};

class EndpointLedger {
 public:
  explicit EndpointLedger(uint32_t capacity) : slots_(capacity) {}

  /// The slot of an endpoint in the registry; see SlotLedger. Takes back what release() said of it.
  /// @param endpoint without slot
  std::optional<uint32_t> take(const std::string& identity, TrackedEndpoint endpoint);
  /// It left the registry.
  /// @param reset_at when flows that it still has are to be reset; none: never
  void release(uint32_t slot, std::optional<Time> reset_at);
  /// Frees the slots of those that left and that nobody holds. Returns those.
  std::vector<uint32_t> reclaim(const InUse& in_use);

  /// Sets warms_since of those that are ready: new ones beside others that were ready before begin a slow start, if the
  /// service has one. Who is not ready and becomes it again is new. Nothing is new to a service that has nobody older.
  void warm(std::vector<Candidate>& candidates, std::chrono::seconds slow_start, Time now);

  /// Slots whose flows are to be reset by now, while they linger.
  const std::set<uint32_t>& resets() const { return resets_; }
  /// Did resets() change?
  bool advance(Time now);
  std::optional<Time> next_reset() const;

  size_t lingering() const { return slots_.lingering().size(); }
  /// In the order of slots.
  std::vector<TrackedEndpoint> tracked() const;
  TrackedChanges take_changes();
  /// Another number whenever tracked() changed.
  uint64_t revision() const { return revision_; }

 private:
  struct Entry {
    TrackedEndpoint tracked;
    bool taken = false;
    bool was_ready = false;
    std::optional<Time> warms_since;
  };

  SlotLedger slots_;
  std::vector<Entry> entries_;         ///< by slot
  std::map<uint32_t, Time> reset_at_;  ///< of slots that linger, before their time
  std::set<uint32_t> resets_;
  bool resets_changed_ = false;  ///< since advance()
  uint64_t revision_ = 0;
  std::vector<TrackedEndpoint> gone_;
  std::set<uint32_t> changed_;
};

}  // namespace weft::registry
