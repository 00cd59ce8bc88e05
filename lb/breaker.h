// SPDX-License-Identifier: Apache-2.0
/// @file Circuit breakers: bounds of what a service, or one of its endpoints, has under way at a time, held by all
/// workers together without an atomic on each request.
///
/// A bound's units lie in one shared number, of which a worker takes a chunk when it has none left, and gives one back
/// when it has two to spare; in between it counts for itself. No more units are ever out than the bound, so no more are
/// ever used. What the others have to spare is refused though nobody uses it: each of W workers has less than 2 chunks,
/// a chunk is 1/(16 W) of the bound, so a refusal means that more than 7/8 of the bound are in use. A bound of less
/// than 32 W is exact: its chunk is one unit, of which nobody keeps any to spare, and each use is an atomic.
///
/// Words and defaults are Envoy's (config.cluster.v3.CircuitBreakers). A bound may change at any time: a lower one lets
/// what is under way end. Units belong to slots (lb/snapshot.h) and go back whoever owns the slot by then.
///
/// No clock, no allocation after construction. A worker uses the shares of its own number; all may read.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <vector>

#include "lb/wish_ring.h"

namespace weft::lb {

/// Of a service, node-wide.
struct BreakerLimits {
  static constexpr uint32_t kNone = UINT32_MAX;  ///< no bound

  uint32_t max_connections = 1024;       ///< to its endpoints, those that wait for a request too
  uint32_t max_pending_requests = 1024;  ///< that wait for a connection being made
  uint32_t max_requests = 1024;          ///< under way, those that wait for another attempt too
  uint32_t endpoint_max_connections = kNone;
  uint32_t endpoint_max_requests = kNone;

  bool bounds_endpoints() const { return endpoint_max_connections != kNone || endpoint_max_requests != kNone; }
  bool operator==(const BreakerLimits&) const = default;
};

/// Of attempts beside the first (Envoy's RetryBudget; Istio's trafficPolicy.retryBudget): how many may be under way.
struct RetryBudget {
  double percent = 20;    ///< of the requests that make their first attempt
  uint32_t at_least = 3;  ///< however few requests there are
  bool is_fixed = false;  ///< at_least is max_retries: percent says nothing

  /// @param firsts requests of the service, node-wide, that make their first attempt
  uint32_t most(uint64_t firsts) const {
    return is_fixed ? at_least : std::max(at_least, static_cast<uint32_t>(static_cast<double>(firsts) * percent / 100));
  }
  bool operator==(const RetryBudget&) const = default;
};

/// What a worker has of a bound.
struct BreakerShare {
  std::atomic<uint32_t> used{0};  ///< written by its worker alone
  uint32_t held = 0;              ///< of the shared number; at least what is used
  uint32_t limit = 0;             ///< that chunk is of; 0: none, until the next use
  uint32_t chunk = 1;

  uint32_t in_use() const { return used.load(std::memory_order_relaxed); }
  void use(uint32_t n) { used.store(n, std::memory_order_relaxed); }
};

/// The shared number: units that workers hold.
class SharedBound {
 public:
  static uint32_t chunk_of(uint32_t limit, uint32_t workers) {
    return limit == BreakerLimits::kNone ? 1 : std::clamp(limit / (16 * workers), 1U, 64U);
  }

  /// @returns false: the bound is reached
  bool take(BreakerShare& share, uint32_t limit, uint32_t workers) {
    if (share.limit != limit) [[unlikely]] {
      fit(share, limit, workers);
    }
    const uint32_t used = share.in_use();
    if (used >= share.held && !fetch(share, limit)) {
      return false;
    }
    share.use(used + 1);
    return true;
  }
  /// Precondition: one was taken.
  void give_back(BreakerShare& share) {
    const uint32_t used = share.in_use() - 1;
    share.use(used);
    if (share.held - used > 2 * (share.chunk - 1)) {
      return_down_to(share, used + share.chunk - 1);
    }
  }
  /// Others wish for it.
  void return_spare(BreakerShare& share) {
    return_down_to(share, share.in_use());
    share.limit = 0;
    share.chunk = 1;
  }
  uint32_t held() const { return held_.load(std::memory_order_relaxed); }

  WishRing::Said wished;  ///< for what others have to spare

 private:
  /// The bound is another one: what is to spare was taken under the last one.
  void fit(BreakerShare& share, uint32_t limit, uint32_t workers) {
    return_down_to(share, share.in_use());
    share.limit = limit;
    share.chunk = chunk_of(limit, workers);
  }
  void return_down_to(BreakerShare& share, uint32_t rest) {
    if (share.held != rest) {
      held_.fetch_sub(share.held - rest, std::memory_order_relaxed);
      share.held = rest;
    }
  }
  bool fetch(BreakerShare& share, uint32_t limit) {
    uint32_t held = held_.load(std::memory_order_relaxed);
    uint32_t more = 0;
    do {
      if (held >= limit) {
        return false;
      }
      more = std::min(share.chunk, limit - held);
    } while (!held_.compare_exchange_weak(held, held + more, std::memory_order_relaxed));
    share.held += more;
    return true;
  }

