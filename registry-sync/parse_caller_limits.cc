// SPDX-License-Identifier: Apache-2.0
#include <set>

#include "registry-sync/parse_kinds.h"

namespace weft::registry {
namespace {

constexpr size_t kMostOverrides = 64;
constexpr int64_t kMostOfCaller = 1'000'000'000;

/// @param general what holds where this says nothing; null: nothing does
lb::CallerBounds parse_caller_bounds(Fields& said, const lb::CallerBounds* general) {
  const auto bound = [&](std::string_view key, uint32_t otherwise) {
    const std::optional<int64_t> most = said.integer(key, 1, kMostOfCaller);
    return most ? static_cast<uint32_t>(*most) : otherwise;
  };
  const lb::CallerBounds none;
  const lb::CallerBounds& otherwise = general == nullptr ? none : *general;
  const lb::CallerBounds bounds{.max_requests = bound("maxRequests", otherwise.max_requests),
                                .max_pending = bound("maxPendingRequests", otherwise.max_pending),
                                .max_connections = bound("maxConnections", otherwise.max_connections)};
  if (said.has("maxPendingRequests") && bounds.max_pending > bounds.max_requests) {
    said.error("maxPendingRequests", "expected at most maxRequests, " + std::to_string(bounds.max_requests) +
                                         ", of which those that wait are a part, got " +
                                         std::to_string(bounds.max_pending));
  }
  return bounds;
}

bool says_bound(const Fields& said) {
  return said.has("maxRequests") || said.has("maxPendingRequests") || said.has("maxConnections");
}

constexpr std::string_view kSaysNoBound = "expected maxRequests, maxPendingRequests or maxConnections, got none";

lb::CallerLimits::Override parse_override(Fields& item, const lb::CallerBounds& general) {
  lb::CallerLimits::Override parsed;
  Fields from = item.required_mapping("from");
  parsed.name_space = from.required_string("namespace");
  check_label(from, "namespace", parsed.name_space);
  if (const std::optional<std::string> service = from.string("service")) {
    check_label(from, "service", *service);
    parsed.principal = "cluster.local/ns/" + parsed.name_space + "/sa/" + *service;
  }
  from.finish();
  if (!says_bound(item)) {
    item.error("from", std::string(kSaysNoBound));
  }
  parsed.bounds = parse_caller_bounds(item, &general);
  item.finish();
  return parsed;
}

}  // namespace

std::optional<lb::CallerLimits> parse_caller_limits(Fields callers) {
  if (!callers) {
    callers.finish();
    return std::nullopt;
  }
  lb::CallerLimits parsed;
  parsed.bounds = parse_caller_bounds(callers, nullptr);
  std::vector<Fields> items = callers.mappings("overrides");
  check_count(callers, "overrides", items.size(), kMostOverrides);
  if (items.empty() && !says_bound(callers)) {
    callers.error("maxRequests", std::string(kSaysNoBound));
  }
  std::set<std::pair<std::string, std::string>> known;
  for (Fields& item : items) {
    lb::CallerLimits::Override& each = parsed.overrides.emplace_back(parse_override(item, parsed.bounds));
    if (!known.emplace(each.name_space, each.principal).second) {
      item.error("from", "duplicate caller " + in_quotes(each.principal.empty() ? each.name_space : each.principal));
    }
  }
  callers.finish();
  return parsed;
}

}  // namespace weft::registry
