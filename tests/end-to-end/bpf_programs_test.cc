// SPDX-License-Identifier: Apache-2.0
/// @file What pods send, and what workers send to them: every way out of from_pod and to_pod but tunnels'.
#include <set>

#include "bpf_bed.h"

namespace weft::bpf {
namespace {

constexpr uint8_t kHopByHop = 0;
constexpr uint8_t kRouting = 43;
constexpr uint8_t kFragment = 44;
constexpr uint8_t kAuthentication = 51;
constexpr uint8_t kOptions = 60;

class Pods : public BothFamilies {};
INSTANTIATE_TEST_SUITE_P(Families, Pods, ::testing::Values(kIpv4Addresses, kIpv6Addresses),
                         [](const auto& test) { return test.param.icmp == kIcmp ? "IPv4" : "IPv6"; });

TEST_P(Pods, FromPodRedirectsTheMeshAndPassesTheRest) {
  const Packet request{.from = a_.pod, .to = a_.vip};
  const auto with = [](Packet packet, auto edit) {
    edit(packet);
    return packet;
  };
  const Packet reply{.from = a_.pod, .to = a_.client, .from_port = 8080};
  expect(
      Program::from_pod,
      {{"UDP to a VIP", request, TC_ACT_REDIRECT, WEFT_FROM_POD_REDIRECTED_REQUEST},
       {"TCP to a VIP", with(request, [](Packet& p) { p.protocol = kTcp; }), TC_ACT_REDIRECT,
        WEFT_FROM_POD_REDIRECTED_REQUEST},
       {"ping of a VIP", with(request, [&](Packet& p) { p.protocol = a_.icmp, p.icmp_type = a_.echo; }),
        TC_ACT_REDIRECT, WEFT_FROM_POD_REDIRECTED_REQUEST},
       {"an unknown protocol to a VIP", with(request, [](Packet& p) { p.protocol = kSctp; }), TC_ACT_REDIRECT,
        WEFT_FROM_POD_REDIRECTED_REQUEST},
       {"ICMP error to a VIP", with(request, [&](Packet& p) { p.protocol = a_.icmp, p.icmp_type = 3; }),
        TC_ACT_REDIRECT, WEFT_FROM_POD_REDIRECTED_ERROR},
       {"from an endpoint to a VIP", with(request, [](Packet& p) { p.from_port = 8080; }), TC_ACT_REDIRECT,
        WEFT_FROM_POD_REDIRECTED_REQUEST},
       {"UDP reply", reply, TC_ACT_REDIRECT, WEFT_FROM_POD_REDIRECTED_REPLY},
       {"TCP reply", with(reply, [](Packet& p) { p.protocol = kTcp; }), TC_ACT_REDIRECT,
        WEFT_FROM_POD_REDIRECTED_REPLY},
       {"an endpoint's ICMP error", with(reply, [&](Packet& p) { p.protocol = a_.icmp, p.icmp_type = 4; }),
        TC_ACT_REDIRECT, WEFT_FROM_POD_REDIRECTED_ERROR},
       {"an endpoint's echo reply", with(reply, [&](Packet& p) { p.protocol = a_.icmp, p.icmp_type = 129; }), kPass,
        WEFT_FROM_POD_PASSED},
       {"another port", with(reply, [](Packet& p) { p.from_port = 8081; }), kPass, WEFT_FROM_POD_PASSED},
       {"another protocol", with(reply, [](Packet& p) { p.protocol = kSctp; }), kPass, WEFT_FROM_POD_PASSED},
       {"from an address of nobody", with(reply, [&](Packet& p) { p.from = a_.nobody; }), kPass, WEFT_FROM_POD_PASSED},
       {"nobody's ICMP error",
        with(reply, [&](Packet& p) { p.from = a_.nobody, p.protocol = a_.icmp, p.icmp_type = 3; }), kPass,
        WEFT_FROM_POD_PASSED},
       {"a direct endpoint's answer", with(reply, [&](Packet& p) { p.from = a_.direct; }), kPass,
        WEFT_FROM_POD_PASSED_DIRECT},
       {"a direct endpoint's ICMP error",
        with(reply, [&](Packet& p) { p.from = a_.direct, p.protocol = a_.icmp, p.icmp_type = 3; }), kPass,
        WEFT_FROM_POD_PASSED_DIRECT},
       {"ARP", with(request, [](Packet& p) { p.type = 0x0806; }), kPass, WEFT_FROM_POD_PASSED_NOT_IP},
       {"VLAN", with(request, [](Packet& p) { p.type = 0x8100; }), kPass, WEFT_FROM_POD_PASSED_NOT_IP}});
}

TEST_P(Pods, FromPodDropsSpoofedMeshTraffic) {
  expect(Program::from_pod,
         {{"an address of nobody", {.from = a_.nobody, .to = a_.vip}, TC_ACT_SHOT, WEFT_FROM_POD_DROPPED_SPOOFED},
          {"another pod's", {.from = a_.other, .to = a_.vip}, TC_ACT_SHOT, WEFT_FROM_POD_DROPPED_SPOOFED},
          {"another pod's, ping",
           {.from = a_.other, .to = a_.vip, .protocol = a_.icmp, .icmp_type = a_.echo},
           TC_ACT_SHOT,
           WEFT_FROM_POD_DROPPED_SPOOFED},
          {"a VIP's", {.from = a_.vip, .to = a_.direct}, TC_ACT_SHOT, WEFT_FROM_POD_DROPPED_SPOOFED},
          {"a request from a VIP that it may answer from",
           {.from = a_.direct, .to = a_.vip},
           TC_ACT_SHOT,
           WEFT_FROM_POD_DROPPED_SPOOFED},
          {"an answer from a VIP that it does not serve",
           {.from = a_.vip, .to = a_.client, .from_port = 80},
           TC_ACT_SHOT,
           WEFT_FROM_POD_DROPPED_SPOOFED},
          {"a reply of another pod's endpoint",
           {.from = a_.other, .to = a_.client, .from_port = 8080},
           TC_ACT_SHOT,
           WEFT_FROM_POD_DROPPED_SPOOFED},
          {"an ICMP error of another pod's endpoint",
           {.from = a_.other, .to = a_.client, .protocol = a_.icmp, .icmp_type = 3},
           TC_ACT_SHOT,
           WEFT_FROM_POD_DROPPED_SPOOFED}});
}

TEST_P(Pods, FromPodDropsWhatHasNoWorker) {
  leave_only(1);
  expect(Program::from_pod,
         {{"request", {.from = a_.pod, .to = a_.vip}, TC_ACT_SHOT, WEFT_FROM_POD_DROPPED_NO_WORKER},
          {"reply", {.from = a_.pod, .to = a_.client, .from_port = 8080}, TC_ACT_SHOT, WEFT_FROM_POD_DROPPED_NO_WORKER},
          {"not of the mesh", {.from = a_.pod, .to = a_.client}, kPass, WEFT_FROM_POD_PASSED}});
}

TEST_P(Pods, FromPodPassesAllWhileTheMeshIsOff) {
  set_workers(0);
  expect(Program::from_pod,
         {{"request", {.from = a_.pod, .to = a_.vip}, kPass, WEFT_FROM_POD_PASSED_OFF},
          {"malformed", {.from = a_.pod, .to = a_.vip, .version = 5}, kPass, WEFT_FROM_POD_PASSED_OFF}});
}

TEST_P(Pods, FromPodDropsWhatTheWorkersInterfacesWould) {
  Packet packet{.from = a_.pod, .to = a_.vip};
  const size_t headers = packet_of(packet).size() - packet.payload.size();
  packet.payload.resize(1500 - headers);
  expect(Program::from_pod, {{"just fits", packet, TC_ACT_REDIRECT, WEFT_FROM_POD_REDIRECTED_REQUEST}});
  packet.payload.resize(1501 - headers);
  expect(Program::from_pod, {{"too long", packet, TC_ACT_SHOT, WEFT_FROM_POD_DROPPED_TOO_LONG}});
  packet.payload.resize(3000);
  const Frame large = frame_of(packet);
  const auto segment = static_cast<uint32_t>(1500 - headers);
  expect(run(Program::from_pod, large, segment), TC_ACT_REDIRECT, WEFT_FROM_POD_REDIRECTED_REQUEST, large);
  expect(run(Program::from_pod, large, segment + 1), TC_ACT_SHOT, WEFT_FROM_POD_DROPPED_TOO_LONG, large);
}

TEST_P(Pods, BothDirectionsOfAFlowReachTheWorkerOfItsClient) {
  constexpr uint32_t kWorkers = 5;
  ASSERT_TRUE(loader_->set_settings({.workers = kWorkers, .mtu = 1500}));
  // The pod of the fixture as client of requests, and other clients of its endpoint in replies.
  for (uint32_t worker = 0; worker < kWorkers; ++worker) {
    leave_only(worker);
    for (uint16_t port = 40000; port < 40100; ++port) {
      for (const uint8_t protocol : {kTcp, kUdp}) {
        const uint32_t owner = weft_worker_of(weft_client_hash(ip(a_.pod), be(port), protocol), kWorkers);
        const uint32_t verdict = owner == worker ? TC_ACT_REDIRECT : TC_ACT_SHOT;
        const Packet request{.from = a_.pod, .to = a_.vip, .from_port = port, .protocol = protocol};
        const Packet reply{.from = a_.pod, .to = a_.pod, .from_port = 8080, .to_port = port, .protocol = protocol};
        Packet with_options = request;
        with_options.header_words = 9;
        with_options.extensions = {kHopByHop, kOptions};
        ASSERT_EQ(run(Program::from_pod, frame_of(request)).verdict, verdict) << port;
        ASSERT_EQ(run(Program::from_pod, frame_of(with_options)).verdict, verdict) << port;
        ASSERT_EQ(run(Program::from_pod, frame_of(reply)).verdict, verdict) << port;
        if (owner == worker) {
          ASSERT_EQ(run(Program::from_nic, frame_of(request)).verdict, verdict) << port;
          ASSERT_EQ(run(Program::from_nic, frame_of(reply)).verdict, verdict) << port;
        }
      }
    }
  }
}

TEST_P(Pods, PacketsWithoutPortsReachTheWorkerOfTheClientsAddress) {
  constexpr uint32_t kWorkers = 7;
  ASSERT_TRUE(loader_->set_settings({.workers = kWorkers, .mtu = 1500}));
  const bool is_ipv6 = a_.icmp == kIcmpv6;
  const std::vector<uint8_t> fragmented = is_ipv6 ? std::vector<uint8_t>{kFragment} : std::vector<uint8_t>{};
  for (const char* client : {a_.pod, a_.client}) {
    // The pod as a client of the VIP, and then as an endpoint of a client.
    const bool is_request = client == a_.pod;
    const uint32_t owner = weft_worker_of(weft_address_hash(ip(client)), kWorkers);
    for (uint32_t worker = 0; worker < kWorkers; ++worker) {
      leave_only(worker);
      const uint32_t verdict = owner == worker ? TC_ACT_REDIRECT : TC_ACT_SHOT;
      const char* to = is_request ? a_.vip : a_.client;
      for (uint16_t port = 8080; port < 8090; ++port) {
        const Packet first{.from = a_.pod,
                           .to = to,
                           .from_port = port,
                           .fragment = static_cast<uint16_t>(is_ipv6 ? 1 : 0x2000),
                           .extensions = fragmented};
        const Packet later{.from = a_.pod, .to = to, .from_port = port, .fragment = 0x00b8, .extensions = fragmented};
        const Packet error{.from = a_.pod, .to = to, .protocol = a_.icmp, .icmp_type = 3};
        for (const Packet& packet : {first, later, error}) {
          ASSERT_EQ(run(Program::from_pod, frame_of(packet)).verdict, verdict) << "worker " << worker;
        }
      }
      const Packet ping{.from = a_.pod, .to = a_.vip, .protocol = a_.icmp, .icmp_type = a_.echo};
      const Packet other{.from = a_.pod, .to = a_.vip, .protocol = 47};
      if (is_request) {
        ASSERT_EQ(run(Program::from_pod, frame_of(ping)).verdict, verdict);
        ASSERT_EQ(run(Program::from_pod, frame_of(other)).verdict, verdict);
      }
    }
  }
}

TEST_P(Pods, ToPodWritesThePodsAddressesAndNothingElse) {
  for (const Packet& packet :
       {Packet{.from = a_.vip, .to = a_.pod},
        Packet{.from = a_.vip, .to = a_.pod, .fragment = 3, .extensions = {kOptions}, .header_words = 15},
        Packet{.from = a_.client, .to = a_.pod, .protocol = a_.icmp, .icmp_type = 3}}) {
    const Frame in = frame_of(packet);
    Frame expected = in;
    std::copy(std::begin(kPod.mac), std::end(kPod.mac), expected.begin());
    std::copy(std::begin(kPod.host_mac), std::end(kPod.host_mac), expected.begin() + 6);
    expect(run(Program::to_pod, in), TC_ACT_REDIRECT, WEFT_TO_POD_REDIRECTED, expected);
  }
}

TEST_P(Pods, ToPodPassesWhatIsNotForALocalPod) {
  expect(Program::to_pod,
         {{"another address", {.from = a_.vip, .to = a_.other}, kPass, WEFT_TO_POD_PASSED},
          {"ARP", {.from = a_.vip, .to = a_.pod, .type = 0x0806}, kPass, WEFT_TO_POD_PASSED_NOT_IP},
          {"version 5", {.from = a_.vip, .to = a_.pod, .version = 5}, TC_ACT_SHOT, WEFT_TO_POD_DROPPED_MALFORMED}});
}

TEST_F(Programs, FromPodTakesIpv4WithItsOptionsAndFragments) {
  constexpr size_t kPorts = 14 + 20;
  expect(
      Program::from_pod,
      {{"options", {.header_words = 15}, TC_ACT_REDIRECT, WEFT_FROM_POD_REDIRECTED_REQUEST},
       {"don't fragment", {.fragment = 0x4000}, TC_ACT_REDIRECT, WEFT_FROM_POD_REDIRECTED_REQUEST},
       {"a fragment to a VIP", {.fragment = 0x2000}, TC_ACT_REDIRECT, WEFT_FROM_POD_REDIRECTED_FRAGMENT},
       {"a later fragment to a VIP", {.fragment = 0x00b9}, TC_ACT_REDIRECT, WEFT_FROM_POD_REDIRECTED_FRAGMENT},
       {"an endpoint's fragment",
        {.to = "10.1.9.9", .fragment = 0x2000},
        TC_ACT_REDIRECT,
        WEFT_FROM_POD_REDIRECTED_FRAGMENT},
       {"nobody's fragment", {.from = "10.1.0.7", .to = "10.1.9.9", .fragment = 1}, kPass, WEFT_FROM_POD_PASSED},
       {"a spoofed fragment", {.from = "10.1.0.3", .fragment = 1}, TC_ACT_SHOT, WEFT_FROM_POD_DROPPED_SPOOFED},
       {"a fragment of ICMP is no error",
        {.to = "10.1.9.9", .protocol = kIcmp, .icmp_type = 3, .fragment = 1},
        TC_ACT_REDIRECT,
        WEFT_FROM_POD_REDIRECTED_FRAGMENT},
       {"reply with options",
        {.to = "10.1.9.9", .from_port = 8080, .header_words = 7},
        TC_ACT_REDIRECT,
        WEFT_FROM_POD_REDIRECTED_REPLY},
       {"no ports", {.cut = kPorts}, TC_ACT_SHOT, WEFT_FROM_POD_DROPPED_MALFORMED},
       {"half of the ports", {.cut = kPorts + 3}, TC_ACT_SHOT, WEFT_FROM_POD_DROPPED_MALFORMED},
       {"just the ports", {.cut = kPorts + 4}, TC_ACT_REDIRECT, WEFT_FROM_POD_REDIRECTED_REQUEST},
       {"options without ports behind",
        {.header_words = 6, .cut = kPorts + 4},
        TC_ACT_SHOT,
        WEFT_FROM_POD_DROPPED_MALFORMED},
       {"ping needs no ports", {.protocol = kIcmp, .cut = kPorts}, TC_ACT_REDIRECT, WEFT_FROM_POD_REDIRECTED_REQUEST},
       {"version 6 in an IPv4 frame", {.version = 6}, TC_ACT_SHOT, WEFT_FROM_POD_DROPPED_MALFORMED},
       {"a header of 16 bytes", {.header_words = 4}, TC_ACT_SHOT, WEFT_FROM_POD_DROPPED_MALFORMED},
       {"no ports, but not of the mesh", {.to = "10.1.9.9", .cut = kPorts}, kPass, WEFT_FROM_POD_PASSED}});
  for (const uint8_t type : {3, 4, 11, 12}) {
    expect(Program::from_pod, {{"error",
                                {.to = "10.1.9.9", .protocol = kIcmp, .icmp_type = type},
                                TC_ACT_REDIRECT,
                                WEFT_FROM_POD_REDIRECTED_ERROR}});
  }
  for (const uint8_t type : {0, 5, 8, 9, 10, 13}) {
    expect(Program::from_pod,
           {{"no error", {.to = "10.1.9.9", .protocol = kIcmp, .icmp_type = type}, kPass, WEFT_FROM_POD_PASSED}});
  }
}

TEST_F(Programs, FromPodWalksIpv6ExtensionHeaders) {
  const Packet request{.from = "fd00:1::2", .to = "fd00:96::1"};
  const auto of = [](Packet packet, std::vector<uint8_t> extensions, uint16_t fragment = 0, size_t cut = SIZE_MAX) {
    packet.extensions = std::move(extensions);
    packet.fragment = fragment;
    packet.cut = cut;
    return packet;
  };
  const Packet reply{.from = "fd00:1::2", .to = "fd00:1::9:9", .from_port = 8080};
  const Packet nobody{.from = "fd00:1::7", .to = "fd00:1::9:9"};
  constexpr size_t kRest = 14 + 40;
  expect(Program::from_pod,
         {{"all of them", of(reply, {kHopByHop, kOptions, kRouting, kFragment, kOptions}), TC_ACT_REDIRECT,
           WEFT_FROM_POD_REDIRECTED_REPLY},
          {"as many as are walked", of(reply, std::vector<uint8_t>(8, kOptions)), TC_ACT_REDIRECT,
           WEFT_FROM_POD_REDIRECTED_REPLY},
          {"one more is another protocol", of(reply, std::vector<uint8_t>(9, kOptions)), kPass, WEFT_FROM_POD_PASSED},
          {"one more to a VIP", of(request, std::vector<uint8_t>(9, kOptions)), TC_ACT_REDIRECT,
           WEFT_FROM_POD_REDIRECTED_REQUEST},
          {"authentication is another protocol", of(reply, {kAuthentication}), kPass, WEFT_FROM_POD_PASSED},
          {"a first fragment", of(request, {kFragment}, 1), TC_ACT_REDIRECT, WEFT_FROM_POD_REDIRECTED_FRAGMENT},
          {"a later fragment", of(request, {kHopByHop, kFragment}, 0xb8), TC_ACT_REDIRECT,
           WEFT_FROM_POD_REDIRECTED_FRAGMENT},
          {"an endpoint's fragment", of(reply, {kFragment}, 1), TC_ACT_REDIRECT, WEFT_FROM_POD_REDIRECTED_FRAGMENT},
          {"nobody's fragment", of(nobody, {kFragment}, 1), kPass, WEFT_FROM_POD_PASSED},
          {"ends before an extension", of(request, {kOptions}, 0, kRest), TC_ACT_SHOT, WEFT_FROM_POD_DROPPED_MALFORMED},
          {"ends within an extension", of(request, {kOptions}, 0, kRest + 1), TC_ACT_SHOT,
           WEFT_FROM_POD_DROPPED_MALFORMED},
          {"ends within a fragment header", of(request, {kFragment}, 0, kRest + 3), TC_ACT_SHOT,
           WEFT_FROM_POD_DROPPED_MALFORMED},
          {"ends behind an extension", of(request, {kHopByHop}, 0, kRest + 24), TC_ACT_SHOT,
           WEFT_FROM_POD_DROPPED_MALFORMED},
          {"an extension that says more than is there", of(request, {kHopByHop}, 0, kRest + 8), TC_ACT_SHOT,
           WEFT_FROM_POD_DROPPED_MALFORMED},
          {"cut short, but not of the mesh", of(reply, {kOptions}, 0, kRest + 1), kPass, WEFT_FROM_POD_PASSED},
          {"just the ports", of(request, {}, 0, kRest + 4), TC_ACT_REDIRECT, WEFT_FROM_POD_REDIRECTED_REQUEST}});
  for (const uint8_t type : {1, 2, 3, 4}) {
    expect(Program::from_pod, {{"error",
                                {.from = "fd00:1::2", .to = "fd00:1::9:9", .protocol = kIcmpv6, .icmp_type = type},
                                TC_ACT_REDIRECT,
                                WEFT_FROM_POD_REDIRECTED_ERROR}});
  }
}

TEST_F(Programs, WhatStaysOnTheLinkIsTheKernels) {
  for (const uint8_t type : {133, 134, 135, 136, 137}) {
    const Packet discovery{.from = "fd00:1::2", .to = "fd00:96::1", .protocol = kIcmpv6, .icmp_type = type};
    const Packet from_worker{.from = "fd00:96::1", .to = "fd00:1::2", .protocol = kIcmpv6, .icmp_type = type};
    expect(Program::from_pod, {{"discovery", discovery, kPass, WEFT_FROM_POD_PASSED_LINK}});
    expect(Program::from_nic, {{"discovery", discovery, kPass, WEFT_FROM_NIC_PASSED_LINK}});
    expect(Program::from_host, {{"discovery", discovery, TC_ACT_SHOT, WEFT_FROM_HOST_DROPPED_NOT_MESH}});
    expect(Program::to_pod, {{"discovery", from_worker, kPass, WEFT_TO_POD_PASSED_LINK}});
  }
  expect(Program::from_pod,
         {{"multicast", {.from = "fd00:1::2", .to = "ff02::fb"}, kPass, WEFT_FROM_POD_PASSED_LINK},
          {"from link-local", {.from = "fe80::2", .to = "fd00:96::1"}, kPass, WEFT_FROM_POD_PASSED_LINK},
          {"to link-local", {.from = "fd00:1::2", .to = "febf::1"}, kPass, WEFT_FROM_POD_PASSED_LINK},
          {"beside link-local", {.from = "fec0::2", .to = "fd00:96::1"}, TC_ACT_SHOT, WEFT_FROM_POD_DROPPED_SPOOFED}});
}

TEST_F(Programs, Ipv4MappedAddressesOnTheWireAreNoIpv4Addresses) {
  Packet to{.from = "fd00:1::2", .to = "::ffff:10.96.0.1"};
  Packet from{.from = "::ffff:10.1.0.2", .to = "fd00:96::1"};
  expect(Program::from_pod, {{"to a VIP's", to, TC_ACT_SHOT, WEFT_FROM_POD_DROPPED_MALFORMED},
                             {"from the pod's", from, TC_ACT_SHOT, WEFT_FROM_POD_DROPPED_MALFORMED}});
}

TEST_F(Programs, ARestartFindsTheMapsAsTheyWere) {
  EXPECT_FALSE(loader_->took_over());
  run(Program::from_pod, frame_of({}));
  const Counters before = loader_->counters().value();
  loader_.reset();
  auto again = Loader::load(kPins);
  ASSERT_TRUE(again) << again.error();
  loader_ = std::move(*again);
  EXPECT_TRUE(loader_->took_over());
  EXPECT_EQ(loader_->counters().value(), before);
  EXPECT_EQ(before[WEFT_FROM_POD_REDIRECTED_REQUEST], 1U);
  expect(Program::from_pod, {{"the new program", {}, TC_ACT_REDIRECT, WEFT_FROM_POD_REDIRECTED_REQUEST}});
}

TEST(Counters, HaveNamesOfTheirOwn) {
  std::set<std::string_view> names;
  for (uint32_t counter = 0; counter < WEFT_COUNTERS; ++counter) {
    names.insert(to_string(static_cast<weft_counter>(counter)));
  }
  EXPECT_EQ(names.size(), size_t{WEFT_COUNTERS});
  EXPECT_FALSE(names.contains("unknown"));
}

// Pins the hash: a change here would part the two directions of flows that live over an upgrade.
TEST(ClientHash, IsTheSameInEveryRelease) {
  EXPECT_EQ(weft_client_hash(ip("10.1.0.2"), be(40000), kTcp), 471808523U);
  EXPECT_EQ(weft_client_hash(ip("fd00:1::2"), be(40000), kTcp), 1368927395U);
  EXPECT_EQ(weft_address_hash(ip("10.1.0.2")), 2533048494U);
}

TEST(ClientHash, SpreadsPortsAndAddressesOverWorkers) {
  for (const uint32_t workers : {2U, 3U, 8U, 16U}) {
    for (const char* base : {"10.1.0.0", "fd00:1::"}) {
      std::vector<uint32_t> by_port(workers);
      std::vector<uint32_t> by_address(workers);
      std::vector<uint32_t> by_network(workers);
      for (uint16_t i = 0; i < 16000; ++i) {
        weft_address address = ip(base);
        ++by_port[weft_worker_of(weft_client_hash(address, be(static_cast<uint16_t>(32768 + i)), kTcp), workers)];
        address.words[3] += uint32_t{be(i)} << 16;
        ++by_address[weft_worker_of(weft_client_hash(address, be(40000), kUdp), workers)];
        address = ip("fd00:1::");
        address.words[1] += uint32_t{be(i)};
        ++by_network[weft_worker_of(weft_client_hash(address, be(40000), kUdp), workers)];
      }
      for (uint32_t worker = 0; worker < workers; ++worker) {
        EXPECT_NEAR(by_port[worker], 16000.0 / workers, 16000.0 / workers * 0.12);
        EXPECT_NEAR(by_address[worker], 16000.0 / workers, 16000.0 / workers * 0.12);
        EXPECT_NEAR(by_network[worker], 16000.0 / workers, 16000.0 / workers * 0.12);
      }
    }
  }
}

}  // namespace
}  // namespace weft::bpf
