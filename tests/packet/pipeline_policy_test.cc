// SPDX-License-Identifier: Apache-2.0
/// @file What a service's owner may ask for at L4: affinity, source ranges, rates, limits; and what no service may take
/// from another.
#include "pipeline_fixture.h"

namespace weft::test {
namespace {

using lb::Protocol;

class Policies : public PipelineTest {
 protected:
  /// Five endpoints behind the web address.
  void publish(const lb::Policy& policy, uint32_t first_endpoint = 0) {
    std::vector<Backend> backends;
    for (uint32_t slot = first_endpoint; slot < 5; ++slot) {
      backends.push_back({{lb::address_from_host(0x0a020001 + slot), 8080}, slot});
    }
    std::vector<lb::Service> services = {make_service(kWeb, Protocol::udp, 0, backends),
                                         make_service(kDns, Protocol::udp, 1, {{kDnsEndpoint, 5}})};
    services[0].policy = policy;
    snapshot = make_snapshot(services, ++epoch_);
  }
  Verdict begin(const Socket& client, const Socket& to = kWeb) { return send(udp(client, to)).verdict; }
  /// Endpoints that have begun a flow since the last call.
  std::vector<uint32_t> chosen() {
    std::vector<uint32_t> slots;
    for (uint32_t slot = 0; slot < 5; ++slot) {
      const uint64_t flows = bed.counters().endpoint[slot].flows.get();
      if (flows != seen_[slot]) {
        slots.push_back(slot);
      }
      seen_[slot] = flows;
    }
    return slots;
  }
  static Socket client(uint32_t address, uint32_t port) {
    return {lb::address_from_host(0x0a010000 + address), static_cast<uint16_t>(1024 + port)};
  }

