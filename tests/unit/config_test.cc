// SPDX-License-Identifier: Apache-2.0
#include "node/config.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

namespace weft::node {
namespace {

constexpr const char* kLeast = R"(
registry: {folder: /etc/weft/registry}
workers: {cores: [1]}
pods: {}
)";

/// Everything that is wrong, a line each.
std::string errors_of(const std::string& text) {
  const auto config = parse_config("node.yaml", text);
  if (config) {
    return "";
  }
  std::string lines;
  for (const registry::Diagnostic& error : config.error()) {
    lines += to_string(error) + "\n";
  }
  return lines;
}

TEST(NodeConfig, TheLeastOneGetsTheDocumentedDefaults) {
  const auto config = parse_config("node.yaml", kLeast);
  ASSERT_TRUE(config) << errors_of(kLeast);
  EXPECT_EQ(config->registry, "/etc/weft/registry");
  EXPECT_EQ(config->cores, std::vector<uint32_t>{1});
  EXPECT_EQ(config->socket, "/run/weft/weft.sock");
  EXPECT_EQ(config->flow_capacity, 262144U);
  EXPECT_EQ(config->idle.mode, runtime::IdleMode::adaptive);
  EXPECT_EQ(config->timeouts.tcp_established, std::chrono::seconds(7440));
  ASSERT_TRUE(config->pods);
  EXPECT_EQ(config->pods->prefix, "weft");
  EXPECT_EQ(config->max_fault_share, 10'000U);
  EXPECT_FALSE(config->node.empty()) << "the host's name";
}

TEST(NodeConfig, EveryFieldIsTaken) {
  const auto config = parse_config("node.yaml", R"(
node: n1
zone: a
seed: 7
socket: /run/other.sock
log: error
registry: {folder: r}
workers: {cores: [3], idle: {mode: busy, spin_us: 1, pause_us: 2, sleep_us: 3}}
memory: {huge_pages: true, megabytes: 512, buffers: 2048, jumbo_buffers: 1024}
flows:
  capacity: 4096
  timeouts: {udp_request_s: 1, udp_exchange_s: 2, tcp_opening_s: 3, tcp_established_s: 4, tcp_closing_s: 5,
             tcp_closed_s: 6, tcp_reset_s: 7}
limits: {services: 10, endpoints: 20}
faults: {max_percentage: 25}
pods: {prefix: mesh, pins: /sys/fs/bpf/mesh, mtu: 1700, nics: [eth0, eth1], host_routes: [10.96.0.0/16, "fd00:96::1"]}
ports:
- {name: up, device: "net_null0", next_hop: "02:00:00:00:00:aF", networks: [10.2.0.0/16, 0.0.0.0/0], descriptors: 512,
   mtu: 9000, checksum_offload: true, transmit_offload: true}
)");
  ASSERT_TRUE(config);
  EXPECT_EQ(config->node, "n1");
  EXPECT_EQ(config->zone, "a");
  EXPECT_EQ(config->seed, 7U);
  EXPECT_EQ(config->idle.mode, runtime::IdleMode::busy);
  EXPECT_EQ(config->idle.longest_sleep, std::chrono::microseconds(3));
  EXPECT_TRUE(config->huge_pages);
  EXPECT_EQ(config->buffers, 2048U);
  EXPECT_EQ(config->jumbo_buffers, 1024U);
  EXPECT_EQ(config->timeouts.udp_request, std::chrono::seconds(1));
  EXPECT_EQ(config->timeouts.tcp_reset, std::chrono::seconds(7));
  EXPECT_EQ(config->max_endpoints, 20U);
  EXPECT_EQ(config->max_fault_share, 2'500U);
  EXPECT_EQ(config->pods->mtu, 1700U);
  EXPECT_EQ(config->nics, (std::vector<std::string>{"eth0", "eth1"}));
  ASSERT_EQ(config->pods->host_routes.size(), 2U);
  EXPECT_EQ(to_string(config->pods->host_routes[0]), "10.96.0.0/16");
  EXPECT_EQ(to_string(config->pods->host_routes[1]), "fd00:96::1/128");
  ASSERT_EQ(config->ports.size(), 1U);
  EXPECT_EQ(runtime::to_string(config->ports[0].next_hop.value()), "02:00:00:00:00:af");
  EXPECT_EQ(to_string(config->ports[0].networks[0]), "10.2.0.0/16");
  EXPECT_EQ(to_string(config->ports[0].networks[1]), "0.0.0.0/0");
  EXPECT_EQ(config->ports[0].port.descriptors, 512U);
  EXPECT_EQ(config->ports[0].port.mtu, 9000U);
  EXPECT_TRUE(config->ports[0].port.checksum_offload);
  EXPECT_TRUE(config->ports[0].port.transmit_offload);
}

TEST(NodeConfig, HttpIsSetFieldByField) {
  const std::string key_file = ::testing::TempDir() + "weft-session-key";
  std::ofstream(key_file) << "000102030405060708090a0b0c0d0e0F\n";
  const std::string text = std::string(kLeast) + R"(
http:
  exchanges: 100
  upstreams: 200
  limits: {head_bytes: 8000, target_bytes: 4000, fields: 50}
  timeouts: {client_idle_s: 1, head_s: 2, body_s: 3, stream_s: 4, tunnel_s: 5, detect_ms: 6, drain_s: 0}
  via: weft-1
  traces_per_million: 0
  session_key_file: )" + key_file;
  const auto config = parse_config("node.yaml", text);
  std::filesystem::remove(key_file);
  ASSERT_TRUE(config) << errors_of(text);
  const HttpSettings& http = config->http;
  EXPECT_EQ(http.proxy.exchanges, 100U);
  EXPECT_EQ(http.proxy.upstreams, 200U);
  EXPECT_EQ(http.proxy.limits.head, 8000U);
  EXPECT_EQ(http.proxy.limits.target, 4000U);
  EXPECT_EQ(http.proxy.limits.fields, 50U);
  EXPECT_EQ(http.proxy.client_idle, 1000U);
  EXPECT_EQ(http.proxy.head, 2000U);
  EXPECT_EQ(http.proxy.body_idle, 3000U);
  EXPECT_EQ(http.proxy.stream_idle, 4000U);
  EXPECT_EQ(http.proxy.tunnel_idle, 5000U);
  EXPECT_EQ(http.detect, 6U);
  EXPECT_EQ(http.drain.count(), 0);
  EXPECT_EQ(http.proxy.marks.via, "weft-1");
  EXPECT_EQ(http.proxy.marks.sampled_per_million, 0U);
  ASSERT_TRUE(http.session_key);
  EXPECT_EQ((*http.session_key)[1], 1);
  EXPECT_EQ((*http.session_key)[15], 15);
}

TEST(NodeConfig, TargetsFitTheHeadUnlessTheyAreSaid) {
  for (const auto& [limits, target] : {std::pair{"head_bytes: 4096", 2048U}, std::pair{"head_bytes: 24576", 8192U},
                                       std::pair{"head_bytes: 4096, target_bytes: 4000", 4000U}}) {
    const std::string text = std::string(kLeast) + "http: {limits: {" + limits + "}}";
    const auto config = parse_config("node.yaml", text);
    ASSERT_TRUE(config) << errors_of(text);
    EXPECT_EQ(config->http.proxy.limits.target, target) << limits;
  }
}

TEST(NodeConfig, AKeyThatIsNoneIsNotShown) {
  const std::string key_file = ::testing::TempDir() + "weft-no-session-key";
  for (const std::string text :
       {"", "5ec2e7", "5ec2e75ec2e75ec2e75ec2e75ec2e7xx", "5ec2e75ec2e75ec2e75ec2e75ec2e75ec2e7"}) {
    std::ofstream(key_file) << text;
    const std::string errors = errors_of(std::string(kLeast) + "http: {session_key_file: " + key_file + "}");
    EXPECT_NE(errors.find("http.session_key_file: expected a file of 32 hexadecimal digits"), std::string::npos)
        << errors;
    EXPECT_EQ(errors.find("5ec2e7"), std::string::npos) << errors;
  }
  std::filesystem::remove(key_file);
}

TEST(NodeConfig, HttpHasTheDocumentedDefaults) {
  const auto config = parse_config("node.yaml", kLeast);
  ASSERT_TRUE(config);
  const HttpSettings& http = config->http;
  EXPECT_EQ(http.proxy.limits.head, 16384U);
  EXPECT_EQ(http.proxy.limits.target, 8192U);
  EXPECT_EQ(http.proxy.limits.fields, 100U);
  EXPECT_EQ(http.proxy.client_idle, 60'000U);
  EXPECT_EQ(http.proxy.head, 10'000U);
  EXPECT_EQ(http.proxy.body_idle, 30'000U);
  EXPECT_EQ(http.proxy.stream_idle, 300'000U);
  EXPECT_EQ(http.proxy.tunnel_idle, 3'600'000U);
  EXPECT_EQ(http.detect, 200U);
  EXPECT_EQ(http.drain.count(), 5);
  EXPECT_EQ(http.proxy.marks.via, "");
  EXPECT_EQ(http.proxy.marks.sampled_per_million, 10'000U);
  EXPECT_FALSE(http.session_key);
}

TEST(NodeConfig, AnUplinkWithATwinNeedsNoNextHop) {
  const auto config = parse_config(
      "node.yaml", std::string(kLeast) +
                       "ports: [{name: a, device: d, vlan: 100, twin: {name: up0, addresses: [192.0.2.1/31, "
                       "'2001:db8::1/64'], packets_per_second: 7}}]\n");
  ASSERT_TRUE(config);
  const UplinkConfig& uplink = config->ports.at(0);
  EXPECT_FALSE(uplink.next_hop);
  EXPECT_EQ(uplink.vlan, 100U);
  ASSERT_TRUE(uplink.twin);
  EXPECT_EQ(uplink.twin->name, "up0");
  ASSERT_EQ(uplink.twin->addresses.size(), 2U);
  EXPECT_EQ(to_string(uplink.twin->addresses[0]), "192.0.2.1/31");
  EXPECT_EQ(to_string(uplink.twin->addresses[1]), "2001:db8::1/64");
  EXPECT_EQ(uplink.twin->packets_a_second, 7U);
}

struct Wrong {
  const char* more;  ///< behind the least one
  const char* message;
};

TEST(NodeConfig, WhatIsWrongIsNamedByLineAndField) {
  for (const auto& [more, message] : {
           Wrong{"sed: 1", "node.yaml:5: sed: unknown field"},
           Wrong{"seed: -1", "node.yaml:5: seed: expected an integer from 0 to"},
           Wrong{"socket: weft.sock", "node.yaml:5: socket: expected an absolute path"},
           Wrong{"log: loud", "node.yaml:5: log: expected"},
           Wrong{"flows: {capacity: 1}", "node.yaml:5: flows.capacity: expected an integer from 1024"},
           Wrong{"flows: {timeouts: {tcp_reset_s: 9999999}}", "node.yaml:5: flows.timeouts.tcp_reset_s: expected"},
           Wrong{"memory: 12", "node.yaml:5: memory: expected a mapping"},
           Wrong{"ports: [{name: a, device: d}]", "node.yaml:5: ports[0].next_hop: "},
           Wrong{"ports: [{name: a, device: d, twin: {}}]", "ports[0].twin.name: "},
           Wrong{"ports: [{name: a, device: d, twin: {name: a-name-too-long-by-one}}]",
                 "twin.name: expected an interface"},
           Wrong{"ports: [{name: a, device: d, twin: {name: a}}]", "ports[0].twin.name: another port has this name"},
           Wrong{"ports: [{name: a, device: d, twin: {name: t, addresses: [192.0.2.1/33]}}]",
                 "ports[0].twin.addresses: expected an address and its network's length"},
           Wrong{"ports: [{name: a, device: d, twin: {name: t, packets_per_second: 0}}]",
                 "ports[0].twin.packets_per_second: expected an integer from 1"},
           Wrong{"ports: [{name: a, device: d, twin: {name: t}, vlan: 4095}]", "ports[0].vlan: expected an integer"},
           Wrong{"ports: [{name: pods, device: d, next_hop: '02:00:00:00:00:01'}]", "ports[0].name: another port"},
           Wrong{"ports: [{name: a, device: d, next_hop: '02:00:00:00:00:01 '}]", "ports[0].next_hop: expected a MAC"},
           Wrong{"ports: [{name: a, device: d, next_hop: '02:00:00:00:00:01', networks: [10.2.0.1/16]}]",
                 "ports[0].networks: expected a network"},
           Wrong{"ports: [{name: a, device: d, next_hop: '02:00:00:00:00:01', networks: [10.2.0.0/33]}]",
                 "ports[0].networks: expected a network"},
           Wrong{"ports: [{name: a, device: d, next_hop: '02:00:00:00:00:01', queues: 3}]",
                 "ports[0].queues: expected 1, or one for each of the 1 workers, got 3"},
           Wrong{"ports: [{name: a, device: d, next_hop: '02:00:00:00:00:01', mtu: 9217}]", "ports[0].mtu: expected"},
           Wrong{"snat: {addresses: [10.9.0.0/24]}", "node.yaml:5: snat.addresses: expected an address"},
           Wrong{"snat: {addresses: [224.0.0.1]}",
                 "node.yaml:5: snat.addresses: expected a unicast address, got \"224.0.0.1\", which is multicast"},
           Wrong{"snat: {addresses: [\"::1\"]}",
                 "node.yaml:5: snat.addresses: expected a unicast address, got \"::1\", which is loopback"},
           Wrong{"snat: {addresses: [10.9.0.1, 10.9.0.1]}", "node.yaml:5: snat.addresses: \"10.9.0.1\" is there twice"},
           Wrong{"faults: {max_percentage: 101}",
                 "node.yaml:5: faults.max_percentage: expected an integer from 0 to 100, got \"101\""},
           Wrong{"http: {exchange: 1}", "node.yaml:5: http.exchange: unknown field; expected one of exchanges"},
           Wrong{"http: {exchanges: 15}", "http.exchanges: expected an integer from 16 to 1048576, got \"15\""},
           Wrong{"http: {limits: {head_bytes: 65536}}",
                 "http.limits.head_bytes: expected an integer from 1024 to 24576"},
           Wrong{"http: {limits: {fields: 129}}", "http.limits.fields: expected an integer from 16 to 128"},
           Wrong{"http: {limits: {head_bytes: 4096, target_bytes: 4096}}",
                 "http.limits.target_bytes: expected less than head_bytes, which is 4096, got 4096"},
           Wrong{"http: {timeouts: {head_s: 0}}", "http.timeouts.head_s: expected an integer from 1 to"},
           Wrong{"http: {timeouts: {drain_s: 3601}}", "http.timeouts.drain_s: expected an integer from 0 to 3600"},
           Wrong{"http: {access_log: access.log}", "http.access_log: expected an absolute path, got \"access.log\""},
           Wrong{"http: {via: 'a b'}", "http.via: expected at most 64 letters, digits, -, . or _, got \"a b\""},
           Wrong{"http: {traces_per_million: 1000001}", "http.traces_per_million: expected an integer from 0 to"},
           Wrong{"http: {session_key_file: /nowhere/key}", "http.session_key_file: "},
           Wrong{"dns: {}", "dns.addresses: expected 1 to 4 virtual addresses"},
           Wrong{"dns: {addresses: [here]}", "dns.addresses: expected an address, got \"here\""},
           Wrong{"dns: {addresses: [10.96.0.53, 10.96.0.53]}", "dns.addresses: \"10.96.0.53\" is there twice"},
           Wrong{"dns: {addresses: [10.96.0.53], domain: a..b}", "dns.domain: expected a domain of at most 126"},
           Wrong{"dns: {addresses: [10.96.0.53], upstreams: ['192.0.2.1:0']}",
                 "dns.upstreams: expected an address such"},
           Wrong{"dns: {addresses: [10.96.0.53], upstreams: ['2001:db8::1:53x']}",
                 "dns.upstreams: expected an address"},
           Wrong{"dns: {addresses: [10.96.0.53], upstreams: ['10.96.0.53:5353']}",
                 "dns.upstreams: \"10.96.0.53:5353\" is one of dns.addresses: weft would ask itself"},
           Wrong{"dns: {addresses: [10.96.0.53], clients: [10.0.0.1/8]}", "dns.clients: expected a network such as"},
           Wrong{"dns: {addresses: [10.96.0.53], timeout_ms: 1}",
                 "dns.timeout_ms: expected an integer from 50 to 10000"},
           Wrong{"snat: {addresses: [10.9.0.1]}\ndns: {addresses: [10.9.0.1]}",
                 "dns.addresses: \"10.9.0.1\" is one of snat.addresses"},
           Wrong{"tunnels: {sources: [10.8.0.0/24, 10.9.0.0/24]}", "tunnels.sources: expected one prefix of each"},
       }) {
    const std::string errors = errors_of(std::string(kLeast) + more);
    EXPECT_NE(errors.find(message), std::string::npos) << more << "\n" << errors;
  }
}

TEST(NodeConfig, ReadsTheNameServer) {
  const auto config = parse_config(
      "node.yaml",
      std::string(kLeast) +
          "dns: {addresses: [10.96.0.53, 'fd00:96::53'], domain: Mesh.Test., ttl_s: 30, negative_ttl_s: 0, "
          "upstreams: [192.0.2.1, '192.0.2.2:5353', '2001:db8::1', '[2001:db8::2]:54'], timeout_ms: 100, "
          "pending: 7, tcp_clients: 8, tcp_idle_s: 9}");
  ASSERT_TRUE(config);
  const NameServerSettings& settings = config->dns;
  EXPECT_EQ(settings.addresses.size(), 2U);
  EXPECT_EQ(settings.zone->domain, std::string("\4mesh\4test\0", 11));
  EXPECT_EQ(settings.zone->ttl, 30U);
  EXPECT_EQ(settings.zone->negative_ttl, 0U);
  for (const char* near : {"10.1.2.3", "172.31.0.1", "192.168.1.1", "100.64.0.1", "fd00::1", "fe80::1"}) {
    EXPECT_TRUE(settings.zone->serves(lb::parse_address(near).value())) << near;
  }
  for (const char* far : {"192.0.2.1", "172.32.0.1", "8.8.8.8", "2001:db8::1"}) {
    EXPECT_FALSE(settings.zone->serves(lb::parse_address(far).value())) << far;
  }
  const auto other = parse_config(
      "node.yaml", std::string(kLeast) + "dns: {addresses: [10.96.0.53], clients: [192.0.2.0/24, '2001:db8::/32']}");
  ASSERT_TRUE(other);
  EXPECT_TRUE(other->dns.zone->serves(lb::parse_address("2001:db8::1").value()));
  EXPECT_FALSE(other->dns.zone->serves(lb::parse_address("10.1.2.3").value()));
  EXPECT_TRUE(settings.zone->forwards);
  EXPECT_EQ(settings.zone->ipv4.size(), 1U);
  EXPECT_EQ(settings.zone->ipv6.size(), 1U);
  std::vector<std::string> servers;
  for (const resolver::Server& server : settings.forwarding.servers) {
    servers.push_back(to_string(server.address, server.port));
  }
  EXPECT_EQ(servers,
            (std::vector<std::string>{"192.0.2.1:53", "192.0.2.2:5353", "[2001:db8::1]:53", "[2001:db8::2]:54"}));
  EXPECT_EQ(settings.forwarding.timeout, std::chrono::milliseconds(100));
  EXPECT_EQ(settings.forwarding.pending, 7U);
  EXPECT_EQ(settings.tcp_clients, 8U);
  EXPECT_EQ(settings.tcp_idle, std::chrono::seconds(9));
  EXPECT_EQ(abilities_of(*config).name_servers, settings.addresses);
  EXPECT_EQ(parse_config("node.yaml", kLeast)->dns.zone, nullptr);
}

TEST(NodeConfig, WhatDoesNotGoTogetherIsRefused) {
  EXPECT_NE(errors_of("registry: {folder: r}\nworkers: {cores: [1]}\n").find("at least one port, or pods, or both"),
            std::string::npos);
  EXPECT_NE(
      errors_of("workers: {cores: []}\nregistry: {}\npods: {prefix: much_too_long_a_prefix, pins: x}").find("pins"),
      std::string::npos);
}

TEST(NodeConfig, TheCacheOfTheRegistryIsAPathOrNone) {
  const std::string rest = "workers: {cores: [1]}\npods: {}\nregistry: {source: etcd, etcd: {endpoints: [http://h:1]}";
  EXPECT_EQ(parse_config("node.yaml", rest + "}\n")->registry_cache, "/var/lib/weft/registry.cache");
  EXPECT_EQ(parse_config("node.yaml", rest + ", cache: ''}\n")->registry_cache, "");
  EXPECT_EQ(parse_config("node.yaml", rest + ", cache: /c}\n")->registry_cache, "/c");
  EXPECT_EQ(errors_of(rest + ", cache: c}\n"),
            "node.yaml:3: registry.cache: expected an absolute path, or \"\" for no cache, got \"c\"\n");
  EXPECT_NE(errors_of("workers: {cores: [1]}\npods: {}\nregistry: {folder: r, cache: /c}\n").find("registry.cache"),
            std::string::npos)
      << "files are a cache themselves";
}

TEST(NodeConfig, RoutesOfTheHostAreNetworks) {
  const std::string errors =
      errors_of("registry: {folder: r}\nworkers: {cores: [1]}\npods: {host_routes: [10.96.0.1/16, all]}");
  EXPECT_NE(errors.find("node.yaml:3: pods.host_routes: expected an address or a network such as"), std::string::npos)
      << errors;
  EXPECT_NE(errors.find("\"all\""), std::string::npos) << errors;
}

TEST(NodeConfig, AllErrorsAreReportedAtOnce) {
  const std::string errors = errors_of("wrokers: 1\nregistry: {}\nlog: loud\n");
  for (const char* each : {"wrokers", "registry.folder", "log", "workers", "ports"}) {
    EXPECT_NE(errors.find(each), std::string::npos) << each << " is missing in\n" << errors;
  }
}

}  // namespace
}  // namespace weft::node
