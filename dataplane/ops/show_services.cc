// SPDX-License-Identifier: Apache-2.0
// What `show` shows of services, endpoints and flows, and where a flow goes.
#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "lb/authorization.h"
#include "lb/decision.h"
#include "lb/http_policy.h"
#include "ops/checks.h"
#include "ops/fault_report.h"
#include "ops/outlier_report.h"
#include "ops/policy_report.h"
#include "ops/service_names.h"
#include "ops/show.h"
#include "ops/where_request.h"
#include "registry-sync/diagnostic.h"
#include "registry-sync/yaml_fields.h"

namespace weft::ops {
namespace {

constexpr std::chrono::milliseconds kPatience(3000);
constexpr uint32_t kMaxFlows = 10000;

/// The services that the argument names, or all.
tl::expected<std::vector<const lb::Service*>, std::string> choose(const lb::Snapshot& snapshot,
                                                                  const Words& arguments) {
  if (arguments.size() > 1) {
    return tl::unexpected(std::string());
  }
  if (!arguments.empty()) {
    return services_named(snapshot, arguments[0]);
  }
  std::vector<const lb::Service*> all;
  for (const lb::Service& service : snapshot.services()) {
    all.push_back(&service);
  }
  return all;
}

struct EndpointSums {
  uint64_t flows = 0;
  uint64_t active = 0;
  std::array<uint64_t, 2> packets = {};
  std::array<uint64_t, 2> bytes = {};
};

EndpointSums sums_of_endpoint(node::Node& node, uint32_t slot) {
  EndpointSums sums;
  for (const auto& worker : node.workers()) {
    const l4::EndpointCounters& counters = worker->slots().endpoint[slot];
    sums.flows += counters.flows.get();
    sums.active += counters.active_flows.get();
    for (const size_t way : {0U, 1U}) {
      sums.packets[way] += counters.packets[way].get();
      sums.bytes[way] += counters.bytes[way].get();
    }
  }
  return sums;
}

/// A relayed session's bytes are counted, and no packets: on its two sides they are not the same ones. What is left of
/// another mode stays.
Json counted_packets(uint64_t packets, const lb::Service& service) {
  return service.policy.mode == lb::Mode::proxy && packets == 0 ? Json() : Json(packets);
}

/// The address and port that the endpoint sees instead of the client's; empty if it sees the client's.
std::string own_source(const flow::FlowInfo& flow) {
  const bool has_own =
      flow.kind == flow::Kind::fullnat || flow.kind == flow::Kind::proxy || flow.kind == flow::Kind::http;
  return has_own && flow.reply.destination != lb::Address()
             ? to_string(flow.reply.destination, flow.reply.destination_port)
             : "";
}

/// By slot: how many slots of the table lead there.
std::map<uint32_t, uint32_t> table_shares(const lb::Service& service) {
  std::map<uint32_t, uint32_t> by_slot;
  const std::vector<uint32_t> shares = service.table->shares();
  for (size_t i = 0; i < service.targets.size(); ++i) {
    by_slot[service.targets[i].slot] = shares[i];
  }
  return by_slot;
}

/// Either end of a connection whose requests are read may be nobody, for now.
std::string end_of(const lb::Address& address, lb::Port port) {
  return address == lb::Address() ? "" : to_string(address, port);
}

struct SeenFlow {
  flow::FlowInfo flow;
  uint32_t worker = 0;
  time::Millis now = 0;
};

/// Asks the workers in turn, until the limit is reached.
tl::expected<std::vector<SeenFlow>, std::string> ask_workers(node::Node& node,
                                                             runtime::FlowInquiry::Question question) {
  std::vector<SeenFlow> flows;
  for (const auto& worker : node.workers()) {
    const auto answer = worker->inquiry().ask(question, kPatience);
    if (!answer) {
      return tl::unexpected(fmt::format("worker {} did not answer", worker->config().pipeline.worker));
    }
    for (const flow::FlowInfo& flow : answer->flows) {
      flows.push_back({.flow = flow, .worker = worker->config().pipeline.worker, .now = answer->now});
    }
    question.limit -= static_cast<uint32_t>(answer->flows.size());
    if (question.limit == 0) {
      break;
    }
  }
  return flows;
}

struct SocketAddress {
  lb::Address address;
  lb::Port port{};
};
/// "10.0.0.1:80" or "[fd00::1]:80".
std::optional<SocketAddress> parse_socket_address(const std::string& text) {
  const size_t colon = text.rfind(':');
  if (colon == std::string::npos || colon == 0) {
    return std::nullopt;
  }
  const bool in_brackets = text[0] == '[' && text[colon - 1] == ']';
  const auto address =
      in_brackets ? lb::parse_address(text.substr(1, colon - 2)) : lb::parse_address(text.substr(0, colon));
  const auto port = lb::parse_port(text.substr(colon + 1));
  if (!address || !port || address->is_ipv4() == in_brackets) {
    return std::nullopt;
  }
  return SocketAddress{*address, *port};
}

}  // namespace

Answer show_services(node::Node& node, const Words& arguments) {
  const auto snapshot = node.snapshots().current();
  const auto services = choose(*snapshot, arguments);
  if (!services) {
    return tl::unexpected(services.error());
  }
  const Checks checks(node);
  Json list = Json::array();
  for (const lb::Service* service : *services) {
    const auto failing = std::count_if(service->endpoints.begin(), service->endpoints.end(), [&](const auto& each) {
      const registry::CheckState* check = checks.of(*service, each);
      return check != nullptr && check->failed;
    });
    uint64_t flows = 0;
    uint64_t refused = 0;
    uint64_t denied = 0;
    uint64_t dry_run_denied = 0;
    for (const auto& worker : node.workers()) {
      flows += worker->slots().service[service->slot].flows.get();
      refused += worker->slots().service[service->slot].refused.get();
      denied += worker->slots().service[service->slot].denied.get();
      dry_run_denied += worker->slots().service[service->slot].dry_run_denied.get();
    }
    list.push_back({{"service", service->name},
                    {"port_name", service->port_name},
                    {"address", to_string(service->address, service->port)},
                    {"protocol", to_string(service->protocol)},
                    {"endpoints", service->endpoints.size()},
                    {"ready", service->targets.size()},
                    {"failing_checks", failing},
                    {"flows", flows},
                    {"active_flows", node.active_flows_of_service(service->slot)},
                    {"refused", refused},
                    {"policies", service->authorization == nullptr ? 0 : service->authorization->policies().size()},
                    {"denied", denied},
                    {"dry_run_denied", dry_run_denied},
                    {"table_size", service->table->size()},
                    {"table_digest", fmt::format("{:016x}", service->table->digest())},
                    {"memory_bytes", service->memory_bytes()}});
  }
  return list;
}

Answer show_endpoints(node::Node& node, const Words& arguments) {
  const auto snapshot = node.snapshots().current();
  const auto services = choose(*snapshot, arguments);
  if (!services) {
    return tl::unexpected(services.error());
  }
  const Checks checks(node);
  Json list = Json::array();
  for (const lb::Service* service : *services) {
    std::map<uint32_t, uint32_t> shares = table_shares(*service);
    for (const lb::Endpoint& endpoint : service->endpoints) {
      const EndpointSums sums = sums_of_endpoint(node, endpoint.slot);
      const registry::CheckState* check = checks.of(*service, endpoint);
      const OutlierReport outlier = node.protections() == nullptr
                                        ? OutlierReport{}
                                        : outlier_report(node.protections()->outliers, endpoint.slot, node.millis());
      list.push_back({{"service", service->name},
                      {"endpoint", endpoint.name},
                      {"address", to_string(endpoint.address, endpoint.port)},
                      {"protocol", to_string(service->protocol)},
                      {"state", to_string(endpoint.state)},
                      {"why", why_not(endpoint, check)},
                      {"check", check == nullptr ? "" : word_of(*check)},
                      {"outlier", outlier.state},
                      {"outlier_reason", outlier.reason},
                      {"ejected_seconds_left", outlier.seconds},
                      {"times_ejected", outlier.times},
                      {"weight", endpoint.weight},
                      {"share_percent", 100.0 * shares[endpoint.slot] / std::max(1U, service->table->size())},
                      {"flows", sums.flows},
                      {"active_flows", sums.active},
                      {"packets_in", counted_packets(sums.packets[0], *service)},
                      {"packets_out", counted_packets(sums.packets[1], *service)},
                      {"bytes_in", sums.bytes[0]},
                      {"bytes_out", sums.bytes[1]}});
    }
  }
  return list;
}

Answer show_flows(node::Node& node, const Words& arguments) {
  runtime::FlowInquiry::Question question;
  const auto snapshot = node.snapshots().current();
  std::vector<uint32_t> slots;
  for (size_t i = 0; i < arguments.size(); i += 2) {
    if (i + 1 == arguments.size()) {
      return tl::unexpected(std::string());
    }
    if (arguments[i] == "limit") {
      const auto limit = registry::parse_integer(arguments[i + 1], 1, kMaxFlows);
      if (!limit) {
        return tl::unexpected(fmt::format("limit: expected a number from 1 to {}, got {}", kMaxFlows,
                                          registry::in_quotes(arguments[i + 1])));
      }
      question.limit = static_cast<uint32_t>(*limit);
    } else if (arguments[i] == "service") {
      const auto services = choose(*snapshot, {arguments[i + 1]});
      if (!services) {
        return tl::unexpected(services.error());
      }
      for (const lb::Service* service : *services) {
        slots.push_back(service->slot);
      }
    } else {
      return tl::unexpected(std::string());
    }
  }
  question.service_slots = slots;
  const auto flows = ask_workers(node, question);
  if (!flows) {
    return tl::unexpected(flows.error());
  }
  const std::vector<std::string> names = endpoint_names(*snapshot);
  Json list = Json::array();
  for (const auto& [flow, worker, now] : *flows) {
    const bool is_session = flow.kind == flow::Kind::proxy;
    const bool has_packets = !is_session && flow.kind != flow::Kind::http;
    list.push_back({{"worker", worker},
                    {"protocol", to_string(flow.request.protocol)},
                    {"client", end_of(flow.request.source, flow.request.source_port)},
                    {"address", end_of(flow.request.destination, flow.request.destination_port)},
                    {"endpoint", end_of(flow.reply.source, flow.reply.source_port)},
                    {"endpoint_name", name_of(names, flow.endpoint_slot)},
                    {"own_source", own_source(flow)},
                    {"way", to_string(flow.kind)},
                    {"state", to_string(flow.state)},
                    {"age_seconds", time::elapsed(flow.created, now) / 1000},
                    {"idle_seconds", time::elapsed(flow.last_seen, now) / 1000},
                    {"packets_in", has_packets ? Json(flow.packets[0]) : Json()},
                    {"packets_out", has_packets ? Json(flow.packets[1]) : Json()},
                    {"bytes_in", is_session ? Json(flow.bytes[0]) : Json()},
                    {"bytes_out", is_session ? Json(flow.bytes[1]) : Json()}});
  }
  return list;
}

Answer where(node::Node& node, const Words& arguments) {
  if (arguments.size() >= 2 && arguments[1].find("://") != std::string::npos) {
    return where_request(node, arguments);
  }
  if (arguments.size() != 3) {
    return tl::unexpected(std::string());
  }
  const auto protocol = lb::parse_protocol(arguments[0]);
  if (!protocol || *protocol == lb::Protocol::icmp) {
    return tl::unexpected("expected tcp or udp, or a request such as GET http://web.shop/cart, got " +
                          registry::in_quotes(arguments[0]));
  }
  const auto source = parse_socket_address(arguments[1]);
  const auto destination = parse_socket_address(arguments[2]);
  if (!source || !destination) {
    return tl::unexpected("expected an address and port such as 10.0.0.1:80, got " +
                          registry::in_quotes(arguments[source ? 2 : 1]));
  }
  if (source->address.family() != destination->address.family()) {
    return tl::unexpected(std::string("expected two addresses of one family"));
  }
  const lb::Tuple key(source->address, source->port, destination->address, destination->port, *protocol);
  const auto snapshot = node.snapshots().current();
  const auto flows = ask_workers(node, {.key = key, .limit = 1});
  if (!flows) {
    return tl::unexpected(flows.error());
  }
  const std::vector<std::string> names = endpoint_names(*snapshot);
  // A connection that is over has no say in where the next one from its port goes.
  if (!flows->empty() && !is_over(flows->front().flow.state)) {
    const flow::FlowInfo& flow = flows->front().flow;
    if (flow.kind == flow::Kind::proxy || flow.kind == flow::Kind::http) {
      return Json{{"rule", flow.kind == flow::Kind::proxy ? "relayed session" : "connection whose requests are read"},
                  {"client", end_of(flow.request.source, flow.request.source_port)},
                  {"address", end_of(flow.request.destination, flow.request.destination_port)},
                  {"endpoint", end_of(flow.reply.source, flow.reply.source_port)},
                  {"endpoint_name", name_of(names, flow.endpoint_slot)},
                  {"own_source", own_source(flow)},
                  {"state", to_string(flow.state)}};
    }
    return Json{{"rule", flow.kind == flow::Kind::ended ? "ended by a policy of access" : "flow table"},
                {"endpoint", to_string(flow.reply.source, flow.reply.source_port)},
                {"endpoint_name", name_of(names, flow.endpoint_slot)},
                {"state", to_string(flow.state)}};
  }
  const lb::Decision decision = lb::decide(*snapshot, key, hash_of(key, snapshot->seed()));
  if (const lb::Service* service = decision.service;
      service != nullptr && service->http != nullptr && service->http->protocol == lb::AppProtocol::http) {
    return Json{{"rule", "request by request: ask where <method> http://"}, {"service", service->name}};
  }
  const bool has_policies = decision.service != nullptr && decision.service->authorization != nullptr;
  const lb::Judgement judgement =
      has_policies ? lb::judge_connection(*snapshot, *decision.service, source->address) : lb::Judgement();
  Json answer = {{"rule", to_string(judgement.denied ? lb::Rule::not_authorized : decision.rule)}};
  if (decision.service != nullptr) {
    answer["service"] = decision.service->name;
  }
  if (has_policies) {
    add_judgement(answer, *snapshot, *decision.service, source->address, judgement);
    if (!decision.service->is_opaque()) {
      answer["access"] = "unless it turns out to be HTTP: " + answer["access"].get<std::string>();
    }
  }
  if (decision.service != nullptr && decision.service->faults != nullptr) {
    const lb::FaultScope scope{.client = source->address,
                               .caller = snapshot->callers().find(source->address),
                               .now_ns = static_cast<uint64_t>(node.worker_time().count())};
    answer["faults"] = faults_met(*decision.service, *decision.service, scope);
  }
  if (decision.target != nullptr && !judgement.denied) {
    answer["endpoint"] = to_string(decision.target->address, decision.target->port);
    answer["endpoint_name"] = name_of(names, decision.target->slot);
  }
  return answer;
}

}  // namespace weft::ops
