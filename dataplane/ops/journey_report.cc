// SPDX-License-Identifier: Apache-2.0
#include "ops/journey_report.h"

#include <fmt/format.h>

#include <algorithm>

#include "lb/http_policy.h"
#include "packet/headers.h"
#include "runtime/port.h"

namespace weft::ops {
namespace {

using Found = l4::Passage::Found;
using packet::Kind;

std::string flags_text(uint8_t flags) {
  static constexpr std::array<std::pair<uint8_t, std::string_view>, 6> kNames = {
      {{0x02, "SYN"}, {0x10, "ACK"}, {0x01, "FIN"}, {0x04, "RST"}, {0x08, "PSH"}, {0x20, "URG"}}};
  std::string text;
  for (const auto& [bit, name] : kNames) {
    if ((flags & bit) != 0) {
      text += (text.empty() ? "" : ",") + std::string(name);
    }
  }
  return text.empty() ? "none" : text;
}

std::string protocol_text(lb::Protocol protocol) {
  switch (static_cast<uint8_t>(protocol)) {
    case 4:
      return "ipip";
    case 41:
      return "ip6ip";
    case static_cast<uint8_t>(lb::Protocol::tcp):
    case static_cast<uint8_t>(lb::Protocol::udp):
    case static_cast<uint8_t>(lb::Protocol::icmp):
    case static_cast<uint8_t>(lb::Protocol::icmpv6):
      return std::string(to_string(protocol));
    default:
      return fmt::format("protocol {}", static_cast<uint8_t>(protocol));
  }
}

std::string_view malformation(Kind kind) {
  switch (kind) {
    case Kind::truncated:
      return "truncated";
    case Kind::bad_version:
      return "bad version";
    case Kind::bad_header_length:
      return "bad header length";
    case Kind::bad_total_length:
      return "bad total length";
    case Kind::bad_checksum:
      return "bad checksum";
    case Kind::bad_extension:
      return "bad extension";
    default:
      return "";
  }
}

runtime::MacAddress mac_at(const l4::Headers& headers, size_t offset) {
  runtime::MacAddress mac;
  std::copy_n(headers.ethernet.begin() + offset, mac.size(), mac.begin());
  return mac;
}

void add_ip(Json& json, const l4::Headers& headers) {
  const packet::Parsed& parsed = headers.parsed;
  const lb::Tuple tuple = parsed.family == lb::Family::ipv4 ? lb::Tuple(parsed.key4) : lb::Tuple(parsed.key6);
  const bool has_ports = parsed.kind == Kind::transport || (parsed.kind == Kind::fragment && parsed.has_ports);
  json["family"] = to_string(parsed.family);
  json["protocol"] = protocol_text(tuple.protocol);
  json["source"] = has_ports ? to_string(tuple.source, tuple.source_port) : to_string(tuple.source);
  json["destination"] = has_ports ? to_string(tuple.destination, tuple.destination_port) : to_string(tuple.destination);
  if (has_ports && tuple.protocol == lb::Protocol::tcp) {
    json["flags"] = flags_text(parsed.tcp_flags);
  }
  if (parsed.kind == Kind::icmp) {
    json["icmp_type"] = headers.icmp_type;
    json["icmp_code"] = headers.icmp_code;
  }
  if (parsed.kind == Kind::fragment) {
    json["fragment_offset"] = parsed.fragment_offset;
    json["more_fragments"] = parsed.more_fragments;
  }
  json["time_to_live"] = headers.time_to_live;
  json["ip_length"] = parsed.ip_length;
}

Json as_json(const l4::Headers& headers) {
  Json json = {{"length", headers.length},
               {"ethernet_source", runtime::to_string(mac_at(headers, 6))},
               {"ethernet_destination", runtime::to_string(mac_at(headers, 0))}};
  const Kind kind = headers.parsed.kind;
  if (kind == Kind::not_ip) {
    json["ethernet_type"] = fmt::format("0x{:04x}", __builtin_bswap16(headers.ethernet_type));
  } else if (const std::string_view malformed = malformation(kind); !malformed.empty()) {
    json["malformed"] = malformed;
  } else {
    add_ip(json, headers);
  }
  return json;
}

/// "namespace/name/endpoint", or nothing if the registry knows it no more.
std::string endpoint_name(const lb::Service* service, uint32_t slot) {
  if (service != nullptr) {
    for (const lb::Endpoint& endpoint : service->endpoints) {
      if (endpoint.slot == slot) {
        return service->name + "/" + endpoint.name;
      }
    }
  }
  return "";
}

Json flow_json(const l4::Passage& passage, const lb::Snapshot& snapshot) {
  const flow::FlowInfo& flow = passage.flow;
  if (flow.kind == flow::Kind::steered) {
    return {{"found", "steered"}, {"owner", flow.endpoint_slot}};
  }
  const lb::Service* service =
      snapshot.find(flow.request.destination, flow.request.destination_port, flow.request.protocol);
  return {{"found", passage.found == Found::made ? "made" : "known"},
          {"direction", passage.direction == flow::Direction::request ? "request" : "reply"},
          {"state", to_string(flow.state)},
          {"way", to_string(flow.kind)},
          {"service", service == nullptr ? "" : service->name},
          {"client", to_string(flow.request.source, flow.request.source_port)},
          {"address", to_string(flow.request.destination, flow.request.destination_port)},
          {"endpoint", lb::to_host(flow.reply.source_port) == 0 ? ""  // no request is under way
                                                                : to_string(flow.reply.source, flow.reply.source_port)},
          {"endpoint_name", endpoint_name(service, flow.endpoint_slot)}};
}

std::string port_name(const std::vector<std::string>& ports, uint8_t port) {
  return port < ports.size() ? ports[port] : fmt::format("port {}", port);
}

Json as_json(const Stage& stage, const Stage* before, const std::vector<std::string>& ports,
             const lb::Snapshot& snapshot) {
  const l4::Passage& passage = stage.passage;
  Json json = {{"worker", stage.worker}, {"port", passage.originated ? "" : port_name(ports, passage.ingress)}};
  if (before != nullptr) {
    json["from_worker"] = before->worker;
  }
  if (passage.originated && passage.found != Found::nothing) {
    json["flow"] = flow_json(passage, snapshot);
  }
  if (passage.has_tuple) {
    json["hash"] = fmt::format("{:016x}", passage.hash);
    json["flow"] = passage.found == Found::nothing ? Json{{"found", "nothing"}} : flow_json(passage, snapshot);
  }
  if (passage.decided) {
    const lb::Tuple& tuple = passage.tuple;
    const lb::Service* service = snapshot.find(tuple.destination, tuple.destination_port, tuple.protocol);
    json["service"] = service == nullptr ? "" : service->name;
    const bool to_own = passage.verdict == l4::Verdict::delivered && passage.rule == lb::Rule::not_a_vip;
    const bool by_request = passage.verdict == l4::Verdict::delivered && service != nullptr &&
                            service->http != nullptr && service->http->protocol == lb::AppProtocol::http;
    json["rule"] = to_own ? "an address of weft's own" : by_request ? "request by request" : to_string(passage.rule);
  }
  const l4::VerdictInfo& info = l4::info(stage.lost_by.value_or(passage.verdict));
  json["verdict"] = info.name;
  json["outcome"] = to_string(info.outcome);
  json["meaning"] = info.meaning;
  if (info.outcome == l4::Outcome::handed_over) {
    json["to_worker"] = passage.owner;
  }
  if (info.outcome == l4::Outcome::transmitted || info.outcome == l4::Outcome::passed) {
    json["to_port"] = port_name(ports, passage.egress);
    json["sent"] = as_json(passage.after);
  }
  return json;
}

std::string text_of(const Json& json, const char* key) {
  const auto found = json.find(key);
  return found == json.end() ? "" : found->is_string() ? found->get<std::string>() : found->dump();
}

std::string headers_text(const Json& headers) {
  std::string text;
  if (headers.contains("ethernet_type")) {
    text = "Ethernet type " + text_of(headers, "ethernet_type");
  } else if (headers.contains("malformed")) {
    text = "malformed: " + text_of(headers, "malformed");
  } else {
    text = fmt::format("{} {} {} > {}", text_of(headers, "family"), text_of(headers, "protocol"),
                       text_of(headers, "source"), text_of(headers, "destination"));
    if (headers.contains("flags")) {
      text += " " + text_of(headers, "flags");
    }
    if (headers.contains("icmp_type")) {
      text += fmt::format(" type {} code {}", text_of(headers, "icmp_type"), text_of(headers, "icmp_code"));
    }
    if (headers.contains("fragment_offset")) {
      text += fmt::format(", fragment at {}{}", text_of(headers, "fragment_offset"),
                          headers["more_fragments"].get<bool>() ? " of more" : ", the last");
    }
    text += ", ttl " + text_of(headers, "time_to_live");
  }
  return fmt::format("{}, {} bytes, {} > {}", text, text_of(headers, "length"), text_of(headers, "ethernet_source"),
                     text_of(headers, "ethernet_destination"));
}

std::string flow_text(const Json& stage) {
  const Json& flow = stage["flow"];
  const std::string found = text_of(flow, "found");
  std::string text;
  if (found == "steered") {
    text = "worker " + text_of(flow, "owner") + " has it";
  } else if (found == "nothing") {
    text = "none";
  } else {
    const std::string name = text_of(flow, "endpoint_name");
    const std::string endpoint = text_of(flow, "endpoint");
    text = fmt::format("{} {}, {}, {}: {} > {}{}{}", found, text_of(flow, "direction"), text_of(flow, "way"),
                       text_of(flow, "state"), text_of(flow, "client"), text_of(flow, "address"),
                       endpoint.empty() ? "" : " at " + endpoint, name.empty() ? "" : " (" + name + ")");
  }
  return stage.contains("hash") ? fmt::format("{}; hash {}", text, text_of(stage, "hash")) : text;
}

/// The outcome, and the name of its counter unless it says the same.
std::string verdict_text(const Json& stage) {
  const std::string outcome = text_of(stage, "outcome");
  const std::string name = text_of(stage, "verdict");
  std::string same = outcome;
  std::replace(same.begin(), same.end(), ' ', '_');
  return same == name ? outcome : outcome + ", " + name;
}

void add_line(std::string& text, std::string_view name, const std::string& line) {
  text += fmt::format("  {:<9} {}\n", name, line);
}

}  // namespace

Json as_json(const Journey& journey, uint64_t number, WallClock::Moment time, const std::vector<std::string>& ports,
             const lb::Snapshot& snapshot) {
  Json stages = Json::array();
  const Stage* before = nullptr;
  for (const Stage& stage : journey.stages) {
    stages.push_back(as_json(stage, before, ports, snapshot));
    before = &stage;
  }
  const l4::Passage& first = journey.stages.front().passage;
  return {{"packet", number},
          {"time", utc(time)},
          {"received", first.originated ? Json() : as_json(first.before)},
          {"stages", std::move(stages)}};
}

std::string journey_text(const Json& journey) {
  std::string text = fmt::format("packet {}  {}\n", text_of(journey, "packet"), text_of(journey, "time"));
  if (!journey["received"].is_null()) {
    add_line(text, "received", headers_text(journey["received"]));
  }
  for (const Json& stage : journey["stages"]) {
    add_line(text, "worker " + text_of(stage, "worker"),
             stage.contains("from_worker")    ? "from worker " + text_of(stage, "from_worker")
             : text_of(stage, "port").empty() ? "weft's own TCP"
                                              : "from port " + text_of(stage, "port"));
    if (stage.contains("flow")) {
      add_line(text, "  flow", flow_text(stage));
    }
    if (stage.contains("rule")) {
      const std::string service = text_of(stage, "service");
      add_line(text, "  rule", text_of(stage, "rule") + (service.empty() ? "" : ", service " + service));
    }
    add_line(text, "  verdict",
             fmt::format("{}: {}{}", verdict_text(stage), text_of(stage, "meaning"),
                         stage.contains("to_worker") ? "; to worker " + text_of(stage, "to_worker") : ""));
    if (stage.contains("sent")) {
      add_line(text, "sent", headers_text(stage["sent"]) + ", by port " + text_of(stage, "to_port"));
    }
  }
  return text;
}

}  // namespace weft::ops
