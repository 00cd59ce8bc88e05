// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <set>

#include "registry-sync/parse_http_values.h"
#include "registry-sync/parse_kinds.h"

namespace weft::registry {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

/// "web", or with the namespace, "svc" and the cluster's domain behind it. Istio takes the rule's own namespace for the
/// short form; rules of other namespances are for clients there, of which weft does not know who they are.
std::string parse_host(Fields& spec, const std::string& name_space) {
  const std::string host = spec.required_string("host");
  const size_t dot = host.find('.');
  const std::string name = host.substr(0, dot);
  if (host.empty()) {
    if (spec.has("host")) {
      spec.error("host", "required field is empty");
    }
    return "";
  }
  std::string_view rest = dot == std::string::npos ? "" : std::string_view(host).substr(dot + 1);
  const std::string of = dot == std::string::npos ? name_space : std::string(rest.substr(0, rest.find('.')));
  rest = rest.size() > of.size() && dot != std::string::npos ? rest.substr(of.size() + 1) : "";
  if (!is_subdomain(host) || !(rest.empty() || rest == "svc" || rest == "svc.cluster.local")) {
    spec.error("host",
               "expected a service's name, or <name>.<namespace>[.svc[.cluster.local]], got " + in_quotes(host));
  } else if (of != name_space) {
    spec.error("host", "weft does not implement rules for services of another namespace: expected the rule's own, " +
                           in_quotes(name_space) + ", got " + in_quotes(of));
  }
  return name_space + "/" + name;
}

/// As Go and protobuf write them: 10s, 1.5s, 1h30m. At least a millisecond, as Istio asks.
std::optional<milliseconds> istio_duration(Fields& fields, std::string_view key, milliseconds least) {
  constexpr milliseconds kMost = std::chrono::hours(24 * 365);
  const std::optional<std::string> text = fields.string(key);
  if (!text) {
    return std::nullopt;
  }
  // A fraction stands in front of the last unit only, and of seconds only.
  std::optional<milliseconds> value = parse_duration(*text);
  const size_t point = text->find('.');
  if (!value && point != std::string::npos && text->ends_with('s')) {
    const std::string digits = text->substr(point + 1, text->size() - point - 2);
    const std::optional<int64_t> fraction = parse_integer("1" + digits, 1, INT64_MAX);
    value = parse_duration(text->substr(0, point) + "s");
    if (value && fraction && digits.size() <= 9 && !digits.empty()) {
      *value += milliseconds(std::stoll((digits + "00").substr(0, 3)));
    } else {
      value = std::nullopt;
    }
  }
  if (!value || *value < least || *value > kMost) {
    fields.error(key, "expected a duration from " + std::to_string(least.count()) +
                          "ms to a year, such as 1.5s or 1h30m, got " + in_quotes(*text));
    return std::nullopt;
  }
  return value;
}

lb::HashOn parse_cookie(Fields cookie) {
  lb::HashOn hash{.kind = lb::HashOn::Kind::cookie, .name = cookie.required_string("name")};
  check_field_name(cookie, "name", hash.name);
  if (cookie.has("name") && hash.name.empty()) {
    cookie.error("name", "required field is empty");
  }
  if (const auto ttl = istio_duration(cookie, "ttl", milliseconds(0))) {
    hash.cookie_ttl = std::chrono::ceil<seconds>(*ttl);
  }
  hash.cookie_path = cookie.string("path").value_or("");
  if (!hash.cookie_path.empty()) {
    check_path(cookie, "path", hash.cookie_path);
  }
  if (hash.cookie_path.find(';') != std::string::npos) {
    // It would end the attribute (RFC 6265, section 4.1.1).
    cookie.error("path", "expected a path without \";\", got " + in_quotes(hash.cookie_path));
  }
  cookie.unimplemented({"attributes"});
  cookie.finish();
  return hash;
}

void parse_hash(Fields hash, TrafficPolicy& policy) {
  policy.balancing = lb::Balancing::consistent_hash;
  std::vector<std::string> given;
  const auto note = [&](std::string_view key) {
    if (hash.has(key)) {
      given.emplace_back(key);
    }
    return hash.has(key);
  };
  const std::string header = hash.string("httpHeaderName").value_or("");
  if (note("httpHeaderName")) {
    policy.hash = {.kind = lb::HashOn::Kind::header, .name = in_lower_case(header)};
    check_field_name(hash, "httpHeaderName", header);
  }
  Fields cookie = hash.mapping("httpCookie");
  if (note("httpCookie")) {
    policy.hash = parse_cookie(std::move(cookie));
  }
  const bool by_source = hash.boolean("useSourceIp").value_or(false);
  if (by_source) {
    given.emplace_back("useSourceIp");
    policy.hash = {.kind = lb::HashOn::Kind::source};
  }
  const std::string parameter = hash.string("httpQueryParameterName").value_or("");
  if (note("httpQueryParameterName")) {
    policy.hash = {.kind = lb::HashOn::Kind::query, .name = parameter};
  }
  if ((header.empty() && hash.has("httpHeaderName")) || (parameter.empty() && hash.has("httpQueryParameterName"))) {
    hash.error(given[0], "expected a name, got \"\"");
  }
  if (given.size() != 1) {
    hash.error(given.empty() ? "httpHeaderName" : given[1],
               "expected one of httpHeaderName, httpCookie, useSourceIp or httpQueryParameterName, got " +
                   (given.empty() ? "none" : listed(given, " and ")));
  }
  Fields maglev = hash.mapping("maglev");
  if (const auto size = maglev.integer("tableSize", 0, UINT32_MAX)) {
    policy.table_size = static_cast<uint32_t>(*size);
    if (!lb::MaglevTable::valid_size(*policy.table_size)) {
      std::vector<std::string> sizes;
      for (const uint32_t each : lb::MaglevTable::kSizes) {
        sizes.push_back(std::to_string(each));
      }
      maglev.error("tableSize", "expected one of " + listed(sizes) + ", got " + std::to_string(*size));
    }
  }
  maglev.finish();
  hash.unimplemented({"ringHash", "minimumRingSize"});
  hash.finish();
}

/// Own zone first, then all: what weft can.
void parse_locality(Fields locality, TrafficPolicy& policy) {
  if (!locality) {
    return;
  }
  policy.prefer_own_zone = locality.boolean("enabled").value_or(true);
  const std::vector<std::string> order = locality.strings("failoverPriority");
  if (locality.has("failoverPriority") && order != std::vector<std::string>{"topology.kubernetes.io/zone"}) {
    locality.error("failoverPriority", "weft prefers zones alone: expected [topology.kubernetes.io/zone], got [" +
                                           escaped(listed(order, ", "), 1024) + "]");
  }
  locality.unimplemented({"distribute", "failover"});
  locality.finish();
}

void parse_load_balancer(Fields balancer, TrafficPolicy& policy) {
  constexpr seconds kMostWarmup{3600};
  const std::optional<std::string> simple =
      balancer.word("simple", {"LEAST_REQUEST", "LEAST_CONN", "ROUND_ROBIN", "RANDOM", "UNSPECIFIED"}, {"PASSTHROUGH"});
  if (simple) {
    policy.balancing = simple == "ROUND_ROBIN" ? lb::Balancing::round_robin
                       : simple == "RANDOM"    ? lb::Balancing::random
                                               : lb::Balancing::least_request;
  }
  Fields hash = balancer.mapping("consistentHash");
  if (hash) {
    parse_hash(std::move(hash), policy);
    if (balancer.has("simple")) {
      balancer.error("consistentHash", "expected simple or consistentHash, got both");
    }
  }
  if (const auto warmup = istio_duration(balancer, "warmupDurationSecs", seconds(1))) {
    policy.warmup = std::chrono::ceil<seconds>(*warmup);
    if (policy.warmup > kMostWarmup) {
      balancer.error("warmupDurationSecs",
                     "expected at most 1h, got " + in_quotes(balancer.text("warmupDurationSecs")));
    }
  }
  parse_locality(balancer.mapping("localityLbSetting"), policy);
  balancer.unimplemented({"warmup"});
  balancer.finish();
}

/// None of 0: Istio reads it as no bound at all, Envoy as nothing allowed.
std::optional<uint32_t> parse_bound(Fields& fields, std::string_view key) {
  const std::optional<int64_t> most = fields.integer(key, 1, INT32_MAX);
  return most ? std::optional(static_cast<uint32_t>(*most)) : std::nullopt;
}

void parse_pool(Fields pool, TrafficPolicy& policy) {
  Fields tcp = pool.mapping("tcp");
  policy.connect_timeout = istio_duration(tcp, "connectTimeout", milliseconds(1));
  policy.max_connections = parse_bound(tcp, "maxConnections");
  tcp.unimplemented({"tcpKeepalive", "maxConnectionDuration", "idleTimeout"});
  tcp.finish();
  Fields http = pool.mapping("http");
  policy.idle_timeout = istio_duration(http, "idleTimeout", milliseconds(1));
  if (const auto most = http.integer("maxRequestsPerConnection", 0, INT32_MAX)) {
    policy.max_requests_per_connection = static_cast<uint32_t>(*most);
  }
  policy.max_pending_requests = parse_bound(http, "http1MaxPendingRequests");
  policy.max_requests = parse_bound(http, "http2MaxRequests");
  policy.max_retries = parse_bound(http, "maxRetries");
  http.unimplemented({"h2UpgradePolicy", "useClientProtocol", "maxConcurrentStreams"});
  http.finish();
  pool.finish();
}

void parse_outliers(Fields outliers, lb::OutlierPolicy& policy) {
  constexpr milliseconds kLongest = std::chrono::hours(24);
  constexpr int64_t kMostInARow = 1'000'000;
  if (!outliers) {
    return;
  }
  policy.enabled = true;
  const auto in_a_row = [&](std::string_view key, uint32_t& count) {
    count = static_cast<uint32_t>(outliers.integer(key, 0, kMostInARow).value_or(count));
  };
  const auto percent = [&](std::string_view key, uint32_t& value) {
    value = static_cast<uint32_t>(outliers.integer(key, 0, 100).value_or(value));
  };
  const auto time = [&](std::string_view key, milliseconds& value) {
    value = istio_duration(outliers, key, milliseconds(1)).value_or(value);
    if (value > kLongest) {
      outliers.error(key, "expected at most 24h, got " + in_quotes(outliers.text(key)));
    }
  };
  in_a_row("consecutive5xxErrors", policy.consecutive_5xx);
  in_a_row("consecutiveGatewayErrors", policy.consecutive_gateway);
  policy.split_local_origin = outliers.boolean("splitExternalLocalOriginErrors").value_or(false);
  in_a_row("consecutiveLocalOriginFailures", policy.consecutive_local);
  if (outliers.has("consecutiveLocalOriginFailures") && !policy.split_local_origin) {
    outliers.error("consecutiveLocalOriginFailures",
                   "expected none without splitExternalLocalOriginErrors: true, as it means nothing then");
  }
  time("interval", policy.interval);
  time("baseEjectionTime", policy.base_ejection);
  percent("maxEjectionPercent", policy.max_ejection_percent);
  percent("minHealthPercent", policy.min_health_percent);
  const bool looks_at_none = policy.consecutive_5xx == 0 && policy.consecutive_gateway == 0 &&
                             (!policy.split_local_origin || policy.consecutive_local == 0);
  if (looks_at_none) {
    outliers.error("consecutive5xxErrors",
                   "expected one of consecutive5xxErrors, consecutiveGatewayErrors and consecutiveLocalOriginFailures "
                   "not to be 0, as nobody would be an outlier");
  }
  outliers.unimplemented({"consecutiveErrors"});
  outliers.finish();
}

std::optional<lb::RetryBudget> parse_retry_budget(Fields budget) {
  std::optional<lb::RetryBudget> result;
  if (budget) {
    result.emplace();
    result->percent = static_cast<double>(budget.integer("percent", 0, 100).value_or(20));
    result->at_least = static_cast<uint32_t>(budget.integer("minRetryConcurrency", 0, INT32_MAX).value_or(3));
  }
  budget.finish();
  return result;
}

/// The fields that a rule and one of its ports have alike.
TrafficPolicy parse_policy(Fields& fields) {
  TrafficPolicy policy;
  parse_load_balancer(fields.mapping("loadBalancer"), policy);
  parse_pool(fields.mapping("connectionPool"), policy);
  parse_outliers(fields.mapping("outlierDetection"), policy.outlier);
  fields.unimplemented({"tls"});
  return policy;
}

void parse_port_policies(Fields& fields, DestinationRule& rule) {
  std::set<int64_t> seen;
  for (Fields& item : fields.mappings("portLevelSettings")) {
    Fields port = item.required_mapping("port");
    const int64_t number = port ? port.required_integer("number", 1, 65535) : 0;
    port.finish();
    if (number != 0 && !seen.insert(number).second) {
      item.error("port", "duplicate port " + std::to_string(number));
    }
    rule.ports.emplace_back(static_cast<uint16_t>(number), parse_policy(item));
    item.finish();
  }
}

}  // namespace

void parse_destination_rule(Fields& document, ResourceSet& resources) {
  DestinationRule rule{.metadata = parse_metadata(document, check_subdomain, "").metadata};
  Fields spec = document.required_mapping("spec");
  rule.service = parse_host(spec, rule.metadata.name_space);
  Fields policy = spec.mapping("trafficPolicy");
  rule.policy = parse_policy(policy);
  rule.policy.retry_budget = parse_retry_budget(policy.mapping("retryBudget"));
  parse_port_policies(policy, rule);
  for (auto& [number, port] : rule.ports) {
    port.retry_budget = rule.policy.retry_budget;  // a port can't say it
  }
  policy.unimplemented({"tunnel", "proxyProtocol"});
  policy.finish();
  const std::vector<std::string> exported = spec.strings("exportTo");
  if (spec.has("exportTo") && exported != std::vector<std::string>{"*"}) {
    spec.error("exportTo", "weft does not know clients' namespaces: expected [*], or no field");
  }
  spec.unimplemented({"subsets", "workloadSelector"});
  spec.finish();
  document.ignore({"status"});
  document.finish();
  resources.rules.push_back(std::make_shared<const DestinationRule>(std::move(rule)));
}

}  // namespace weft::registry