  std::atomic<uint32_t> held_{0};
};

/// What breakers have of all services and endpoints of a node.
class BreakerBoard {
 public:
  enum Kind : uint8_t { connections, pending, requests };
  static constexpr size_t kKinds = 3;

  /// Throws std::bad_alloc. 32 bytes a service slot and 20 an endpoint slot, and for each worker 48 and 32.
  BreakerBoard(uint32_t services, uint32_t endpoints, uint32_t workers)
      : services_(services), endpoints_(endpoints), workers_(workers), wishes_(workers) {
    for (Worker& each : workers_) {
      each.services = std::vector<ServiceShares>(services);
      each.endpoints = std::vector<EndpointShares>(endpoints);
    }
  }

  bool take(uint32_t worker, Kind kind, uint32_t service, uint32_t limit) {
    SharedBound& bound = services_[service].bounds[kind];
    if (bound.take(workers_[worker].services[service].shares[kind], limit, workers())) [[likely]] {
      return true;
    }
    if (in_use(kind, service) < limit) {
      wishes_.say(worker, number_of({.slot = service, .at = kind}), bound.wished);
    }
    return false;
  }
  void give_back(uint32_t worker, Kind kind, uint32_t service) {
    services_[service].bounds[kind].give_back(workers_[worker].services[service].shares[kind]);
  }
  /// @param kind not pending
  bool take_of_endpoint(uint32_t worker, Kind kind, uint32_t endpoint, uint32_t limit) {
    const uint32_t at = kind == requests;
    SharedBound& bound = endpoints_[endpoint].bounds[at];
    if (bound.take(workers_[worker].endpoints[endpoint].shares[at], limit, workers())) [[likely]] {
      return true;
    }
    if (endpoint_in_use(kind, endpoint) < limit) {
      wishes_.say(worker, number_of({.of_endpoint = true, .slot = endpoint, .at = at}), bound.wished);
    }
    return false;
  }
  void give_back_of_endpoint(uint32_t worker, Kind kind, uint32_t endpoint) {
    const size_t at = kind == requests;
    endpoints_[endpoint].bounds[at].give_back(workers_[worker].endpoints[endpoint].shares[at]);
  }

  /// Each worker, now and then: what it has to spare, and others wish for, goes back.
  /// @param of_service(slot) of each that others were refused connections to, @param of_endpoint(slot) too
  template <typename OfService, typename OfEndpoint>
  void hear_wishes(uint32_t worker, OfService of_service, OfEndpoint of_endpoint) {
    wishes_.hear(worker, [&](uint32_t number) {
      const Bound wished = bound_of(number);
      if (wished.of_endpoint) {
        endpoints_[wished.slot].bounds[wished.at].return_spare(
            workers_[worker].endpoints[wished.slot].shares[wished.at]);
      } else {
        services_[wished.slot].bounds[wished.at].return_spare(workers_[worker].services[wished.slot].shares[wished.at]);
      }
      if (wished.at == connections) {
        wished.of_endpoint ? of_endpoint(wished.slot) : of_service(wished.slot);
      }
    });
  }

  /// Node-wide, now; what changes meanwhile may be missed.
  uint32_t in_use(Kind kind, uint32_t service) const {
    uint32_t sum = 0;
    for (const Worker& each : workers_) {
      sum += each.services[service].shares[kind].in_use();
    }
    return sum;
  }
  uint32_t endpoint_in_use(Kind kind, uint32_t endpoint) const {
    uint32_t sum = 0;
    for (const Worker& each : workers_) {
      sum += each.endpoints[endpoint].shares[kind == requests].in_use();
    }
    return sum;
  }

  /// In this worker alone.
  uint32_t in_use_here(uint32_t worker, Kind kind, uint32_t service) const {
    return workers_[worker].services[service].shares[kind].in_use();
  }
  /// Would take_of_endpoint() say so? What other workers keep to spare counts as used.
  bool has_room_at_endpoint(uint32_t worker, Kind kind, uint32_t endpoint, uint32_t limit) const {
    const size_t at = kind == requests;
    const BreakerShare& share = workers_[worker].endpoints[endpoint].shares[at];
    return limit == BreakerLimits::kNone || endpoints_[endpoint].bounds[at].held() < limit ||
           (share.limit == limit && share.in_use() < share.held);
  }

