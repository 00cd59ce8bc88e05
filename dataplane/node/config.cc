// SPDX-License-Identifier: Apache-2.0
#include "node/config.h"

#include <fmt/format.h>
#include <sodium/utils.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdio>
#include <set>

#include "bpf/abi.h"
#include "dns/wire.h"
#include "flow/table.h"
#include "l4/forwarding.h"
#include "l4/own_ports.h"
#include "lb/token_bucket.h"
#include "registry-sync/parse_kinds.h"
#include "registry-sync/source_section.h"
#include "registry-sync/yaml_document.h"
#include "registry-sync/yaml_fields.h"

namespace weft::node {
namespace {

using registry::Diagnostic;
using registry::Fields;

constexpr int64_t kMaxCore = 1023;
constexpr int64_t kMaxMicroseconds = 1'000'000;
constexpr int64_t kMaxSeconds = 7 * 86400;  // well below the 49 days after which a flow's time stamps wrap
constexpr size_t kMaxSocketPath = 107;      // sockaddr_un
constexpr int64_t kMaxDetect = 60'000;      // milliseconds
constexpr int64_t kMaxDrain = 3600;         // seconds
constexpr int64_t kMaxHead = 24 << 10;      // that a head may grow on its way, and still fit the buffers of one
constexpr int64_t kMaxTarget = 16 << 10;
constexpr size_t kMaxVia = 64;
constexpr uint32_t kMinFlows = 1024;
constexpr uint32_t kMinMtu = 576;
constexpr uint32_t kMaxMtu = 9216;  // what most switches and NICs take

std::string host_name() {
  std::array<char, 256> name{};
  gethostname(name.data(), name.size() - 1);
  return name.data();
}

std::optional<runtime::MacAddress> parse_mac(const std::string& text) {
  runtime::MacAddress mac;
  int end = 0;
  const int found = std::sscanf(text.c_str(), "%2hhx:%2hhx:%2hhx:%2hhx:%2hhx:%2hhx%n", &mac[0], &mac[1], &mac[2],
                                &mac[3], &mac[4], &mac[5], &end);
  if (found != 6 || static_cast<size_t>(end) != text.size() || text.size() != 17) {
    return std::nullopt;
  }
  return mac;
}

std::vector<lb::Prefix> read_prefixes(Fields& fields, const char* key) {
  std::vector<lb::Prefix> prefixes;
  for (const std::string& text : fields.strings(key)) {
    if (const auto prefix = lb::parse_prefix(text)) {
      prefixes.push_back(*prefix);
    } else {
      fields.error(key, "expected a network such as 10.2.0.0/16 or fd00:2::/64 without host bits, got " +
                            registry::in_quotes(text));
    }
  }
  return prefixes;
}

void read_registry(Fields fields, Config& config) {
  registry::SourceSection section = registry::read_source_section(std::move(fields));
  config.registry = std::move(section.folder);
  config.etcd = std::move(section.etcd);
  config.etcd_password_file = std::move(section.password_file);
  config.registry_guard = section.guard;
  config.registry_cache = std::move(section.cache);
}

void read_workers(Fields workers, Config& config) {
  for (const int64_t core : workers.integers("cores", 0, kMaxCore)) {
    config.cores.push_back(static_cast<uint32_t>(core));
  }
  if (workers && config.cores.empty()) {
    workers.error("cores", "expected a list of one core a worker, such as [1]");
  }
  if (config.cores.size() > WEFT_MAX_WORKERS) {
    workers.error("cores", fmt::format("expected at most {} workers, got {}", WEFT_MAX_WORKERS, config.cores.size()));
  }
  Fields idle = workers.mapping("idle");
  if (idle.word("mode", {"adaptive", "busy"}) == "busy") {
    config.idle.mode = runtime::IdleMode::busy;
  }
  const auto microseconds = [&](const char* key, time::Time& value) {
    if (const auto found = idle.integer(key, 0, kMaxMicroseconds)) {
      value = std::chrono::microseconds(*found);
    }
  };
  microseconds("spin_us", config.idle.spin);
  microseconds("pause_us", config.idle.pause);
  microseconds("sleep_us", config.idle.longest_sleep);
  idle.finish();
  workers.finish();
}

void read_memory(Fields memory, Config& config) {
  config.huge_pages = memory.boolean("huge_pages").value_or(config.huge_pages);
  config.megabytes = static_cast<uint32_t>(memory.integer("megabytes", 64, 65536).value_or(config.megabytes));
  config.buffers = static_cast<uint32_t>(memory.integer("buffers", 1024, 1 << 22).value_or(config.buffers));
  config.jumbo_buffers =
      static_cast<uint32_t>(memory.integer("jumbo_buffers", 1024, 1 << 22).value_or(config.jumbo_buffers));
  memory.finish();
}

void read_flows(Fields flows, Config& config) {
  const auto number = [&](const char* key, int64_t least, int64_t most, uint32_t& value) {
    value = static_cast<uint32_t>(flows.integer(key, least, most).value_or(value));
  };
  number("capacity", kMinFlows, flow::FlowTable4::kMaxCapacity, config.flow_capacity);
  number("capacity_ipv6", kMinFlows, flow::FlowTable6::kMaxCapacity, config.flow_capacity6);
  number("new_per_second", 1, lb::kMaxBurst, config.new_flows_a_second);
  Fields timeouts = flows.mapping("timeouts");
  const auto seconds = [&](const char* key, std::chrono::milliseconds& value) {
    if (const auto found = timeouts.integer(key, 1, kMaxSeconds)) {
      value = std::chrono::seconds(*found);
    }
  };
  seconds("udp_request_s", config.timeouts.udp_request);
  seconds("udp_exchange_s", config.timeouts.udp_exchange);
  seconds("tcp_opening_s", config.timeouts.tcp_opening);
  seconds("tcp_established_s", config.timeouts.tcp_established);
  seconds("tcp_closing_s", config.timeouts.tcp_closing);
  seconds("tcp_closed_s", config.timeouts.tcp_closed);
  seconds("tcp_reset_s", config.timeouts.tcp_reset);
  timeouts.finish();
  flows.finish();
}

void read_tcp(Fields fields, Config& config) {
  const auto number = [&](const char* key, int64_t least, int64_t most, uint32_t& value) {
    value = static_cast<uint32_t>(fields.integer(key, least, most).value_or(value));
  };
  number("connections", 16, 1 << 24, config.tcp.connections);
  number("half_open", 16, 1 << 22, config.tcp.half_open);
  number("time_waits", 16, 1 << 24, config.tcp.time_waits);
  number("receive_buffer", 4096, 1 << 30, config.tcp.receive_buffer);
  number("send_buffer", 4096, 1 << 30, config.tcp.send_buffer);
  const auto seconds = [&](const char* key, std::chrono::milliseconds& value) {
    if (const auto found = fields.integer(key, 0, kMaxSeconds)) {
      value = std::chrono::seconds(*found);
    }
  };
  seconds("connect_timeout_s", config.tcp.connect_timeout);
  seconds("time_wait_s", config.tcp.time_wait);
  seconds("keepalive_idle_s", config.tcp.keepalive_idle);
  fields.finish();
}

void read_http_timeouts(Fields fields, HttpSettings& http) {
  const auto seconds = [&](const char* key, time::Millis& value) {
    if (const auto found = fields.integer(key, 1, kMaxSeconds)) {
      value = static_cast<time::Millis>(*found * 1000);
    }
  };
  seconds("client_idle_s", http.proxy.client_idle);
  seconds("head_s", http.proxy.head);
  seconds("body_s", http.proxy.body_idle);
  seconds("stream_s", http.proxy.stream_idle);
  seconds("tunnel_s", http.proxy.tunnel_idle);
  http.detect = static_cast<time::Millis>(fields.integer("detect_ms", 1, kMaxDetect).value_or(http.detect));
  if (const auto drain = fields.integer("drain_s", 0, kMaxDrain)) {
    http.drain = std::chrono::seconds(*drain);
  }
  fields.finish();
}

/// A file of 32 hexadecimal digits.
void read_session_key(Fields& fields, HttpSettings& http) {
  const auto file = fields.string("session_key_file");
  if (!file) {
    return;
  }
  const auto text = registry::read_text_file(*file);
  if (!text) {
    return fields.error("session_key_file", text.error().message);
  }
  const std::string digits = text->substr(0, text->find_last_not_of(" \t\r\n") + 1);
  lb::SessionKey key{};
  size_t bytes = 0;
  const bool is_key =
      digits.size() == 2 * key.size() &&
      sodium_hex2bin(key.data(), key.size(), digits.data(), digits.size(), nullptr, &bytes, nullptr) == 0 &&
      bytes == key.size();
  if (!is_key) {  // what is in it stays out of the log
    return fields.error("session_key_file", fmt::format("expected a file of {} hexadecimal digits", 2 * key.size()));
  }
  http.session_key = key;
}

/// What stands in Via fields: RFC 9110, section 7.6.3.
void read_via(Fields& fields, HttpSettings& http) {
  http.proxy.marks.via = fields.string("via").value_or("");
  const auto is_allowed = [](unsigned char c) { return std::isalnum(c) != 0 || c == '-' || c == '.' || c == '_'; };
  if (http.proxy.marks.via.size() > kMaxVia ||
      !std::all_of(http.proxy.marks.via.begin(), http.proxy.marks.via.end(), is_allowed)) {
    fields.error("via", fmt::format("expected at most {} letters, digits, -, . or _, got {}", kMaxVia,
                                    registry::in_quotes(http.proxy.marks.via)));
  }
}

void read_http(Fields fields, HttpSettings& http) {
  const auto number = [&](Fields& from, const char* key, int64_t least, int64_t most, uint32_t& value) {
    value = static_cast<uint32_t>(from.integer(key, least, most).value_or(value));
  };
  number(fields, "exchanges", 16, 1 << 20, http.proxy.exchanges);
  number(fields, "upstreams", 16, 1 << 20, http.proxy.upstreams);
  Fields limits = fields.mapping("limits");
  number(limits, "head_bytes", 1024, kMaxHead, http.proxy.limits.head);
  http.proxy.limits.target = std::min(http.proxy.limits.target, http.proxy.limits.head / 2);  // unless it is said
  number(limits, "target_bytes", 256, kMaxTarget, http.proxy.limits.target);
  number(limits, "fields", 16, http::kMaxFields, http.proxy.limits.fields);
  if (http.proxy.limits.target >= http.proxy.limits.head) {
    limits.error("target_bytes", fmt::format("expected less than head_bytes, which is {}, got {}",
                                             http.proxy.limits.head, http.proxy.limits.target));
  }
  limits.finish();
  read_http_timeouts(fields.mapping("timeouts"), http);
  read_via(fields, http);
  number(fields, "traces_per_million", 0, 1'000'000, http.proxy.marks.sampled_per_million);
  read_session_key(fields, http);
  http.access_log = fields.string("access_log").value_or("");
  if (!http.access_log.empty() && !http.access_log.is_absolute()) {
    fields.error("access_log", "expected an absolute path, got " + registry::in_quotes(http.access_log.string()));
  }
  fields.finish();
}

void read_limits(Fields limits, Config& config) {
  config.max_services = static_cast<uint32_t>(limits.integer("services", 1, UINT16_MAX).value_or(config.max_services));
  config.max_endpoints =
      static_cast<uint32_t>(limits.integer("endpoints", 1, WEFT_MAX_ENDPOINTS).value_or(config.max_endpoints));
  limits.finish();
}

void read_faults(Fields faults, Config& config) {
  if (const std::optional<int64_t> percent = faults.integer("max_percentage", 0, 100)) {
    config.max_fault_share = static_cast<uint32_t>(*percent) * lb::Fault::kWhole / 100;
  }
  faults.finish();
}

void read_pods(Fields fields, Config& config) {
  if (!fields) {
    return;
  }
  pods::Config& result = config.pods.emplace();
  result.workers = static_cast<uint32_t>(config.cores.size());
  result.prefix = fields.string("prefix").value_or(result.prefix);
  if (!pods::valid_prefix(result.prefix)) {
    fields.error("prefix", fmt::format("expected 1 to {} letters, digits, - or _, got {}", pods::kMaxPrefix,
                                       registry::in_quotes(result.prefix)));
  }
  result.pin_dir = fields.string("pins").value_or(result.pin_dir.string());
  if (!result.pin_dir.is_absolute()) {
    fields.error("pins",
                 "expected an absolute path in a mounted bpffs, got " + registry::in_quotes(result.pin_dir.string()));
  }
  config.pod_networks = read_prefixes(fields, "networks");
  result.mtu = static_cast<uint32_t>(fields.integer("mtu", pods::kMinMtu, pods::kMaxMtu).value_or(result.mtu));
  for (const std::string& text : fields.strings("host_routes")) {
    if (const auto prefix = lb::parse_prefix(text)) {
      result.host_routes.push_back(*prefix);
    } else {
      fields.error("host_routes", "expected an address or a network such as 10.96.0.0/16 without host bits, got " +
                                      registry::in_quotes(text));
    }
  }
  config.nics = fields.strings("nics");
  result.keep_on_stop = fields.word("on_stop", {"detach", "keep"}) == "keep";
  fields.finish();
}

void read_sources(Fields& root, Config& config) {
  Fields snat = root.mapping("snat");
  for (const std::string& text : snat.strings("addresses")) {
    const auto address = lb::parse_address(text);
    if (!address) {
      snat.error("addresses", "expected an address, got " + registry::in_quotes(text));
    } else if (const auto problem = registry::unicast_problem(*address); !problem.empty()) {
      snat.error("addresses",
                 "expected a unicast address, got " + registry::in_quotes(text) + ", " + std::string(problem));
    } else if (std::find(config.own_addresses.begin(), config.own_addresses.end(), *address) !=
               config.own_addresses.end()) {
      snat.error("addresses", registry::in_quotes(text) + " is there twice");
    } else {
      config.own_addresses.push_back(*address);
    }
  }
  if (config.own_addresses.size() > l4::OwnPorts::kMaxAddresses) {
    snat.error("addresses", fmt::format("expected at most {}", l4::OwnPorts::kMaxAddresses));
  }
  snat.finish();
  Fields tunnels = root.mapping("tunnels");
  config.tunnel_sources = read_prefixes(tunnels, "sources");
  std::set<lb::Family> families;
  for (const lb::Prefix& source : config.tunnel_sources) {
    if (!families.insert(source.address.family()).second) {
      tunnels.error("sources", "expected one prefix of each family at most");
    }
  }
  tunnels.finish();
}

/// An address, with or without a port: "192.0.2.53", "192.0.2.53:5353", "[2001:db8::53]:5353".
std::optional<resolver::Server> parse_server(std::string_view text) {
  if (const auto address = lb::parse_address(text)) {
    return resolver::Server{*address, lb::port_from_host(dns::kPort)};
  }
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) {
    return std::nullopt;
  }
  std::string_view host = text.substr(0, colon);
  const bool bracketed = host.starts_with('[') && host.ends_with(']');
  host = bracketed ? host.substr(1, host.size() - 2) : host;
  const auto address = lb::parse_address(host);
  const auto port = lb::parse_port(text.substr(colon + 1));
  if (!address || !port || address->is_ipv4() == bracketed) {
    return std::nullopt;
  }
  return resolver::Server{*address, *port};
}

void read_upstreams(Fields& fields, NameServerSettings& settings) {
  constexpr size_t kMostServers = 8;
  for (const std::string& text : fields.strings("upstreams")) {
    const auto server = parse_server(text);
    if (!server) {
      fields.error("upstreams",
                   "expected an address such as 192.0.2.53, or with a port 192.0.2.53:5353 or "
                   "[2001:db8::53]:5353, got " +
                       registry::in_quotes(text));
      continue;
    }
    if (std::find(settings.addresses.begin(), settings.addresses.end(), server->address) != settings.addresses.end()) {
      fields.error("upstreams", registry::in_quotes(text) + " is one of dns.addresses: weft would ask itself");
    }
    settings.forwarding.servers.push_back(*server);
  }
  if (settings.forwarding.servers.size() > kMostServers) {
    fields.error("upstreams", fmt::format("expected at most {}", kMostServers));
  }
}

/// Names are no business of the Internet's: not to be known, and not to be sent to whose address somebody forged.
constexpr const char* kNameClients[] = {"10.0.0.0/8",     "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10",
                                        "169.254.0.0/16", "127.0.0.0/8",   "fc00::/7",       "fe80::/10"};

void read_dns(Fields fields, const Config& config, NameServerSettings& settings) {
  if (!fields) {
    return;
  }
  constexpr size_t kMostAddresses = 4;
  constexpr int64_t kMaxTtl = 86400;
  for (const std::string& text : fields.strings("addresses")) {
    const auto address = lb::parse_address(text);
    if (!address) {
      fields.error("addresses", "expected an address, got " + registry::in_quotes(text));
    } else if (const auto problem = registry::unicast_problem(*address); !problem.empty()) {
      fields.error("addresses",
                   "expected a unicast address, got " + registry::in_quotes(text) + ", " + std::string(problem));
    } else if (std::find(settings.addresses.begin(), settings.addresses.end(), *address) != settings.addresses.end()) {
      fields.error("addresses", registry::in_quotes(text) + " is there twice");
    } else if (std::find(config.own_addresses.begin(), config.own_addresses.end(), *address) !=
               config.own_addresses.end()) {
      fields.error("addresses", registry::in_quotes(text) + " is one of snat.addresses");
    } else {
      settings.addresses.push_back(*address);
    }
  }
  if (settings.addresses.empty() || settings.addresses.size() > kMostAddresses) {
    fields.error("addresses", fmt::format("expected 1 to {} virtual addresses", kMostAddresses));
  }
  const std::string domain = fields.string("domain").value_or("cluster.local");
  auto zone = dns::make_zone(domain, settings.addresses);
  if (!zone) {
    fields.error("domain", "expected a domain of at most 126 characters such as cluster.local, got " +
                               registry::in_quotes(domain));
    zone.emplace();
  }
  const auto number = [&](const char* key, int64_t least, int64_t most, uint32_t& value) {
    value = static_cast<uint32_t>(fields.integer(key, least, most).value_or(value));
  };
  number("ttl_s", 0, kMaxTtl, zone->ttl);
  number("negative_ttl_s", 0, kMaxTtl, zone->negative_ttl);
  std::vector<lb::Prefix> clients = read_prefixes(fields, "clients");
  if (clients.empty()) {
    std::transform(std::begin(kNameClients), std::end(kNameClients), std::back_inserter(clients),
                   [](const char* text) { return lb::parse_prefix(text).value(); });
  }
  zone->clients = lb::PrefixSet(clients);
  read_upstreams(fields, settings);
  zone->forwards = !settings.forwarding.servers.empty();
  settings.zone = std::make_shared<const dns::Zone>(std::move(*zone));
  if (const auto timeout = fields.integer("timeout_ms", 50, 10'000)) {
    settings.forwarding.timeout = std::chrono::milliseconds(*timeout);
  }
  number("pending", 1, 16384, settings.forwarding.pending);
  number("tcp_clients", 1, 65536, settings.tcp_clients);
  if (const auto idle = fields.integer("tcp_idle_s", 1, kMaxSeconds)) {
    settings.tcp_idle = std::chrono::seconds(*idle);
  }
  fields.finish();
}

void read_twin(Fields twin, UplinkConfig& uplink, std::set<std::string>& names) {
  if (!twin) {
    return;
  }
  UplinkTwinConfig& result = uplink.twin.emplace();
  result.name = twin.required_string("name");
  if (result.name.size() > kernel::kMaxTwinName || result.name.find_first_of("/ :,=") != std::string::npos) {
    twin.error("name", fmt::format("expected an interface's name of at most {} characters, got {}",
                                   kernel::kMaxTwinName, registry::in_quotes(result.name)));
  } else if (!result.name.empty() && !names.insert(result.name).second) {
    twin.error("name", "another port has this name already");
  }
  for (const std::string& text : twin.strings("addresses")) {
    if (const auto address = kernel::parse_interface_address(text)) {
      result.addresses.push_back(*address);
    } else {
      twin.error("addresses",
                 "expected an address and its network's length such as 192.0.2.1/31, got " + registry::in_quotes(text));
    }
  }
  result.packets_a_second =
      static_cast<uint32_t>(twin.integer("packets_per_second", 1, lb::kMaxBurst).value_or(result.packets_a_second));
  twin.finish();
}

void read_port(Fields port, Config& config, std::set<std::string>& names) {
  UplinkConfig uplink;
  uplink.port.name = port.required_string("name");
  if (!uplink.port.name.empty() && !names.insert(uplink.port.name).second) {
    port.error("name", "another port has this name already");
  }
  uplink.port.device = port.required_string("device");
  read_twin(port.mapping("twin"), uplink, names);
  // With a twin, routes come from the kernel.
  const std::string next_hop = uplink.twin ? port.string("next_hop").value_or("") : port.required_string("next_hop");
  if (const auto mac = parse_mac(next_hop)) {
    uplink.next_hop = *mac;
  } else if (!next_hop.empty()) {
    port.error("next_hop", "expected a MAC address such as 02:00:00:00:00:01, got " + registry::in_quotes(next_hop));
  }
  uplink.networks = read_prefixes(port, "networks");
  uplink.port.mtu = static_cast<uint16_t>(port.integer("mtu", kMinMtu, kMaxMtu).value_or(uplink.port.mtu));
  uplink.port.checksum_offload = port.boolean("checksum_offload").value_or(uplink.port.checksum_offload);
  uplink.port.transmit_offload = port.boolean("transmit_offload").value_or(uplink.port.transmit_offload);
  uplink.vlan = static_cast<uint16_t>(port.integer("vlan", 1, 4094).value_or(0));
  uplink.port.queues = static_cast<uint16_t>(port.integer("queues", 1, WEFT_MAX_WORKERS).value_or(0));
  if (uplink.port.queues > 1 && uplink.port.queues != config.cores.size()) {
    port.error("queues", fmt::format("expected 1, or one for each of the {} workers, got {}", config.cores.size(),
                                     uplink.port.queues));
  }
  uplink.port.descriptors =
      static_cast<uint16_t>(port.integer("descriptors", 64, 16384).value_or(uplink.port.descriptors));
  port.finish();
  config.ports.push_back(std::move(uplink));
}

}  // namespace

registry::Abilities abilities_of(const Config& config) {
  registry::Abilities abilities{.fullnat = {},
                                .tunnels = {},
                                .own_addresses = config.own_addresses,
                                .name_servers = config.dns.addresses,
                                .tunnel_sources = config.tunnel_sources};
  for (const lb::Address& address : config.own_addresses) {
    abilities.fullnat.insert(address.family());
  }
  for (const lb::Prefix& source : config.tunnel_sources) {
    abilities.tunnels.insert(source.address.family());
  }
  return abilities;
}

tl::expected<Config, std::vector<Diagnostic>> parse_config(const std::string& file, std::string_view text) {
  std::vector<Diagnostic> errors;
  const auto document = registry::read_document(file, text, errors);
  if (!document) {
    return tl::unexpected(errors);
  }
  Config config;
  Fields root(*document, "", file, errors);
  config.node = root.string("node").value_or(host_name());
  config.zone = root.string("zone").value_or("");
  config.seed = static_cast<uint64_t>(root.integer("seed", 0, INT64_MAX).value_or(0));
  config.socket = root.string("socket").value_or(config.socket);
  if (!config.socket.starts_with('/') || config.socket.size() > kMaxSocketPath) {
    root.error("socket", fmt::format("expected an absolute path of at most {} characters, got {}", kMaxSocketPath,
                                     registry::in_quotes(config.socket)));
  }
  config.log_level = root.word("log", {"debug", "info", "warning", "error"}).value_or(config.log_level);
  read_registry(root.required_mapping("registry"), config);
  Fields captures = root.mapping("captures");
  config.captures = captures.string("folder").value_or(config.captures.string());
  if (!config.captures.is_absolute()) {
    captures.error("folder", "expected an absolute path, got " + registry::in_quotes(config.captures.string()));
  }
  captures.finish();
  read_workers(root.required_mapping("workers"), config);
  read_memory(root.mapping("memory"), config);
  read_flows(root.mapping("flows"), config);
  read_tcp(root.mapping("tcp"), config);
  read_http(root.mapping("http"), config.http);
  read_limits(root.mapping("limits"), config);
  read_faults(root.mapping("faults"), config);
  read_pods(root.mapping("pods"), config);
  read_sources(root, config);
  read_dns(root.mapping("dns"), config, config.dns);
  std::set<std::string> names = {"pods"};
  for (Fields& port : root.mappings("ports")) {
    read_port(std::move(port), config, names);
  }
  if (!config.pods && config.ports.empty()) {
    root.error("ports", "expected at least one port, or pods, or both");
  }
  if (names.size() > l4::kMaxPorts) {
    root.error("ports", fmt::format("expected at most {} ports, twins included", l4::kMaxPorts - 1));
  }
  root.finish();
  if (!errors.empty()) {
    return tl::unexpected(errors);
  }
  return config;
}

tl::expected<Config, std::vector<Diagnostic>> load_config(const std::filesystem::path& file) {
  const auto text = registry::read_text_file(file);
  if (!text) {
    return tl::unexpected(std::vector<Diagnostic>{{.file = file.string(), .message = text.error().message}});
  }
  return parse_config(file.string(), *text);
}

}  // namespace weft::node
