// SPDX-License-Identifier: Apache-2.0
#include "lb/request_balancer.h"

#include <algorithm>
#include <cassert>

#include "lb/bytes.h"
#include "lb/http_choice.h"
#include "lb/http_cookie.h"
#include "lb/http_query.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace weft::lb {
namespace {

std::optional<std::string_view> value_of(const HashOn& on, const HttpRequest& request) {
  if (on.kind == HashOn::Kind::query) {
    std::string_view rest = request.query;
    while (const std::optional<QueryParameter> parameter = take_parameter(rest)) {
      if (decodes_to(parameter->name, on.name)) {
        return parameter->value;
      }
    }
    return std::nullopt;
  }
  for (const HttpField& field : request.fields) {
    if (on.kind == HashOn::Kind::header && same_name(field.name, on.name)) {
      return field.value;
    }
    if (on.kind == HashOn::Kind::cookie && same_name(field.name, "cookie")) {
      if (const std::optional<std::string_view> value = cookie(field.value, on.name)) {
        return value;
      }
    }
  }
  return std::nullopt;
}

}  // namespace

RequestBalancer::RequestBalancer(uint32_t max_services, uint32_t max_endpoints, uint64_t seed, OutlierBoard* outliers)
    : active_(max_endpoints), positions_(max_services), random_(seed), outliers_(outliers) {
  // Else all workers would begin all their rounds with the same endpoint.
  for (uint32_t& position : positions_) {
    position = static_cast<uint32_t>(random_());
  }
}

uint32_t RequestBalancer::choose(const Service& service, const Asked& asked, std::optional<uint64_t> hash) {
  const MaglevTable& table = *service.table;
  const WeightedOrder& order = table.order();
  switch (service.request_policy().balancing) {
    case Balancing::least_request:
      return least_request(order, service, asked.avoid());
    case Balancing::round_robin:
      return round_robin(order, service, asked.avoid());
    case Balancing::random:
      break;
    case Balancing::consistent_hash:
      if (hash) {
        const uint32_t target = table.pick(*hash);
        // The same one each time, so that a second retry of the client's finds what the first left there.
        return service.targets[target].slot == asked.avoid() ? another(order, target, folded(*hash, kFold)) : target;
      }
      break;
  }
  return by_chance(order, service, asked.avoid());
}

const Target* RequestBalancer::pick(const Service& service, const Asked& asked) {
  took_probe_ = false;
  if (service.table->order().total() == 0) {
    return nullptr;
  }
  assert(service.targets.size() == service.table->members().size());
  const RequestPolicy& policy = service.request_policy();
  const std::optional<uint64_t> hash =
      policy.balancing == Balancing::consistent_hash ? hash_of(policy, asked) : std::nullopt;
  const uint32_t target = choose(service, asked, hash);
  if (asked.tried.size() <= 1 && !has_ejected(service)) [[likely]] {
    return &service.targets[target];
  }
  return pass_over(service, asked, hash, target);
}

bool RequestBalancer::has_ejected(const Service& service) const {
  return outliers_ != nullptr && service.request_policy().outlier.enabled && outliers_->any_ejected(service);
}

bool RequestBalancer::admits(const Service& service, uint32_t endpoint_slot, uint32_t now) {
  took_probe_ = false;
  if (!has_ejected(service)) {
    return true;
  }
  const OutlierBoard::Leave leave = outliers_->leave_for(endpoint_slot, now);
  took_probe_ = leave == OutlierBoard::Leave::as_probe;
  return leave != OutlierBoard::Leave::no || outliers_->is_panic(service, service.request_policy().outlier);
}

