// SPDX-License-Identifier: Apache-2.0
/// @file Every way in which a packet can end has a packet here that ends so: whoever adds a verdict adds its row.
#include <functional>
#include <set>

#include "lb/http_policy.h"
#include "pipeline_fixture.h"

namespace weft::test {
namespace {

using lb::Mode;
using lb::Policy;
using lb::Protocol;

/// A mesh as the row needs it. What is sent last is what the row is about.
class Scene {
 public:
  explicit Scene(const PipelineBed::Limits& limits = {}, l4::Forwarding forwarding = two_ports())
      : bed(limits, std::move(forwarding)) {}

  /// The web service with this policy, of TCP and UDP.
  Scene& with(const Policy& policy, const Socket& endpoint = kWebEndpoint) {
    std::vector<lb::Service> services = {make_service(kWeb, Protocol::tcp, 0, {{endpoint, 0}}),
                                         make_service(kWeb, Protocol::udp, 1, {{endpoint, 1}})};
    services[0].policy = services[1].policy = policy;
    snapshot = make_snapshot(services, snapshot->epoch() + 1);
    return *this;
  }
  /// The web service, whose policy of access denies all.
  Scene& denied(const Policy& policy = {}) {
    std::vector<lb::Service> services = {make_service(kWeb, Protocol::tcp, 0, {{kWebEndpoint, 0}}),
                                         make_service(kWeb, Protocol::udp, 1, {{kWebEndpoint, 1}})};
    for (lb::Service& service : services) {
      service.policy = policy;
      service.authorization = denying({"0.0.0.0/0"});
    }
    snapshot = make_snapshot(services, snapshot->epoch() + 1);
    return *this;
  }
  Scene& send(const PacketBuilder& frame, uint8_t ingress = kPods, uint16_t room = 128) {
    const Bytes bytes = frame.bytes();
    const PipelineBed::Sent sent = bed.process({&bytes, 1}, ingress, *snapshot, now, room).front();
    last = sent.verdict;
    listener = sent.listener;
    return *this;
  }

