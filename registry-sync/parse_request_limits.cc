// SPDX-License-Identifier: Apache-2.0
#include <set>

#include "registry-sync/parse_http_values.h"
#include "registry-sync/parse_kinds.h"

namespace weft::registry {
namespace {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;

constexpr size_t kMostLimits = 16;
constexpr int64_t kMostRequests = 1'000'000'000;
constexpr nanoseconds kMostTime{lb::RequestRate::kMostTime};

/// "name", or with the namespace, "shop/web": of an HTTPRoute.
std::string parse_limited_route(Fields& limit, const std::string& name_space) {
  const std::optional<std::string> route = limit.string("route");
  if (!route) {
    return "";
  }
  const size_t slash = route->find('/');
  const std::string of = slash == std::string::npos ? name_space : route->substr(0, slash);
  const std::string name = slash == std::string::npos ? *route : route->substr(slash + 1);
  if (!is_label(of) || !is_subdomain(name)) {
    limit.error("route", "expected an HTTPRoute's name, or <namespace>/<name>, got " + in_quotes(*route));
  }
  return of + "/" + name;
}

void parse_by(Fields by, lb::RequestLimit& limit) {
  const std::optional<std::string> header = by.string("header");
  const std::optional<std::string> source = by.word("source", {"address", "service"});
  if (by && by.has("header") == by.has("source")) {
    const bool both = by.has("header");
    by.error(both ? "source" : "header", "expected header or source, got " + std::string(both ? "both" : "none"));
  }
  if (header && header->empty()) {
    by.error("header", "expected a name, got \"\"");
  }
  if (header) {
    check_field_name(by, "header", *header);
    limit.by = lb::RequestLimit::By::header;
    limit.header = in_lower_case(*header);
  } else if (source) {
    limit.by = *source == "service" ? lb::RequestLimit::By::service : lb::RequestLimit::By::address;
  }
  by.finish();
}

lb::RequestRate parse_request_rate(Fields& limit) {
  const int64_t requests = limit.required_integer("requests", 1, kMostRequests);
  const milliseconds per = duration(limit, "per").value_or(milliseconds(1000));
  const int64_t burst = limit.integer("burst", 1, kMostRequests).value_or(requests);
  if (requests < 1 || burst < 1) {
    return {};  // said already
  }
  const nanoseconds interval = nanoseconds(per) / requests;
  if (per < milliseconds(1) || nanoseconds(per) > kMostTime) {
    limit.error("per", "expected 1ms to 24h, got " + in_quotes(limit.text("per")));
  } else if (interval.count() < static_cast<int64_t>(lb::RequestRate::kLeastInterval)) {
    limit.error("requests", "expected at most 1000000 a second, got " + std::to_string(requests) + " in " +
                                std::to_string(per.count()) + " ms");
  } else if (interval > kMostTime / burst) {
    limit.error(limit.has("burst") ? "burst" : "requests",
                "expected what comes back within 24h, got " + std::to_string(burst) + " of which one comes back in " +
                    std::to_string(std::chrono::duration_cast<milliseconds>(interval).count()) + " ms");
  }
  return {.interval_ns = static_cast<uint64_t>(interval.count()), .burst = static_cast<uint32_t>(burst)};
}

}  // namespace

std::vector<lb::RequestLimit> parse_request_limits(Fields& limits, const std::string& name_space) {
  std::vector<lb::RequestLimit> parsed;
  std::set<std::string> names;
  std::vector<Fields> items = limits.mappings("requests");
  check_count(limits, "requests", items.size(), kMostLimits);
  for (Fields& item : items) {
    lb::RequestLimit& limit = parsed.emplace_back();
    limit.name = item.required_string("name");
    check_label(item, "name", limit.name);
    if (!names.insert(limit.name).second) {
      item.error("name", "duplicate limit " + in_quotes(limit.name));
    }
    limit.route = parse_limited_route(item, name_space);
    parse_by(item.mapping("by"), limit);
    limit.rate = parse_request_rate(item);
    item.finish();
  }
  return parsed;
}

}  // namespace weft::registry