/// From the target that it would be on, to one that is not ejected and was not tried: the algorithm is asked a few
/// times more, and then the targets are walked. If all of those were tried, it is one of them.
const Target* RequestBalancer::pass_over(const Service& service, const Asked& asked, std::optional<uint64_t> hash,
                                         uint32_t target) {
  constexpr int kAskedAgain = 8;
  const auto size = static_cast<uint32_t>(service.targets.size());
  const auto was_tried = [&](uint32_t each) {
    return std::find(asked.tried.begin(), asked.tried.end(), service.targets[each].slot) != asked.tried.end();
  };
  const auto is_open = [&](uint32_t each) { return admits(service, service.targets[each].slot, asked.now); };
  uint32_t at = target;
  for (int i = 0; i <= kAskedAgain; ++i) {
    if (!was_tried(at) && is_open(at)) {
      return &service.targets[at];
    }
    if (hash) {
      *hash = SplitMix64::mixed(*hash + 1);
    }
    at = choose(service, asked, hash);
  }
  const uint32_t start = hash ? service.table->pick(*hash) : at;
  for (const bool again : {false, true}) {
    for (uint32_t i = 0; i < size; ++i) {
      const uint32_t each = (start + i) % size;
      if (service.table->order().weight(each) > 0 && was_tried(each) == again && is_open(each)) {
        return &service.targets[each];
      }
    }
  }
  took_probe_ = false;
  return nullptr;
}

uint32_t RequestBalancer::least_request(const WeightedOrder& order, const Service& service, uint32_t avoid) {
  const uint32_t first = by_chance(order, service, avoid);
  const uint32_t second = another(order, first, random_());
  if (service.targets[second].slot == avoid) {
    return first;
  }
  const uint64_t first_load = uint64_t{active(service.targets[first].slot)} * order.weight(second);
  const uint64_t second_load = uint64_t{active(service.targets[second].slot)} * order.weight(first);
  return first_load <= second_load ? first : second;
}

uint32_t RequestBalancer::round_robin(const WeightedOrder& order, const Service& service, uint32_t avoid) {
  assert(service.slot < positions_.size());
  uint32_t& position = positions_[std::min<size_t>(service.slot, positions_.size() - 1)];
  position = order.after(position);
  const uint32_t target = order.member_at(position);
  return service.targets[target].slot == avoid ? another(order, target, random_()) : target;
}

uint32_t RequestBalancer::by_chance(const WeightedOrder& order, const Service& service, uint32_t avoid) {
  const uint32_t target = order.member_at(static_cast<uint32_t>(scaled(random_(), order.total())));
  return service.targets[target].slot == avoid ? another(order, target, random_()) : target;
}

uint32_t RequestBalancer::another(const WeightedOrder& order, uint32_t target, uint64_t random) const {
  const uint32_t rest = order.total() - order.weight(target);
  return rest == 0 ? target : order.other_at(static_cast<uint32_t>(scaled(random, rest)), target);
}

std::optional<uint64_t> RequestBalancer::hash_of(const RequestPolicy& policy, const Asked& asked) {
  if (policy.hash.kind == HashOn::Kind::source) {
    return XXH3_64bits(&asked.client, sizeof asked.client);
  }
  if (asked.request != nullptr) {
    if (const std::optional<std::string_view> value = value_of(policy.hash, *asked.request)) {
      return hash_of_value(*value);
    }
  }
  return policy.hash.kind == HashOn::Kind::cookie ? asked.cookie_hash : std::nullopt;
}

uint64_t RequestBalancer::hash_of_value(std::string_view value) {
  return XXH3_64bits(value.data(), value.size());
}

void RequestBalancer::begin(uint32_t endpoint_slot) {
  assert(endpoint_slot < active_.size());
  ++active_[endpoint_slot];
}

void RequestBalancer::end(uint32_t endpoint_slot) {
  assert(endpoint_slot < active_.size() && active_[endpoint_slot] > 0);
  --active_[endpoint_slot];
}

uint32_t RequestBalancer::active(uint32_t endpoint_slot) const {
  return endpoint_slot < active_.size() ? active_[endpoint_slot] : 0;
}

}  // namespace weft::lb
