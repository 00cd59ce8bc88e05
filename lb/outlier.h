// SPDX-License-Identifier: Apache-2.0
/// @file Outlier detection: who gets no requests for a while, because those that it got failed.
///
/// One board a node, of relaxed atomics. Whoever sees an endpoint fail once too often ejects it, for all workers: a
/// service counts its ejected ones, so that a pick where nobody is ejected loads one number, and that number is raised
/// before and only if the service's share allows for one more. A success writes nothing unless a failure came before.
///
/// An endpoint's word says what it is: in service; ejected until a time; or on trial. When the time is over, the first
/// worker whose pick falls on it sends one request there, and the others go on passing over it: its success returns the
/// endpoint, its failure ejects it for longer. (Envoy returns it with all that it got before.) How often it was ejected
/// is forgotten one by one, an interval each, while it stays in service.
///
/// An ejection is of an endpoint that gets new requests: what left the registry, or is not ready, loses it
/// (look_after()), and a slot's next owner has none (forget()). After Envoy's documents (Outlier detection, v1.31).
///
/// Pure: time is an argument, in milliseconds, wrapping. Any number of threads may report and pick; look_after() and
/// forget() are one thread's.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "lb/outlier_policy.h"
#include "lb/snapshot.h"

namespace weft::lb {

/// Why an endpoint was ejected.
enum class Ejection : uint8_t { none, consecutive_5xx, consecutive_gateway, consecutive_local, success_rate, probe };
constexpr size_t kEjections = 6;
std::string_view to_string(Ejection ejection);

/// What came of a request to an endpoint.
struct Outcome {
  uint16_t status = 0;     ///< of the response; of none, what the client would be told
  bool is_local = false;   ///< there was none: no connection, a reset, no answer in time
  bool was_probe = false;  ///< of an endpoint on trial
};

class OutlierBoard {
 public:
  /// Throws std::bad_alloc. 4 bytes a service slot, 40 an endpoint slot, and 8 more of these a worker.
  OutlierBoard(uint32_t services, uint32_t endpoints, uint32_t workers);

  /// Is any of the service's endpoints ejected or on trial? What every pick asks.
  bool any_ejected(const Service& service) const { return ejected(service.slot) > 0; }
  uint32_t ejected(uint32_t service) const { return ejected_[service].load(std::memory_order_relaxed); }
  /// So few are in service that all get requests.
  bool is_panic(const Service& service, const OutlierPolicy& policy) const;

  enum class Leave : uint8_t { no, yes, as_probe };
  /// May a request go there? As a probe: and the caller reports what came of it, or calls abandon().
  Leave leave_for(uint32_t endpoint, uint32_t now);

  struct Reported {
    Ejection ejected = Ejection::none;    ///< by this report
    Ejection held_back = Ejection::none;  ///< it would have been, but for max_ejection_percent
  };
  /// @param hosts of the service, that get new requests
  Reported report(uint32_t worker, uint32_t service, uint32_t hosts, uint32_t endpoint, const OutlierPolicy& policy,
                  const Outcome& outcome, uint32_t now);
  /// A probe came to nothing: another request may be one.
  void abandon(uint32_t endpoint, uint32_t now);

  struct State {
    enum class Phase : uint8_t { in_service, ejected, on_trial };
    Phase phase = Phase::in_service;
    Ejection why = Ejection::none;  ///< it was last
    uint32_t times = 0;             ///< that count for how long
    uint32_t service = 0;           ///< slot, of one that is not in service
    uint32_t until = 0;             ///< of one that is ejected
  };
  State state(uint32_t endpoint) const;

  /// Once a second or so: what has left is forgotten, and of services whose interval is over, success rates are judged.
  /// @param tell(service slot, what came of it) of each endpoint that is an outlier by its success rate
  template <typename Tell>
  void look_after(const Snapshot& snapshot, uint32_t now, Tell tell) {
    forget_who_left(snapshot, now);
    for (const Service& service : snapshot.services()) {
      if (is_interval_over(service, now)) {
        for (const Reported& each : judge(service, now)) {
          tell(service.slot, each);
        }
      }
    }
  }
  /// The slot's owner is gone for good.
  void forget(uint32_t endpoint);

  size_t memory_bytes() const;

 private:
  struct Endpoint {
    std::atomic<uint64_t> word{0};
    std::atomic<uint32_t> in_row_5xx{0};
    std::atomic<uint32_t> in_row_gateway{0};
    std::atomic<uint32_t> in_row_local{0};
    std::atomic<Ejection> why{Ejection::none};
  };
  struct Tally {
    std::atomic<uint32_t> all{0};
    std::atomic<uint32_t> good{0};
  };
  struct Sums {
    uint32_t all = 0;
    uint32_t good = 0;
  };

  Reported eject(uint32_t service, uint32_t hosts, uint32_t endpoint, const OutlierPolicy& policy, Ejection why,
                 uint32_t now);
  Reported end_trial(uint32_t endpoint, const OutlierPolicy& policy, bool is_failure, uint32_t now);
  void clear(uint32_t endpoint, uint64_t word);
  void begin_anew(Endpoint& endpoint);
  Sums sums(uint32_t endpoint) const;
  void forget_who_left(const Snapshot& snapshot, uint32_t now);
  bool is_interval_over(const Service& service, uint32_t now);
  std::vector<Reported> judge(const Service& service, uint32_t now);

  std::vector<Endpoint> endpoints_;
  std::vector<std::atomic<uint32_t>> ejected_;  ///< by service slot
  std::atomic<uint32_t> all_ejected_{0};        ///< over all of them
  std::vector<std::vector<Tally>> tallies_;     ///< by worker
  std::vector<Sums> judged_;                    ///< tallies, as they were at the end of the last interval
  std::vector<uint32_t> interval_began_;        ///< by service slot
};

}  // namespace weft::lb