  /// One of the service's requests is to make another attempt. It counts among those that do until give_back_retry(),
  /// and among `requests` meanwhile. @returns false: the budget is spent
  bool take_retry(uint32_t service, const RetryBudget& budget) {
    std::atomic<uint32_t>& retries = services_[service].retries;
    uint32_t now = retries.load(std::memory_order_relaxed);
    do {
      const uint32_t all = in_use(requests, service);
      if (now >= budget.most(all - std::min(all, now + 1))) {
        return false;
      }
    } while (!retries.compare_exchange_weak(now, now + 1, std::memory_order_relaxed));
    return true;
  }
  void give_back_retry(uint32_t service) { services_[service].retries.fetch_sub(1, std::memory_order_relaxed); }
  uint32_t retries(uint32_t service) const { return services_[service].retries.load(std::memory_order_relaxed); }

  /// A worker was refused a connection of the service: another one may have some that only wait.
  void want_connection(uint32_t worker, uint32_t service) {
    want(services_[service].wanted);
    wishes_.say(worker, number_of({.slot = service, .at = connections}), services_[service].bounds[connections].wished);
  }
  /// Is one that only waits to be ended, of this service? That wish is fulfilled then.
  bool grant_connection(uint32_t service) { return grant(services_[service].wanted); }
  /// The same of one endpoint, whatever service is refused.
  void want_connection_to(uint32_t worker, uint32_t endpoint) {
    EndpointBounds& at = endpoints_[endpoint];
    want(at.wanted);
    wishes_.say(worker, number_of({.of_endpoint = true, .slot = endpoint, .at = connections}),
                at.bounds[connections].wished);
  }
  bool grant_connection_to(uint32_t endpoint) { return grant(endpoints_[endpoint].wanted); }
  /// Of wishes that nobody could fulfil: now and then, by one thread.
  void forget_wishes() {
    const auto forget = [](auto& all) {
      for (auto& each : all) {
        if (each.wanted.load(std::memory_order_relaxed) > 0) {
          each.wanted.store(0, std::memory_order_relaxed);
        }
      }
    };
    forget(services_);
    forget(endpoints_);
  }

  uint32_t workers() const { return static_cast<uint32_t>(workers_.size()); }
  size_t memory_bytes() const {
    return services_.size() * (sizeof(ServiceBounds) + workers_.size() * sizeof(ServiceShares)) +
           endpoints_.size() * (sizeof(EndpointBounds) + workers_.size() * sizeof(EndpointShares));
  }

 private:
  static constexpr uint32_t kMostWanted = 64;

  static void want(std::atomic<uint32_t>& wanted) {
    if (wanted.load(std::memory_order_relaxed) < kMostWanted) {
      wanted.fetch_add(1, std::memory_order_relaxed);
    }
  }
  static bool grant(std::atomic<uint32_t>& wanted) {
    uint32_t now = wanted.load(std::memory_order_relaxed);
    while (now > 0 && !wanted.compare_exchange_weak(now, now - 1, std::memory_order_relaxed)) {
    }
    return now > 0;
  }

  struct ServiceBounds {
    SharedBound bounds[kKinds];
    std::atomic<uint32_t> retries{0};
    std::atomic<uint32_t> wanted{0};
  };
  struct EndpointBounds {
    SharedBound bounds[2];  ///< connections, requests
    std::atomic<uint32_t> wanted{0};
  };
  struct ServiceShares {
    BreakerShare shares[kKinds];
  };
  struct EndpointShares {
    BreakerShare shares[2];
  };
  struct Worker {
    std::vector<ServiceShares> services;
    std::vector<EndpointShares> endpoints;
  };
  /// As wishes name it.
  struct Bound {
    bool of_endpoint = false;
    uint32_t slot = 0;
    uint32_t at = 0;  ///< among the slot's
  };

  uint32_t number_of(const Bound& bound) const {
    const auto services = static_cast<uint32_t>(services_.size() * kKinds);
    return bound.of_endpoint ? services + bound.slot * 2 + bound.at
                             : bound.slot * static_cast<uint32_t>(kKinds) + bound.at;
  }
  Bound bound_of(uint32_t number) const {
    const auto services = static_cast<uint32_t>(services_.size() * kKinds);
    return number < services
               ? Bound{.slot = number / uint32_t{kKinds}, .at = number % uint32_t{kKinds}}
               : Bound{.of_endpoint = true, .slot = (number - services) / 2, .at = (number - services) % 2};
  }

  std::vector<ServiceBounds> services_;
  std::vector<EndpointBounds> endpoints_;
  std::vector<Worker> workers_;
  WishRing wishes_;
};

}  // namespace weft::lb
