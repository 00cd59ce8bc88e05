// SPDX-License-Identifier: Apache-2.0
/// @file Which endpoint gets a request. One a worker: it knows what the worker's own requests are doing.
///
/// Endpoints and weights are the snapshot's (zones, slow starts and drains are in them already); what this adds is the
/// algorithm and its state: a number for each endpoint slot, how many requests are under way there, and one for each
/// service slot, where its round is. Neither says anything of the other endpoints, so a service may change in any way
/// between two picks. No allocation after construction; a pick takes O(1), and O(log n) of n unequal weights.
///
/// - least_request: two different ones by chance and weight, and of them the one with fewer requests for its weight;
/// the
///   first of two equals, so that idle endpoints get their weights' shares.
/// - round_robin: WeightedOrder's walk, begun at a place of the worker's own. Equal weights take turns exactly.
/// - random: by weight.
/// - consistent_hash: Maglev, equal on all nodes; by chance and weight if the request has nothing to hash.
///
/// Endpoints that are ejected (lb/outlier.h) are passed over, whatever the algorithm: it is asked again, a hash hashed
/// again, so that all workers with the same ejected ones agree. Where none is ejected that costs a load.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "lb/http_policy.h"
#include "lb/http_request.h"
#include "lb/outlier.h"
#include "lb/snapshot.h"
#include "lb/split_mix.h"

namespace weft::lb {

class RequestBalancer {
 public:
  /// @param outliers outlives it; null: nobody is ejected
  RequestBalancer(uint32_t max_services, uint32_t max_endpoints, uint64_t seed, OutlierBoard* outliers = nullptr);

  struct Asked {
    const HttpRequest* request = nullptr;
    Address client;
    std::optional<uint64_t> cookie_hash;  ///< of a hash cookie that weft is about to set
    /// Slots of endpoints, of attempts that failed: another one, if there is one.
    std::span<const uint32_t> tried;
    uint32_t now = 0;  ///< in milliseconds, wrapping

    uint32_t avoid() const { return tried.empty() ? UINT32_MAX : tried.back(); }
  };
  /// Null: the service has no endpoint for new requests, or all are ejected.
  const Target* pick(const Service& service, const Asked& asked);
  /// May a request go to this target of the service, by a reason of its own?
  bool admits(const Service& service, uint32_t endpoint_slot, uint32_t now);
  /// The last pick(), or admits() that said yes, made the request a probe (OutlierBoard::leave_for).
  bool took_probe() const { return took_probe_; }
  /// What the service's consistent hash is taken of, if the request has it (a header, a cookie, a parameter, an
  /// address).
  static std::optional<uint64_t> hash_of(const RequestPolicy& policy, const Asked& asked);

  /// Of each request: it is on its way to the endpoint, and is over. Counted, for least_request.
  void begin(uint32_t endpoint_slot);
  void end(uint32_t endpoint_slot);
  uint32_t active(uint32_t endpoint_slot) const;

  /// What a header, a cookie or a parameter of this value is hashed to, on all nodes; of a cookie to be set, too.
  static uint64_t hash_of_value(std::string_view value);

 private:
  [[gnu::always_inline]] inline uint32_t choose(const Service& service, const Asked& asked,
                                                std::optional<uint64_t> hash);
  [[gnu::cold]] const Target* pass_over(const Service& service, const Asked& asked, std::optional<uint64_t> hash,
                                        uint32_t target);
  bool has_ejected(const Service& service) const;
  uint32_t least_request(const WeightedOrder& order, const Service& service, uint32_t avoid);
  uint32_t round_robin(const WeightedOrder& order, const Service& service, uint32_t avoid);
  uint32_t by_chance(const WeightedOrder& order, const Service& service, uint32_t avoid);
  /// A target that is not this one, by weight, if there is one.
  uint32_t another(const WeightedOrder& order, uint32_t target, uint64_t random) const;

  std::vector<uint32_t> active_;     ///< by endpoint slot
  std::vector<uint32_t> positions_;  ///< in the round, by service slot
  SplitMix64 random_;
  OutlierBoard* const outliers_;
  bool took_probe_ = false;
};

}  // namespace weft::lb