  PipelineBed bed;
  std::shared_ptr<const lb::Snapshot> snapshot = make_snapshot(small_mesh());
  time::Time now = std::chrono::seconds(1000);
  Verdict last{};
  uint32_t listener = 0;
};

struct Ending {
  Verdict verdict;
  std::function<std::unique_ptr<Scene>()> play;
};

std::unique_ptr<Scene> scene(const PipelineBed::Limits& limits = {}, l4::Forwarding forwarding = two_ports()) {
  return std::make_unique<Scene>(limits, std::move(forwarding));
}
/// A scene of the small mesh in which these packets are sent.
std::function<std::unique_ptr<Scene>()> sending(const std::vector<PacketBuilder>& frames, uint8_t ingress = kPods) {
  return [=] {
    auto played = scene();
    for (const PacketBuilder& frame : frames) {
      played->send(frame, ingress);
    }
    return played;
  };
}
/// The same, to the web service with this policy.
std::function<std::unique_ptr<Scene>()> sending(const Policy& policy, const std::vector<PacketBuilder>& frames,
                                                const PipelineBed::Limits& limits = {}) {
  return [=] {
    auto played = scene(limits);
    played->with(policy);
    for (const PacketBuilder& frame : frames) {
      played->send(frame);
    }
    return played;
  };
}

PacketBuilder syn(const Socket& from = kClient, const Socket& to = kWeb) {
  return tcp(from, to).flags(kSyn);
}
lb::Prefix prefix(const char* text) {
  return lb::parse_prefix(text).value();
}
PipelineBed::Limits tunnels() {
  return {.tunnel_sources = {prefix("10.8.0.0/16")}};
}
/// Nobody knows the Ethernet address of what is behind the uplink.
l4::Forwarding unknown_neighbour() {
  return {{{.others = l4::Port::Others::kernel}, {.default_hop = 1}},
          {{.addresses = kPodsAddresses, .mtu = kMtu}, {.mtu = 0, .port = kUplink}},
          {{.prefix = prefix("10.2.0.0/16"), .hop = 1}}};
}
l4::Forwarding kernel_twin() {
  return {{{.others_hop = 1, .others = l4::Port::Others::from_kernel}, {}}, {{}, {.port = kUplink}}, {}};
}
uint32_t by_port(const lb::Address& address, lb::Port port, Protocol protocol) {
  (void)address;
  (void)protocol;
  return to_host(port);
}
/// Two workers and one queue, which is this worker's; it deals flows out by the client's port.
l4::Forwarding one_queue() {
  return two_ports({l4::Landing::at(0, 2, by_port), l4::Landing::at(0, 2, by_port)});
}

const std::vector<Ending>& endings() {
  static const Policy kNat{};
  static const Policy kFullnat{.mode = Mode::fullnat};
  static const Policy kDsr{.mode = Mode::dsr};
  static const Policy kProxy{.mode = Mode::proxy};
  static const std::vector<lb::Prefix> kElsewhere = {prefix("10.3.0.0/16")};
  static const Policy kForOthers = {
      .sources = std::make_shared<lb::SourceRanges>(lb::SourceRanges{lb::PrefixSet(kElsewhere), {}})};
  static const Bytes kAsked = udp(kClient, kDnsEndpoint).ttl(63).ip();
  static const std::vector<Ending> kEndings = {
      {Verdict::request, sending({syn()})},
      {Verdict::reply,
       [] {
         auto played = scene();
         played->send(syn()).send(tcp(kWebEndpoint, kClient).flags(kSyn | kAck), kUplink);
         return played;
       }},
      {Verdict::tunneled, sending(kDsr, {syn()}, tunnels())},
      {Verdict::tunneled_by_hash,
       sending(kDsr, {syn(), syn("10.1.0.2:1")},
               {.new_flows = {.per_second = 1, .burst = 1}, .tunnel_sources = {prefix("10.8.0.0/16")}})},
      {Verdict::icmp_error,
       sending({udp(kClient, kDns), icmp("10.2.9.9", "10.1.0.1").icmp(3, 1).payload(kAsked)})},
      {Verdict::echo_reply, sending({icmp("10.1.0.1", "10.96.0.1")})},
      {Verdict::too_big_answered, sending({tcp(kClient, kWeb).payload_of(kMtu).fragment(0x4000)})},
      {Verdict::ended_with_endpoint,
       [] {
         auto played = scene();
         played->send(syn());
         played->snapshot = std::make_shared<lb::Snapshot>(2, kSeed, std::vector<lb::Service>{},
                                                           std::vector<uint32_t>{0});
         played->send(tcp(kClient, kWeb));
         return played;
       }},
      {Verdict::ended_by_policy,
       [] {
         auto played = scene();
         played->send(syn()).denied();
         played->bed.sweep(64, *played->snapshot, played->now);
         played->send(tcp(kClient, kWeb));
         return played;
       }},
      {Verdict::refused_not_authorized,
       [] {
         auto played = scene();
         played->denied().send(syn());
         return played;
       }},
      {Verdict::not_authorized,
       [] {
         auto played = scene();
         played->denied().send(udp(kClient, kWeb));
         return played;
       }},
      {Verdict::refused_no_endpoint, sending({syn(kClient, kEmpty)})},
      {Verdict::refused_no_service_port, sending({syn(kClient, "10.96.0.1:81")})},
      {Verdict::refused_only_itself, sending({syn(kClient, kMirror)})},
      {Verdict::refused_over_limit, sending({.max_flows = 1}, {syn(), syn("10.1.0.2:1")})},
      {Verdict::from_kernel,
       [] {
         auto played = scene({}, kernel_twin());
         played->send(udp("10.9.0.1:1", "10.9.0.2:1"));
         return played;
       }},
      {Verdict::delivered, sending(kProxy, {syn()}, {.proxies = true})},
      {Verdict::passed, sending({udp(kClient, "10.9.0.1:1")})},
      {Verdict::handed_over,
       [] {
         auto played = scene({.workers = 2}, one_queue());
         played->send(syn("10.1.0.1:1025"));
         return played;
       }},
      {Verdict::truncated, sending({syn().cut_to(53)})},
      {Verdict::bad_version, sending({syn().version(6)})},
      {Verdict::bad_header_length, sending({syn().header_words(4)})},
      {Verdict::bad_total_length, sending({syn().total_length(19)})},
      {Verdict::bad_checksum, sending({syn().ip_checksum(0x1234)})},
      {Verdict::bad_extension, sending({tcp("[fd00:1::1]:1", "[fd00:96::1]:80").hop_by_hop().hop_by_hop()})},
      {Verdict::bad_source, sending({syn("127.0.0.1:1")})},
      {Verdict::fragment, sending({udp(kClient, kDns).fragment(0x0010).payload_of(8)})},
      {Verdict::icmp, sending({icmp("10.1.0.1", "10.96.0.1").icmp(13, 0)})},
      {Verdict::other_protocol, sending({PacketBuilder(47, kClient, kWeb)})},
      {Verdict::no_flow, sending({tcp(kClient, kWeb).flags(kSyn | kAck)})},
      {Verdict::ttl_expired, sending({syn().ttl(1)})},
      {Verdict::too_big, sending({tcp(kClient, kWeb).payload_of(kMtu)})},
      {Verdict::not_permitted, sending(kForOthers, {syn()})},
      {Verdict::over_service_rate,
       sending({.new_flows = {.per_second = 1, .burst = 1}}, {syn(), syn("10.1.0.2:1")})},
      {Verdict::over_source_rate,
       sending({.new_flows_by_source = {.per_second = 1, .burst = 1}}, {syn(), syn("10.1.0.1:1")})},
      {Verdict::overload,
       sending(kNat, {syn(), syn("10.1.0.1:1")}, {.new_flows = {.per_second = 1, .burst = 1}})},
      {Verdict::table_full,
       [] {
         auto played = scene({.flows = 16});
         for (uint16_t port = 1; played->last == Verdict::request; ++port) {
           played->send(syn({lb::address_from_host(0x0a010001), port}));
         }
         return played;
       }},
      {Verdict::tuple_conflict, sending({syn(), syn(kClient, kWebAgain)})},
      {Verdict::own_ports_dry, sending(kFullnat, {syn()})},
      {Verdict::no_tunnel_source, sending(kDsr, {syn()})},
      {Verdict::no_next_hop,
       [] {
         auto played = scene({}, unknown_neighbour());
         played->send(syn());
         return played;
       }},
      {Verdict::steering_full,
       [] {
         auto played = scene({.workers = 2}, two_ports({l4::Landing::anywhere(2), l4::Landing::anywhere(2)}));
         played->bed.pipeline().outbox().set_room(1, 0);
         played->send(syn());
         return played;
       }},
      {Verdict::unanswerable, sending({tcp(kClient, kEmpty).flags(kRst)})},
      {Verdict::answer_limited,
       [] {
         auto played = scene();
         for (uint32_t i = 0; i <= 100; ++i) {
           played->send(udp(kClient, kEmpty));
         }
         return played;
       }},
      {Verdict::not_ours, sending({udp(kClient, "10.9.0.1:1")}, kUplink)},
  };
  return kEndings;
}

/// Whichever way it was to leave by, a packet that can't is neither written nor counted as sent (see imbalance()).
TEST(NoNextHop, IsFoundOutBeforeAnythingIsDone) {
  l4::NextHop clients{.addresses = kPodsAddresses, .mtu = kMtu};
  l4::NextHop endpoints{.addresses = kUplinkAddresses, .mtu = kMtu, .port = kUplink};
  const auto towards = [](const l4::NextHop& pods, const l4::NextHop& uplink) {
    return l4::Forwarding({{}, {.default_hop = 1}}, {pods, uplink},
                          {{.prefix = prefix("10.1.0.0/16"), .hop = 0}, {.prefix = prefix("10.2.0.0/16"), .hop = 1}});
  };
  endpoints.mtu = 0;
  for (const Mode mode : {Mode::nat, Mode::dsr}) {
    Scene scene({.tunnel_sources = {prefix("10.8.0.0/16")}}, towards(clients, endpoints));
    scene.with({.mode = mode});
    EXPECT_EQ(scene.send(syn()).last, Verdict::no_next_hop);
    EXPECT_EQ(scene.bed.pipeline().active_flows(), 1U) << "it goes on once the neighbour is known";
    EXPECT_EQ(scene.bed.imbalance(), "");
  }
  endpoints.mtu = kMtu;
  clients.mtu = 0;
  Scene scene({}, towards(clients, endpoints));
  scene.send(udp(kClient, kDns)).send(udp(kDnsEndpoint, kClient), kUplink);
  EXPECT_EQ(scene.last, Verdict::no_next_hop);
  for (const PacketBuilder& answered :
       {syn(kClient, kEmpty), udp(kClient, kEmpty), icmp("10.1.0.1", "10.96.0.1"),
        tcp(kClient, kWeb).payload_of(kMtu).fragment(0x4000),
        icmp("10.2.9.9", "10.1.0.1").icmp(3, 1).payload(udp(kClient, kDnsEndpoint).ttl(63).ip())}) {
    EXPECT_EQ(scene.send(answered).last, Verdict::no_next_hop);
  }
  EXPECT_EQ(scene.bed.imbalance(), "");
}

class Endings : public testing::TestWithParam<size_t> {};

TEST_P(Endings, IsThatOfThisPacket) {
  const Ending& ending = endings()[GetParam()];
  const auto played = ending.play();
  EXPECT_EQ(played->last, ending.verdict);
  EXPECT_EQ(played->bed.count(ending.verdict), 1U) << "and of none before it";
  EXPECT_EQ(played->bed.imbalance(), "");
}

TEST(WithoutProxies, AnErrorAboutAProxiedAddressIsNotDelivered) {
  Scene played;
  played.with({.mode = Mode::proxy});
  played.send(icmp("10.2.9.9", "10.96.0.1").icmp(3, 1).payload(tcp(kWeb, kClient).ip()));
  EXPECT_EQ(played.last, Verdict::icmp);
}

TEST(Proxied, SourcesThatAreNotPermittedAreHeardInSilence) {
  const std::vector<lb::Prefix> elsewhere = {prefix("10.3.0.0/16")};
  Scene played({.proxies = true});
  played.with({.mode = Mode::proxy}).send(tcp(kClient, kWeb).flags(kAck));
  EXPECT_EQ(played.last, Verdict::delivered);
  EXPECT_EQ(played.listener, 0U);
  played.with({.mode = Mode::proxy,
               .sources = std::make_shared<lb::SourceRanges>(lb::SourceRanges{lb::PrefixSet(elsewhere), {}})});
  played.send(tcp(kClient, kWeb).flags(kAck));
  EXPECT_EQ(played.last, Verdict::delivered) << "there may be a connection, from when it was permitted";
  EXPECT_EQ(played.listener, l4::Burst::kSilent);
  played.send(syn());
  EXPECT_EQ(played.last, Verdict::not_permitted);
}

TEST(Proxied, PoliciesOfAccessAreAskedOnceAConnection) {
  Scene played({.proxies = true});
  played.denied({.mode = Mode::proxy}).send(syn());
  EXPECT_EQ(played.last, Verdict::refused_not_authorized);
  EXPECT_EQ(played.bed.counters().service[0].denied.get(), 1U);
  played.send(tcp(kClient, kWeb).flags(kAck));
  EXPECT_EQ(played.last, Verdict::delivered) << "there may be a connection, which the relay ends by itself";
}

TEST(Proxied, RequestsAreJudgedAndNotTheirConnection) {
  for (const lb::AppProtocol protocol : {lb::AppProtocol::http, lb::AppProtocol::detect}) {
    Scene played({.proxies = true});
    std::vector<lb::Service> services = {make_service(kWeb, Protocol::tcp, 0, {{kWebEndpoint, 0}})};
    services[0].policy.mode = Mode::proxy;
    services[0].http = std::make_shared<const lb::Http>(lb::Http{.protocol = protocol});
    services[0].authorization = denying({"0.0.0.0/0"});
    played.snapshot = make_snapshot(services, 2);
    EXPECT_EQ(played.send(syn()).last, Verdict::delivered);
  }
}

TEST(Proxied, WhatIsReadNeedsNoEndpointOfItsOwn) {
  Scene played({.proxies = true});
  const auto listens = [&](lb::AppProtocol protocol) {
    std::vector<lb::Service> services = {make_service(kWeb, Protocol::tcp, 0, {})};
    services[0].policy.mode = Mode::proxy;
    services[0].http = std::make_shared<const lb::Http>(lb::Http{.protocol = protocol});
    played.snapshot = make_snapshot(services, played.snapshot->epoch() + 1);
  };
  listens(lb::AppProtocol::http);
  EXPECT_EQ(played.send(syn()).last, Verdict::delivered) << "a Gateway has none, and routes lead elsewhere";
  listens(lb::AppProtocol::opaque);
  EXPECT_EQ(played.send(syn()).last, Verdict::refused_no_endpoint);
}

TEST(OwnAddresses, KeepTheirPortsBelow1024ForOthers) {
  const lb::Address own = lb::parse_address("10.9.0.1").value();
  Scene played({.own_addresses = {own}, .proxies = true});
  played.send(tcp("10.1.0.1:40000", "10.9.0.1:22").flags(kSyn));
  EXPECT_EQ(played.last, Verdict::passed);
  played.send(tcp("10.1.0.1:40000", "10.9.0.1:1024").flags(kSyn));
  EXPECT_EQ(played.last, Verdict::delivered);
}

TEST(EveryVerdict, HasItsRow) {
  // By rings and ports, in worker_test.cc and intake_test.cc; in pipeline_routes_test.cc, pipeline_recovery_test.cc,
  // pipeline_policy_test.cc, pipeline_fault_test.cc and pipeline_names_test.cc; name_relayed, which needs another
  // server, end to end (dns.py).
  std::set<Verdict> shown = {Verdict::handover_full,    Verdict::transmit_full,   Verdict::bad_transport_checksum,
                             Verdict::too_many_buffers, Verdict::wrong_vlan,      Verdict::kernel_limited,
                             Verdict::reply_by_hash,    Verdict::refused_unknown, Verdict::segment,
                             Verdict::name_answered,    Verdict::name_forwarded,  Verdict::name_relayed,
                             Verdict::no_query,         Verdict::fault_dead,      Verdict::fault_lost,
                             Verdict::fault_throttled,  Verdict::refused_by_fault};
  for (const Ending& ending : endings()) {
    EXPECT_TRUE(shown.insert(ending.verdict).second) << l4::info(ending.verdict).name << " has two";
  }
  for (size_t i = 0; i < l4::kVerdicts; ++i) {
    EXPECT_TRUE(shown.contains(static_cast<Verdict>(i))) << l4::info(static_cast<Verdict>(i)).name << " has none";
  }
}

INSTANTIATE_TEST_SUITE_P(Verdicts, Endings, testing::Range(size_t{0}, endings().size()), [](const auto& tested) {
  return std::string(l4::info(endings()[tested.param].verdict).name);
});

}  // namespace
}  // namespace weft::test