 private:
  uint64_t epoch_ = 1;
  std::array<uint64_t, 5> seen_ = {};
};

TEST_F(Policies, WithoutAffinityAClientsFlowsSpread) {
  publish({});
  for (uint32_t port = 0; port < 30; ++port) {
    begin(client(1, port));
  }
  EXPECT_EQ(chosen().size(), 5U);
}

TEST_F(Policies, WithAffinityAClientStaysAndClientsSpread) {
  publish({.affinity_s = 100});
  for (uint32_t port = 0; port < 10; ++port) {
    begin(client(1, port));
  }
  EXPECT_EQ(chosen().size(), 1U);
  for (uint32_t address = 1; address < 30; ++address) {
    begin(client(address, 50));
  }
  EXPECT_EQ(chosen().size(), 5U);
}

TEST_F(Policies, AffinityOutlivesAChangeThatWouldMoveTheClient) {
  publish({.affinity_s = 100}, 3);
  std::vector<uint32_t> homes;
  for (uint32_t address = 0; address < 20; ++address) {
    begin(client(address, 0));
    homes.push_back(chosen().at(0));
  }
  publish({.affinity_s = 100});
  uint32_t would_move = 0;
  for (uint32_t address = 0; address < 20; ++address) {
    begin(client(address, 1));
    EXPECT_EQ(chosen(), std::vector{homes[address]}) << address;
    const lb::FlowKey4 key = key_of(client(address, 1), kWeb, Protocol::udp);
    would_move += decide(*snapshot, lb::Tuple(key), hash_of(key, kSeed)).target->slot != homes[address] ? 1 : 0;
  }
  EXPECT_GT(would_move, 0U) << "else this showed nothing";
  wait(std::chrono::seconds(101));
  uint32_t moved = 0;
  for (uint32_t address = 0; address < 20; ++address) {
    begin(client(address, 2));
    moved += chosen() != std::vector{homes[address]} ? 1 : 0;
  }
  EXPECT_GT(moved, 0U) << "the timeout is over";
}

TEST_F(Policies, AffinityDoesNotHoldOnToAnEndpointThatIsGone) {
  publish({.affinity_s = 100});
  for (uint32_t address = 0; address < 10; ++address) {
    begin(client(address, 0));
  }
  chosen();
  publish({.affinity_s = 100}, 4);
  for (uint32_t address = 0; address < 10; ++address) {
    EXPECT_EQ(begin(client(address, 1)), Verdict::request);
  }
  EXPECT_EQ(chosen(), std::vector{4U});
}

TEST_F(Policies, SourceRangesAllowAndDeny) {
  const auto ranges = [](std::vector<lb::Prefix> allow, std::vector<lb::Prefix> deny) {
    return lb::Policy{
        .sources = std::make_shared<lb::SourceRanges>(lb::SourceRanges{lb::PrefixSet(allow), lb::PrefixSet(deny)})};
  };
  const lb::Prefix all = lb::parse_prefix("10.1.0.0/16").value();
  const lb::Prefix one = lb::parse_prefix("10.1.0.7").value();
  publish(ranges({all}, {}));
  EXPECT_EQ(begin("10.1.0.7:1"), Verdict::request);
  EXPECT_EQ(begin("10.3.0.7:1"), Verdict::not_permitted);
  publish(ranges({all}, {one}));
  EXPECT_EQ(begin("10.1.0.7:2"), Verdict::not_permitted);
  EXPECT_EQ(begin("10.1.0.8:2"), Verdict::request);
  publish(ranges({}, {one}));
  EXPECT_EQ(begin("10.3.0.7:3"), Verdict::request);
  EXPECT_EQ(begin("10.1.0.7:3"), Verdict::not_permitted);
  EXPECT_EQ(begin("10.1.0.7:1"), Verdict::request) << "a flow that there is goes on";
}

TEST_F(Policies, AServicesRateOfNewFlows) {
  publish({.new_flows = {.per_second = 10, .burst = 5}});
  for (uint32_t i = 0; i < 5; ++i) {
    EXPECT_EQ(begin(client(i, 0)), Verdict::request) << i;
  }
  EXPECT_EQ(begin(client(5, 0)), Verdict::over_service_rate);
  EXPECT_EQ(begin(client(0, 0)), Verdict::request) << "not a new one";
  EXPECT_EQ(begin(client(0, 0), kDns), Verdict::request) << "another service";
  wait(std::chrono::milliseconds(99));
  EXPECT_EQ(begin(client(6, 0)), Verdict::over_service_rate);
  wait(std::chrono::milliseconds(1));
  EXPECT_EQ(begin(client(6, 0)), Verdict::request);
  EXPECT_EQ(begin(client(7, 0)), Verdict::over_service_rate);
}

TEST_F(Policies, ASourcesRateOfNewFlows) {
  publish({.new_flows_by_source = {.per_second = 1, .burst = 2}});
  EXPECT_EQ(begin(client(1, 0)), Verdict::request);
  EXPECT_EQ(begin(client(1, 1)), Verdict::request);
  EXPECT_EQ(begin(client(1, 2)), Verdict::over_source_rate);
  EXPECT_EQ(begin(client(2, 0)), Verdict::request) << "another source";
  wait(std::chrono::seconds(1));
  EXPECT_EQ(begin(client(1, 2)), Verdict::request);
}

TEST_F(Policies, ALimitOfFlowsAtOneTime) {
  publish({.max_flows = 3});
  for (uint32_t i = 0; i < 3; ++i) {
    EXPECT_EQ(begin(client(i, 0)), Verdict::request);
  }
  const Sent refused = send(udp(client(3, 0), kWeb));
  EXPECT_EQ(refused.verdict, Verdict::refused_over_limit) << "and told so";
  EXPECT_EQ(bed.counters().service[kWebSlot].refused.get(), 1U);
  EXPECT_EQ(begin(client(3, 0), kDns), Verdict::request);
  wait(std::chrono::seconds(31));
  sweep_all();
  EXPECT_EQ(begin(client(3, 0)), Verdict::request);
}

TEST_F(PipelineTest, AConnectionThatBothEndsClosedCountsForNoLimit) {
  constexpr const char* kOther = "10.1.0.2:1024";
  std::vector<lb::Service> services = small_mesh();
  services[0].policy.max_flows = 1;
  snapshot = make_snapshot(services, 2);
  const auto closed = [&] { return bed.counters().service[kWebSlot].closed_flows.get(); };
  establish();
  EXPECT_EQ(send(tcp(kOther, kWeb).flags(kSyn)).verdict, Verdict::refused_over_limit);
  EXPECT_EQ(send(tcp(kClient, kWeb).flags(kFin | kAck)).verdict, Verdict::request);
  EXPECT_EQ(send(tcp(kOther, kWeb).flags(kSyn)).verdict, Verdict::refused_over_limit) << "half closed";
  EXPECT_EQ(send(tcp(kWebEndpoint, kClient).flags(kFin | kAck), kUplink).verdict, Verdict::reply);
  EXPECT_EQ(send(tcp(kClient, kWeb)).verdict, Verdict::request) << "its last acknowledgement";
  EXPECT_EQ(closed(), 1U);
  EXPECT_EQ(send(tcp(kOther, kWeb).flags(kSyn)).verdict, Verdict::request);
  EXPECT_EQ(bed.counters().service[kWebSlot].active_flows.get(), 2U);
  EXPECT_EQ(send(tcp(kClient, kWeb).flags(kSyn)).verdict, Verdict::refused_over_limit)
      << "another, in the closed one's place";
  EXPECT_EQ(closed(), 0U);
  wait(std::chrono::hours(3));
  sweep_all();
  EXPECT_EQ(bed.counters().service[kWebSlot].active_flows.get(), 0U);
  EXPECT_EQ(closed(), 0U);
  establish();
  send(tcp(kClient, kWeb).flags(kFin | kAck));
  send(tcp(kWebEndpoint, kClient).flags(kFin | kAck), kUplink);
  send(tcp(kClient, kWeb).flags(kRst));
  EXPECT_EQ(closed(), 0U) << "reset: that is another state";
  wait(std::chrono::minutes(5));
  sweep_all();
  EXPECT_EQ(closed(), 0U);
}

TEST_F(Policies, OneServicesFloodLeavesTheOthersTheirShare) {
  publish({});
  uint32_t flooded = 0;
  for (uint32_t i = 0; i < 1000; ++i) {
    flooded += begin(client(i % 200, i)) == Verdict::request ? 1 : 0;
  }
  EXPECT_EQ(flooded, 48U) << "of 64 flows, a quarter is the other service's";
  for (uint32_t i = 0; i < 16; ++i) {
    EXPECT_EQ(begin(client(i, 0), kDns), Verdict::request) << i;
  }
  EXPECT_EQ(begin(client(16, 0), kDns), Verdict::table_full);
  wait(std::chrono::seconds(31));
  sweep_all();
  EXPECT_EQ(begin(client(16, 0), kDns), Verdict::request) << "it recovers";
}

TEST(Overload, TunnelsGoOnWithoutFlowsAndNatRefuses) {
  PipelineBed bed(
      {.new_flows = {.per_second = 100, .burst = 10}, .tunnel_sources = {lb::parse_prefix("10.8.0.1").value()}});
  std::vector<lb::Service> services = {make_service("10.96.0.1:80", Protocol::udp, 0, {{"10.2.0.1:80", 0}}),
                                       make_service("10.96.0.2:80", Protocol::udp, 1, {{"10.2.0.1:80", 1}})};
  services[1].policy.mode = lb::Mode::dsr;
  const auto snapshot = make_snapshot(services);
  time::Time now = std::chrono::seconds(1000);
  const auto send = [&](const Socket& vip, uint16_t port) {
    const Bytes frame = udp({lb::address_from_host(0x0a010001), port}, vip).bytes();
    return bed.process({&frame, 1}, kPods, *snapshot, now, 128).front().verdict;
  };
  for (uint16_t port = 1; port <= 10; ++port) {
    EXPECT_EQ(send("10.96.0.1:80", port), Verdict::request);
  }
  EXPECT_EQ(send("10.96.0.1:80", 11), Verdict::overload);
  EXPECT_EQ(send("10.96.0.2:80", 11), Verdict::tunneled_by_hash);
  EXPECT_EQ(bed.pipeline().active_flows(), 10U);
  EXPECT_EQ(send("10.96.0.1:80", 1), Verdict::request) << "established flows do not notice";
  now += std::chrono::milliseconds(10);
  EXPECT_EQ(send("10.96.0.1:80", 11), Verdict::request);
  EXPECT_EQ(bed.imbalance(), "");
}

/// What one service's flood fills, and makes the sweep hurry with, is not the other's.
TEST(Overload, AFloodOfOneServiceDoesNotShortenTheOthersMemory) {
  PipelineBed bed({.flows = 64});
  const auto snapshot = make_snapshot({make_service("10.96.0.1:80", Protocol::udp, 0, {{"10.2.0.1:80", 0}}),
                                       make_service("10.96.0.2:80", Protocol::udp, 1, {{"10.2.0.1:80", 1}})});
  time::Time now = std::chrono::seconds(1000);
  const auto send = [&](const char* vip, uint16_t port) {
    const Bytes frame = udp({lb::address_from_host(0x0a010001), port}, vip).bytes();
    return bed.process({&frame, 1}, kPods, *snapshot, now, 0).front().verdict;
  };
  for (uint16_t port = 1; port <= 5; ++port) {
    ASSERT_EQ(send("10.96.0.1:80", port), Verdict::request);
  }
  for (uint16_t port = 1; port <= 35; ++port) {
    send("10.96.0.2:80", static_cast<uint16_t>(100 + port));
  }
  ASSERT_GE(bed.flows().size(), 32U);
  now += std::chrono::milliseconds(1500);
  bed.sweep(64, now);
  EXPECT_EQ(bed.counters().service[0].active_flows.get(), 5U);
  EXPECT_LT(bed.counters().service[1].active_flows.get(), 32U);
  EXPECT_EQ(bed.imbalance(), "");
}

TEST(OwnPorts, RunDryAreCountedAndRecover) {
  PipelineBed bed({.flows = 1 << 17, .timeouts = {}, .own_addresses = {lb::parse_address("10.9.0.1").value()}});
  std::vector<lb::Service> services = {make_service("10.96.0.1:80", Protocol::udp, 0, {{"10.2.0.1:80", 0}})};
  services[0].policy.mode = lb::Mode::fullnat;
  const auto snapshot = make_snapshot(services);
  time::Time now = std::chrono::seconds(1000);
  const auto send = [&](uint32_t number) {
    const Socket client(lb::address_from_host(0x0a010001 + number / 50000), static_cast<uint16_t>(1 + number % 50000));
    const Bytes frame = udp(client, "10.96.0.1:80").bytes();
    return bed.process({&frame, 1}, kPods, *snapshot, now, 0).front().verdict;
  };
  for (uint32_t number = 0; number < l4::OwnPorts::kPorts; ++number) {
    ASSERT_EQ(send(number), Verdict::request) << number;
  }
  EXPECT_EQ(send(l4::OwnPorts::kPorts), Verdict::own_ports_dry);
  EXPECT_EQ(bed.pipeline().own_ports().used(0), l4::OwnPorts::kPorts);
  now += std::chrono::seconds(31);
  bed.sweep(1 << 17, now);
  EXPECT_EQ(bed.pipeline().own_ports().used(0), 0U);
  EXPECT_EQ(send(l4::OwnPorts::kPorts), Verdict::request);
  EXPECT_EQ(bed.imbalance(), "");
}

TEST(OwnPorts, ServeAPodThatIsItsOwnEndpointAndAClientWithOnePortForTwoAddresses) {
  PipelineBed bed({.own_addresses = {lb::parse_address("10.9.0.1").value()}});
  const auto snapshot = make_snapshot(small_mesh());
  const time::Time now = std::chrono::seconds(1000);
  const auto send = [&](const PacketBuilder& builder, uint8_t ingress) {
    const Bytes frame = builder.bytes();
    return bed.process({&frame, 1}, ingress, *snapshot, now, 0).front();
  };
  const PipelineBed::Sent hairpin = send(udp(kClient, kMirror), kPods);
  ASSERT_EQ(hairpin.verdict, Verdict::request);
  packet::Parsed parsed;
  packet::parse(hairpin.bytes, parsed);
  EXPECT_EQ(lb::to_string(parsed.key4.source), "10.9.0.1");
  EXPECT_EQ(lb::to_string(parsed.key4.destination), "10.1.0.1");
  const PipelineBed::Sent back =
      send(udp("10.1.0.1:8080", {parsed.key4.source, to_host(parsed.key4.source_port)}), kPods);
  EXPECT_EQ(back.verdict, Verdict::reply);
  EXPECT_EQ(hex(back.bytes), hex(udp(kMirror, kClient).ttl(63).addresses(kPodsAddresses).bytes()));

  EXPECT_EQ(send(tcp(kClient, kWeb).flags(kSyn), kPods).verdict, Verdict::request);
  EXPECT_EQ(send(tcp(kClient, kWebAgain).flags(kSyn), kPods).verdict, Verdict::request) << "by another source";
  EXPECT_EQ(bed.count(Verdict::tuple_conflict), 0U);
  EXPECT_EQ(bed.imbalance(), "");
}

/// Its port was picked for the old way: by the new one, replies come to another worker, who has to know.
TEST(OwnPorts, AFlowWhoseRouteMovesToAnotherKindOfPortIsSteered) {
  const auto hash = [](const lb::Address&, lb::Port port, Protocol) -> uint32_t { return to_host(port) >> 1; };
  const auto forwarding = [&](bool moved) {
    constexpr uint8_t kOther = 2;
    l4::NextHop retired = {.addresses = kUplinkAddresses, .mtu = kMtu, .port = kUplink};
    if (moved) {
      retired.mtu = 0;
    }
    return l4::Forwarding({{.landing = l4::Landing::by_client(2, hash), .default_hop = 0, .others_hop = 0},
                           {.landing = l4::Landing::by_client(2, hash), .default_hop = 1, .others_hop = 1},
                           {.landing = l4::Landing::at(1, 2, hash), .default_hop = 2, .others_hop = 2}},
                          {{.addresses = kPodsAddresses, .mtu = kMtu, .port = kPods},
                           retired,
                           {.addresses = kUplinkAddresses, .mtu = kMtu, .port = kOther}},
                          {{.prefix = lb::parse_prefix("10.2.0.0/16").value(), .hop = moved ? 2U : 1U}}, {},
                          moved ? 2U : 1U, moved);
  };
  PipelineBed bed({.workers = 2, .own_addresses = {lb::parse_address("10.9.0.1").value()}}, forwarding(false));
  std::vector<lb::Service> services = {make_service(kWeb, Protocol::udp, 0, {{kWebEndpoint, 0}})};
  services[0].policy.mode = lb::Mode::fullnat;
  const auto snapshot = make_snapshot(services);
  time::Time now = std::chrono::seconds(1000);
  const auto send = [&](uint16_t port) {
    const Bytes frame = udp({lb::address_from_host(0x0a010001), port}, kWeb).bytes();
    return bed.process({&frame, 1}, kPods, *snapshot, now, 0).front();
  };
  const auto notes = [&] { return bed.pipeline().outbox().notes(1); };
  uint32_t odd = 0;
  for (uint16_t port = 1; port <= 16; ++port) {
    const PipelineBed::Sent sent = send(port);
    ASSERT_EQ(sent.verdict, Verdict::request);
    odd += std::to_integer<uint32_t>(sent.bytes[35]) & 1;
  }
  ASSERT_GT(odd, 0U);
  ASSERT_TRUE(notes().empty()) << "replies come home";
  bed.set_forwarding(forwarding(true));
  for (uint16_t port = 1; port <= 16; ++port) {
    EXPECT_EQ(send(port).verdict, Verdict::request);
  }
  ASSERT_EQ(notes().size(), odd);
  EXPECT_EQ(notes()[0].what, l4::Note::What::steer);
  bed.pipeline().outbox().clear(1);
  now += std::chrono::minutes(10);
  bed.sweep(64, now);
  ASSERT_EQ(notes().size(), odd);
  EXPECT_EQ(notes()[0].what, l4::Note::What::steer_no_more);
}

TEST(OwnPorts, AConnectionWhosePortIsLostIsResetAndDoesNotTakeAnother) {
  PipelineBed bed({.own_addresses = {lb::parse_address("10.9.0.1").value()}});
  std::vector<lb::Service> services = {make_service(kWeb, Protocol::tcp, 0, {{kWebEndpoint, 0}})};
  services[0].policy.mode = lb::Mode::fullnat;
  const auto snapshot = make_snapshot(services);
  const auto send = [&](uint8_t flags) {
    const Bytes frame = tcp(kClient, kWeb).flags(flags).bytes();
    return bed.process({&frame, 1}, kPods, *snapshot, std::chrono::seconds(1000), 0).front();
  };
  const PipelineBed::Sent reset = send(kAck);
  EXPECT_EQ(reset.verdict, Verdict::refused_unknown);
  EXPECT_EQ(reset.egress, kPods);
  packet::Parsed parsed;
  packet::parse(reset.bytes, parsed);
  EXPECT_EQ(parsed.tcp_flags & kRst, kRst);
  EXPECT_EQ(bed.pipeline().own_ports().used(0), 0U);
  EXPECT_EQ(bed.flows().size(), 0U);
  EXPECT_EQ(send(kSyn).verdict, Verdict::request);
  EXPECT_EQ(bed.imbalance(), "");
}

}  // namespace
}  // namespace weft::test
