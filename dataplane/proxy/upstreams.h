// SPDX-License-Identifier: Apache-2.0
/// @file Connections to endpoints: those that serve an exchange, and those that wait for the next, by endpoint, the one
/// that came last first.
///
/// One a worker. A connection belongs to one exchange at a time; a parked one has nothing to say, and whatever it says
/// ends it. All memory is taken at construction.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "tcp/engine.h"
#include "time/wheel.h"

namespace weft::proxy {

struct Upstream {
  enum class State : uint8_t {
    free,
    calling,  ///< waits for a port to connect from
    busy,
    parked,
  };

  tcp::ConnectionId id;
  tcp::SocketPair pair;
  State state = State::free;
  bool called = false;  ///< pair is taken
  bool connected = false;
  uint32_t generation = 0;
  uint32_t service_slot = 0;
  uint32_t endpoint_slot = 0;
  uint32_t exchange = 0;           ///< that it serves, if busy or calling
  uint32_t served = 0;             ///< requests
  uint32_t previous = UINT32_MAX;  ///< parked ones of the endpoint
  uint32_t next = UINT32_MAX;
  uint32_t older = UINT32_MAX;  ///< parked ones of all endpoints
  uint32_t newer = UINT32_MAX;
  uint32_t older_of_service = UINT32_MAX;
  uint32_t newer_of_service = UINT32_MAX;
  time::Millis parked_until = 0;
  time::Millis began_at = 0;
  time::Millis moved_at = 0;  ///< the last response was over
};

class Upstreams {
 public:
  static constexpr uint32_t kNone = UINT32_MAX;

  Upstreams(uint32_t connections, uint32_t service_slots, uint32_t endpoint_slots, time::Millis now);

  Upstream& operator[](uint32_t number) { return upstreams_[number]; }
  const Upstream& operator[](uint32_t number) const { return upstreams_[number]; }
  bool is_valid(uint32_t number) const {
    return number < upstreams_.size() && upstreams_[number].state != Upstream::State::free;
  }

  /// One that waits for a request to the endpoint; kNone: none does. It is busy from here on.
  uint32_t take_parked(uint32_t endpoint_slot);
  bool has_parked(uint32_t endpoint_slot) const { return parked_of_[endpoint_slot] != kNone; }
  /// The one that has waited longest; kNone: none waits.
  uint32_t oldest_parked() const { return oldest_; }
  /// Of those that were made for the service.
  uint32_t oldest_parked_of(uint32_t service_slot) const { return of_service_[service_slot].oldest; }
  /// One that is to be made; kNone: as many as there may be.
  uint32_t make(uint32_t service_slot, uint32_t endpoint_slot);
  void park(uint32_t number, time::Millis until);
  /// Its connection has ended, or will without anybody's interest.
  void forget(uint32_t number);

  /// Calls `due(number)` of parked ones that have waited long enough.
  template <typename Due>
  void advance(time::Millis now, uint32_t budget, Due due) {
    wheel_.advance(now, budget, [&](uint32_t number) -> std::optional<time::Millis> {
      const Upstream& upstream = upstreams_[number];
      if (upstream.state != Upstream::State::parked) {
        return std::nullopt;
      }
      if (static_cast<int32_t>(upstream.parked_until - now) > 0) {
        return upstream.parked_until;
      }
      due(number);
      return std::nullopt;
    });
  }

  uint32_t size() const { return static_cast<uint32_t>(upstreams_.size() - free_.size()); }
  uint32_t parked() const { return parked_; }
  uint32_t capacity() const { return static_cast<uint32_t>(upstreams_.size()); }
  size_t memory_bytes() const;

 private:
  struct Ends {
    uint32_t oldest = kNone;
    uint32_t newest = kNone;
  };

  void unlink(Upstream& upstream);

  std::vector<Upstream> upstreams_;
  std::vector<uint32_t> free_;
  std::vector<uint32_t> parked_of_;  ///< by endpoint slot: the first
  std::vector<Ends> of_service_;     ///< parked, by service slot
  time::Wheel wheel_;
  uint32_t oldest_ = kNone;  ///< parked,
  uint32_t newest_ = kNone;
  uint32_t parked_ = 0;
};

}  // namespace weft::proxy
