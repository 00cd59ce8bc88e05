// SPDX-License-Identifier: Apache-2.0
/// @file For some time after a start: connections of an earlier run, of which the endpoint speaks first.
///
/// A request without a flow goes where the consistent hash says, so it begins its flow again. A reply names no virtual
/// address. From its endpoint it can be of a service, or of somebody who talked to the endpoint directly; only the
/// client can tell. So weft sends a TCP reply on as the hash says, from the virtual address, and makes no flow: a
/// client that knows such a connection answers, and that request begins the flow; one that doesn't answers RST, and the
/// endpoint's next try passes untouched, if the worker that sends it on saw the RST, and in any case after a few
/// seconds. Connections that begin now are known by their SYN with ACK.
///
/// Owned by one worker, but for VipsOfEndpoints: immutable, made at start and shared.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "flow/recent_table.h"
#include "lb/snapshot.h"

namespace weft::l4 {

/// The virtual addresses and ports that TCP endpoints of mode nat stand behind. 44 bytes an endpoint.
class VipsOfEndpoints {
 public:
  struct Entry {
    lb::Address address;
    lb::Port port{};
    lb::Port vip_port{};
    lb::Address vip;
  };

  explicit VipsOfEndpoints(const lb::Snapshot& snapshot);

  /// Of one endpoint.
  std::span<const Entry> of(const lb::Address& address, lb::Port port) const;

 private:
  std::vector<Entry> entries_;  ///< sorted by address and port
};

class Recovery {
 public:
  /// An endpoint sends what is unanswered again and again: within this time more than once, after any restart.
  static constexpr time::Millis kPeriod = 120'000;
  /// A client that knows the connection acknowledges within this time what was sent on: four tries, with Linux's
  /// timers.
  static constexpr time::Millis kPatience = 3'000;

  /// @param vips outlive this; null: there is nothing to recover
  void begin(const VipsOfEndpoints* vips) { vips_ = vips; }
  /// Null when the time is over, which begins with the first call.
  const VipsOfEndpoints* vips(time::Millis now) {
    if (vips_ == nullptr) [[likely]] {
      return nullptr;
    }
    began_ = began_.value_or(now);
    vips_ = time::elapsed(*began_, now) <= kPeriod ? vips_ : nullptr;
    return vips_;
  }

  /// That a tuple is of no connection of an earlier run.
  void exclude(uint64_t hash, time::Millis now) { excluded_.put(hash, true, now); }
  /// Notes a try to send on what may be of this connection. @returns whether others were made long ago, in vain
  bool has_been_tried(uint64_t hash, time::Millis now) {
    if (const time::Millis* first = tried_.find(hash, now, kPeriod); first != nullptr) {
      return time::elapsed(*first, now) > kPatience;
    }
    tried_.put(hash, now, now);
    return false;
  }
  bool is_excluded(uint64_t hash, time::Millis now) { return excluded_.find(hash, now, kPeriod) != nullptr; }

 private:
  const VipsOfEndpoints* vips_ = nullptr;
  std::optional<time::Millis> began_;
  flow::RecentTable<bool> excluded_{4096};
  flow::RecentTable<time::Millis> tried_{4096};  ///< when first
};

}  // namespace weft::l4
