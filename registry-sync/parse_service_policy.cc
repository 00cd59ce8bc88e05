// SPDX-License-Identifier: Apache-2.0
#include "registry-sync/parse_kinds.h"

namespace weft::registry {
namespace {

/// Of flows and of flows a second: far above what a node can do, and far below where counting wraps.
constexpr int64_t kMaxCount = 1'000'000'000;

/// As Gateway API's policies do (LocalPolicyTargetReferenceWithSectionName).
void parse_target(Fields target, ServicePolicy& policy) {
  const std::string group = target.string("group").value_or("");
  if (!group.empty()) {
    target.error("group", R"(expected "", the group of Service, got )" + in_quotes(group));
  }
  target.required_word("kind", {"Service"});
  const std::string name = target.required_string("name");
  check_label(target, "name", name);
  if (target.has("name") && name.empty()) {
    target.error("name", "required field is empty");
  }
  policy.service = policy.metadata.name_space + "/" + name;
  policy.port = target.string("sectionName").value_or("");
  check_label(target, "sectionName", policy.port);
  target.finish();
}

void parse_forwarding(Fields forwarding, ServicePolicy& said) {
  lb::Policy& policy = said.policy;
  // An IPv4 host takes datagrams of 576 bytes, headers included (RFC 9293, section 3.7.1); the most is for jumbo
  // frames.
  constexpr int64_t kLeastSegment = 536;
  constexpr int64_t kMostSegment = 8960;
  const std::string mode = forwarding.word("mode", {"nat", "fullnat", "dsr", "proxy"}).value_or("nat");
  said.says_mode = forwarding.has("mode");
  policy.mode = mode == "dsr"       ? lb::Mode::dsr
                : mode == "fullnat" ? lb::Mode::fullnat
                : mode == "proxy"   ? lb::Mode::proxy
                                    : lb::Mode::nat;
  const std::optional<std::string> encapsulation = forwarding.word("encapsulation", {"ipip", "gue"});
  policy.encapsulation = encapsulation == "gue" ? lb::Encapsulation::gue : lb::Encapsulation::ipip;
  if (encapsulation && policy.mode != lb::Mode::dsr) {
    forwarding.error("encapsulation", "expected no encapsulation without mode: dsr");
  }
  const std::optional<std::string> proxy_protocol = forwarding.word("proxyProtocol", {"v2"});
  policy.proxy_protocol = proxy_protocol.has_value();
  if (proxy_protocol && policy.mode != lb::Mode::proxy) {
    forwarding.error("proxyProtocol", "expected no proxyProtocol without mode: proxy");
  }
  policy.max_segment =
      static_cast<uint16_t>(forwarding.integer("maxSegmentSize", kLeastSegment, kMostSegment).value_or(0));
  if (policy.max_segment != 0 && policy.mode == lb::Mode::proxy) {
    forwarding.error(
        "maxSegmentSize",
        "expected no maxSegmentSize with mode: proxy, whose connections end at weft: it finds out what fits");
  }
  forwarding.finish();
}

lb::Rate parse_rate(Fields rate) {
  lb::Rate result;
  if (rate) {
    const int64_t per_second = rate.required_integer("perSecond", 1, kMaxCount);
    result.per_second = static_cast<uint32_t>(per_second);
    result.burst = static_cast<uint32_t>(rate.integer("burst", 1, kMaxCount).value_or(per_second));
  }
  rate.finish();
  return result;
}

void parse_limits(Fields limits, ServicePolicy& said) {
  lb::Policy& policy = said.policy;
  policy.max_flows = static_cast<uint32_t>(limits.integer("flows", 1, kMaxCount).value_or(0));
  policy.new_flows = parse_rate(limits.mapping("newFlows"));
  policy.new_flows_by_source = parse_rate(limits.mapping("newFlowsPerSource"));
  said.request_limits = parse_request_limits(limits, said.metadata.name_space);
  said.callers = parse_caller_limits(limits.mapping("callers"));
  if (said.callers && said.says_mode && policy.mode != lb::Mode::proxy) {
    limits.error("callers",
                 "expected no callers with another mode than proxy: only connections that end at weft are "
                 "counted by caller");
  }
  limits.finish();
}

/// What Istio has no fields for; the words are Envoy's (CircuitBreakers.per_host_thresholds, OutlierDetection).
void parse_endpoint_protections(Fields& endpoints, ServicePolicy& policy) {
  const auto bound = [&](std::string_view key) -> std::optional<uint32_t> {
    const std::optional<int64_t> most = endpoints.integer(key, 1, kMaxCount);
    return most ? std::optional(static_cast<uint32_t>(*most)) : std::nullopt;
  };
  policy.endpoint_max_connections = bound("maxConnections");
  policy.endpoint_max_requests = bound("maxRequests");
  Fields rate = endpoints.mapping("successRate");
  if (rate) {
    lb::SuccessRate success_rate;
    success_rate.stdev_factor_permille = static_cast<uint32_t>(rate.integer("stdevFactor", 1, 10'000).value_or(1900));
    success_rate.minimum_hosts = static_cast<uint32_t>(rate.integer("minimumHosts", 2, 65535).value_or(5));
    success_rate.request_volume = static_cast<uint32_t>(rate.integer("requestVolume", 1, kMaxCount).value_or(100));
    policy.success_rate = success_rate;
  }
  rate.finish();
}

void parse_endpoints(Fields endpoints, ServicePolicy& policy) {
  constexpr int64_t kMostSlowStart = 3600;
  constexpr int64_t kMostGrace = 86400;
  Fields slow_start = endpoints.mapping("slowStart");
  if (slow_start) {
    policy.slow_start = std::chrono::seconds(slow_start.required_integer("seconds", 1, kMostSlowStart));
  }
  slow_start.finish();
  Fields removal = endpoints.mapping("removal");
  if (removal) {
    const bool reset = removal.required_word("action", {"keep", "reset"}) == "reset";
    policy.policy.removal = reset ? lb::Removal::reset : lb::Removal::keep;
    policy.reset_grace = std::chrono::seconds(removal.integer("graceSeconds", 0, kMostGrace).value_or(0));
    if (removal.has("graceSeconds") && !reset) {
      removal.error("graceSeconds", "expected no grace without action: reset");
    }
  }
  removal.finish();
  parse_endpoint_protections(endpoints, policy);
  endpoints.finish();
}

}  // namespace

void parse_service_policy(Fields& document, ResourceSet& resources) {
  ServicePolicy policy{.metadata = parse_metadata(document, check_subdomain, "").metadata};
  Fields spec = document.required_mapping("spec");
  parse_target(spec.required_mapping("targetRef"), policy);
  parse_forwarding(spec.mapping("forwarding"), policy);
  Fields sources = spec.mapping("sources");
  policy.allow = sources.prefixes("allow");
  policy.deny = sources.prefixes("deny");
  sources.finish();
  parse_limits(spec.mapping("limits"), policy);
  parse_endpoints(spec.mapping("endpoints"), policy);
  policy.check = parse_health_check(spec.mapping("healthCheck"));
  spec.finish();
  document.ignore({"status"});
  document.finish();
  resources.policies.push_back(std::make_shared<const ServicePolicy>(std::move(policy)));
}

}  // namespace weft::registry
