// SPDX-License-Identifier: Apache-2.0
/// @file What a node is told at start: one YAML file, read whole and validated before anything is touched.
///
/// Every field, with its default, is in docs/configuration.md; an unknown one is an error.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <tl/expected.hpp>
#include <vector>

#include "dns/zone.h"
#include "etcd/types.h"
#include "flow/state.h"
#include "kernel/twin.h"
#include "lb/fault.h"
#include "lb/prefix.h"
#include "lb/session_token.h"
#include "pods/pods.h"
#include "proxy/proxy.h"
#include "registry-sync/admission.h"
#include "registry-sync/diagnostic.h"
#include "registry-sync/validate.h"
#include "resolver/forwarder.h"
#include "runtime/idle.h"
#include "runtime/port.h"
#include "tcp/config.h"

namespace weft::node {

/// What a buffer holds beside an IP packet: Ethernet and VLAN headers, and all that a tunnel adds.
constexpr uint32_t kBufferSlack = 256;

/// An uplink's network interface in the kernel.
struct UplinkTwinConfig {
  std::string name;
  std::vector<kernel::InterfaceAddress> addresses;  ///< that it is to have
  uint32_t packets_a_second = 50'000;               ///< that each worker passes to it at most
};

struct UplinkConfig {
  runtime::PortConfig port;                     ///< its MTU also of what leaves here
  std::optional<runtime::MacAddress> next_hop;  ///< whom frames without a route are addressed to; always there without
                                                ///< a twin
  std::optional<UplinkTwinConfig> twin;
  uint16_t vlan = 0;                 ///< the tag of all frames on the wire; 0: none
  std::vector<lb::Prefix> networks;  ///< endpoints and clients in these are reached through this port
};

/// Of connections whose requests are read.
struct HttpSettings {
  proxy::HttpConfig proxy;    ///< exchanges, upstreams: 0, as many as tcp.connections ask for; what nobody sets is the
                              ///< node's to fill in
  time::Millis detect = 200;  ///< that a client may say nothing where the service does not say what it speaks
  std::filesystem::path access_log;           ///< empty: none is written
  std::chrono::seconds drain{5};              ///< that clients have to go elsewhere when the node stops
  std::optional<lb::SessionKey> session_key;  ///< none: another one each start
};

/// Of the node's own name server.
struct NameServerSettings {
  std::vector<lb::Address> addresses;     ///< virtual ones; none: there is no name server
  std::shared_ptr<const dns::Zone> zone;  ///< null: likewise
  resolver::ForwarderConfig forwarding;   ///< without servers: what is not under the domain is refused
  uint32_t tcp_clients = 1024;            ///< connections at a time, of each worker
  std::chrono::seconds tcp_idle{10};
};

struct Config {
  std::string node;
  std::string zone;  ///< may be empty: no zone is preferred
  uint64_t seed = 0;
  std::string socket = "/run/weft/weft.sock";
  std::filesystem::path registry;     ///< the folder; empty: it is in etcd
  std::optional<etcd::Options> etcd;  ///< without the password
  std::filesystem::path etcd_password_file;
  registry::Guard registry_guard;                                         ///< of instances in etcd
  std::filesystem::path registry_cache = "/var/lib/weft/registry.cache";  ///< of etcd; empty: none
  std::vector<uint32_t> cores;                                            ///< one worker each
  runtime::IdleBounds idle;
  bool huge_pages = false;
  uint32_t megabytes = 256;
  uint32_t buffers = 16384;
  uint32_t jumbo_buffers = 8192;          ///< made if a port's MTU asks for them
  uint32_t flow_capacity = 262144;        ///< of IPv4
  uint32_t flow_capacity6 = 65536;        ///< of IPv6
  uint32_t new_flows_a_second = 400'000;  ///< of each worker; more is overload
  flow::Timeouts timeouts;
  tcp::Config tcp = {.connections = 65536, .half_open = 16384, .time_waits = 65536};  ///< of each worker
  HttpSettings http;
  NameServerSettings dns;
  uint32_t max_services = 16384;
  uint32_t max_endpoints = 131072;
  std::optional<pods::Config> pods;
  std::vector<lb::Prefix> pod_networks;          ///< endpoints and clients in these are local pods
  std::vector<lb::Address> own_addresses;        ///< sources of fullnat
  std::vector<lb::Prefix> tunnel_sources;        ///< of dsr; one a family at most
  uint32_t max_fault_share = lb::Fault::kWhole;  ///< of a service's traffic that live faults may be about
  std::vector<std::string> nics;                 ///< to attach at start; none without pods
  std::vector<UplinkConfig> ports;
  std::filesystem::path captures = "/var/lib/weft/captures";  ///< where `capture` makes its files
  std::string log_level = "info";
};

/// What services may ask of a node with this configuration.
registry::Abilities abilities_of(const Config& config);

/// All that is wrong, or the configuration.
tl::expected<Config, std::vector<registry::Diagnostic>> load_config(const std::filesystem::path& file);
/// The same of a text. @param file what diagnostics call it
tl::expected<Config, std::vector<registry::Diagnostic>> parse_config(const std::string& file, std::string_view text);

}  // namespace weft::node
