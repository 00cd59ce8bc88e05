// SPDX-License-Identifier: Apache-2.0
#include "ops/rule_report.h"

#include <fmt/format.h>

#include "registry-sync/diagnostic.h"

namespace weft::ops {
namespace {

std::string_view to_string(lb::MatchType type) {
  switch (type) {
    case lb::MatchType::exact:
      return "is";
    case lb::MatchType::prefix:
      return "begins with";
    case lb::MatchType::regular_expression:
      break;
  }
  return "matches";
}

void add_edits(Json& rows, const std::string& of, const std::string& filter, const lb::HeaderEdits& edits) {
  for (const lb::HeaderValue& each : edits.set) {
    add_filter(rows, of, filter, fmt::format("set {}: {}", each.name, each.value));
  }
  for (const lb::HeaderValue& each : edits.add) {
    add_filter(rows, of, filter, fmt::format("add {}: {}", each.name, each.value));
  }
  for (const std::string& name : edits.remove) {
    add_filter(rows, of, filter, "remove " + name);
  }
}

}  // namespace

std::string conditions_of(const lb::HttpMatch& match) {
  std::string text = fmt::format("path {} {}", to_string(match.path.type), match.path.value);
  if (!match.method.empty()) {
    text += "; method is " + match.method;
  }
  for (const auto& [what, values] : {std::pair{"header", &match.headers}, std::pair{"parameter", &match.query}}) {
    for (const lb::ValueMatch& each : *values) {
      text += fmt::format("; {} {} {} {}", what, each.name, to_string(each.type), each.value);
    }
  }
  return text;
}

size_t number_of(const lb::RouteTable& table, const lb::RouteTable::Match& match) {
  for (const lb::HttpRoute& route : table.routes()) {
    for (const lb::MatchedRule& rule : route.rules) {
      const lb::HttpMatch* const first = rule.matches.data();
      if (rule.rule.get() == match.rule && match.match >= first && match.match < first + rule.matches.size()) {
        return static_cast<size_t>(match.match - first);
      }
    }
  }
  return 0;
}

void add_filter(Json& rows, const std::string& of, const std::string& filter, const std::string& does) {
  rows.push_back({{"of", of}, {"filter", filter}, {"does", does}});
}

void add_filters(Json& rows, const std::string& of, const lb::HttpFilters& filters) {
  add_edits(rows, of, "RequestHeaderModifier", filters.request);
  add_edits(rows, of, "ResponseHeaderModifier", filters.response);
  for (const lb::Mirror& mirror : filters.mirrors) {
    add_filter(rows, of, "RequestMirror",
               fmt::format("{} of {} to {}, port {}{}", mirror.fraction.numerator, mirror.fraction.denominator,
                           mirror.backend.service, lb::to_host(mirror.backend.port),
                           mirror.backend.is_valid() ? "" : ", which is not there"));
  }
}

Json timeout_of(std::chrono::milliseconds timeout) {
  if (timeout.count() <= 0) {
    return nullptr;
  }
  return fmt::format("{:g}s", static_cast<double>(timeout.count()) / 1000);
}

namespace {

/// Each time up to twice as much, to ten times.
std::string backoff_of(const lb::HttpRetry& retry) {
  return retry.least_backoff.count() > 0
             ? fmt::format("after {}ms or up to ten times that", retry.least_backoff.count())
             : fmt::format("after up to {}ms, later ten times that", retry.backoff.count());
}

}  // namespace

Json retries_of(const lb::HttpRule& rule) {
  if (!rule.retry || rule.retry->attempts == 0) {
    return nullptr;
  }
  std::vector<std::string> codes;
  for (const uint16_t code : rule.retry->codes) {
    codes.push_back(std::to_string(code));
  }
  return fmt::format("{} more, if the connection fails{}, {}", rule.retry->attempts,
                     codes.empty() ? "" : " or for " + registry::listed(codes), backoff_of(*rule.retry));
}

}  // namespace weft::ops
