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

RequestBalancer::RequestBalancer(uint32_t max_services, uint32_t max_endpoints, uint64_t seed)
    : active_(max_endpoints), positions_(max_services), random_(seed) {
  // Else all workers would begin all their rounds with the same endpoint.
  for (uint32_t& position : positions_) {
    position = static_cast<uint32_t>(random_());
  }
}

const Target* RequestBalancer::pick(const Service& service, const Asked& asked) {
  const MaglevTable& table = *service.table;
  const WeightedOrder& order = table.order();
  if (order.total() == 0) {
    return nullptr;
  }
  assert(service.targets.size() == table.members().size());
  const RequestPolicy& policy = service.request_policy();
  uint32_t target = 0;
  switch (policy.balancing) {
    case Balancing::least_request:
      target = least_request(order, service, asked.avoid);
      break;
    case Balancing::round_robin:
      target = round_robin(order, service, asked.avoid);
      break;
    case Balancing::random:
      target = by_chance(order, service, asked.avoid);
      break;
    case Balancing::consistent_hash: {
      const std::optional<uint64_t> hash = hash_of(policy, asked);
      target = hash ? table.pick(*hash) : by_chance(order, service, asked.avoid);
      if (hash && service.targets[target].slot == asked.avoid) {
        // The same one each time, so that a second retry of the client's finds what the first left there.
        target = another(order, target, folded(*hash, kFold));
      }
      break;
    }
  }
  return &service.targets[target];
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
