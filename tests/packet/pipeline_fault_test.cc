// SPDX-License-Identifier: Apache-2.0
/// @file Faults that are injected on purpose, packet by packet: lost, throttled, dead, and connections that are reset.
#include <cmath>

#include "lb/fault_board.h"
#include "pipeline_fixture.h"

namespace weft::test {
namespace {

class Faulted : public PipelineTest {
 protected:
  Faulted() : PipelineTest({.faults = &board}) {}

  void inject(lb::Fault said) {
    fault = std::move(said);
    fault.name = "default/rehearsal";
    fault.id = ++ids;
    std::vector<lb::Service> services = small_mesh();
    services[0].faults = services[1].faults = std::make_shared<const lb::Faults>(lb::Faults{fault});
    snapshot = make_snapshot(std::move(services), ++epoch);
  }
  uint64_t counted(lb::Injected what) const { return board.sum(fault, what); }

  static inline lb::FaultBoard board{1};
  static inline uint64_t ids = 0;
  lb::Fault fault;
  uint64_t epoch = 1;
};

TEST_F(Faulted, SoManyPacketsOfBothWaysAreLost) {
  establish();
  inject({.loss = 2'500});
  constexpr int kPackets = 8'000;
  uint64_t lost = 0;
  for (int i = 0; i < kPackets; ++i) {
    const bool back = i % 2 != 0;
    const Verdict verdict = back ? send(tcp(kWebEndpoint, kClient), kUplink).verdict : send(tcp(kClient, kWeb)).verdict;
    lost += verdict == Verdict::fault_lost ? 1 : 0;
    ASSERT_TRUE(verdict == Verdict::fault_lost || verdict == (back ? Verdict::reply : Verdict::request));
  }
  EXPECT_NEAR(static_cast<double>(lost), kPackets * 0.25, 4 * std::sqrt(kPackets * 0.25 * 0.75));
  EXPECT_EQ(counted(lb::Injected::lost), lost);
}

TEST_F(Faulted, OtherServicesLoseNothing) {
  inject({.loss = lb::Fault::kWhole});
  EXPECT_EQ(send(tcp(kClient, kWeb).flags(kSyn)).verdict, Verdict::fault_lost) << "its first packet, too";
  EXPECT_EQ(send(tcp("10.1.0.9:1024", kWebAgain).flags(kSyn)).verdict, Verdict::request);
}

TEST_F(Faulted, NoMorePassesThanTheBandwidth) {
  establish();
  inject({.bits_per_second = 8'000'000});
  uint64_t bytes = 0;
  for (int ms = 0; ms < 1'000; ++ms) {
    for (int i = 0; i < 4; ++i) {
      const Sent sent = send(tcp(kClient, kWeb).payload_of(960));
      bytes += sent.verdict == Verdict::request ? 1'000 : 0;
    }
    wait(std::chrono::milliseconds(1));
  }
  const uint64_t allowed = 1'000'000 + fault.burst_bits() / 8;
  EXPECT_LE(bytes, allowed);
  EXPECT_GE(bytes, allowed - 2'000);
  EXPECT_EQ(counted(lb::Injected::throttled), (4'000'000 - bytes) / 1'000);
}

TEST_F(Faulted, WhatIsDeadNeverAnswers) {
  establish();
  inject({.kills = true, .killed = lb::parse_address("10.2.0.1")});
  EXPECT_EQ(send(tcp(kClient, kWeb)).verdict, Verdict::fault_dead);
  EXPECT_EQ(send(tcp(kWebEndpoint, kClient), kUplink).verdict, Verdict::fault_dead);
  EXPECT_EQ(send(tcp("10.1.0.2:1024", kWeb).flags(kSyn)).verdict, Verdict::fault_dead);
  EXPECT_EQ(send(udp(kClient, kDns)).verdict, Verdict::request) << "another endpoint";
  EXPECT_EQ(counted(lb::Injected::dead), 3U);
  inject({.kills = true});
  EXPECT_EQ(send(udp(kClient, kDns)).verdict, Verdict::fault_dead);
  snapshot = make_snapshot(small_mesh(), ++epoch);
  EXPECT_EQ(send(tcp(kClient, kWeb)).verdict, Verdict::request) << "it lives again";
}

TEST_F(Faulted, WhatIsDeadAndLeavesHasItsFlowsMoveOrEndAsEver) {
  constexpr uint32_t kLeft = 9;  // slot of the endpoint that leaves
  const auto publish = [&](bool is_there, const std::vector<uint32_t>& resets = {}) {
    std::vector<lb::Service> services = small_mesh();
    if (is_there) {
      services[0] = make_service(kWeb, lb::Protocol::tcp, kWebSlot, {{"10.2.0.9:8080", kLeft}});
      services[1] = make_service(kDns, lb::Protocol::udp, kDnsSlot, {{"10.2.0.9:5353", kLeft}});
    }
    fault = {.name = "f", .id = ++ids, .kills = true, .killed = lb::parse_address("10.2.0.9")};
    services[0].faults = services[1].faults = std::make_shared<const lb::Faults>(lb::Faults{fault});
    snapshot = std::make_shared<lb::Snapshot>(++epoch, kSeed, std::move(services), resets);
  };
  publish(true);
  EXPECT_EQ(send(tcp(kClient, kWeb).flags(kSyn)).verdict, Verdict::fault_dead);
  EXPECT_EQ(send(udp(kClient, kDns)).verdict, Verdict::fault_dead);
  publish(false);
  const Sent moved = send(udp(kClient, kDns));
  EXPECT_EQ(moved.verdict, Verdict::request) << "to the other endpoint";
  EXPECT_EQ(send(tcp(kClient, kWeb)).verdict, Verdict::fault_dead) << "within its grace it is as dead as before";
  EXPECT_EQ(send(tcp(kClient, kWeb).flags(kSyn)).verdict, Verdict::request) << "who knocks in vain goes elsewhere";
  publish(true);
  EXPECT_EQ(send(tcp("10.1.0.2:1024", kWeb).flags(kSyn)).verdict, Verdict::fault_dead);
  publish(false, {kLeft});
  EXPECT_EQ(send(tcp("10.1.0.2:1024", kWeb)).verdict, Verdict::ended_with_endpoint);
}

TEST_F(Faulted, NewConnectionsAreResetAndOldOnesAreNot) {
  establish();
  inject({.resets = true});
  EXPECT_EQ(send(tcp(kClient, kWeb)).verdict, Verdict::request);
  const PacketBuilder syn = tcp("10.1.0.2:1024", kWeb).flags(kSyn);
  EXPECT_EQ(send(syn).verdict, Verdict::refused_by_fault);
  EXPECT_EQ(send(udp(kClient, kDns)).verdict, Verdict::request);
  EXPECT_EQ(counted(lb::Injected::reset), 1U);
  EXPECT_EQ(bed.pipeline().active_flows(), 2U);
}

TEST_F(Faulted, AShareIsOfFlowsWhichMeetTheSameFateAlways) {
  inject({.share = 3'000, .kills = true});
  constexpr int kFlows = 60;
  int dead = 0;
  for (int i = 0; i < kFlows; ++i) {
    const std::string client = "10.1.1." + std::to_string(i + 1) + ":1024";
    const Verdict first = send(tcp(client.c_str(), kWeb).flags(kSyn)).verdict;
    dead += first == Verdict::fault_dead ? 1 : 0;
    for (int again = 0; again < 3; ++again) {
      EXPECT_EQ(send(tcp(client.c_str(), kWeb)).verdict, first);
    }
  }
  EXPECT_NEAR(dead, kFlows * 0.3, 4 * std::sqrt(kFlows * 0.3 * 0.7));
}

TEST_F(Faulted, OnlyWhomItIsAboutAndUntilItsTime) {
  lb::Fault said{.until_ns = static_cast<uint64_t>((now + std::chrono::seconds(2)).count()),
                 .from = {{.ip_blocks = {{*lb::parse_prefix("10.1.0.1/32")}, {}}}},
                 .kills = true};
  inject(said);
  EXPECT_EQ(send(tcp(kClient, kWeb).flags(kSyn)).verdict, Verdict::fault_dead);
  EXPECT_EQ(send(tcp("10.1.0.2:1024", kWeb).flags(kSyn)).verdict, Verdict::request);
  wait(std::chrono::milliseconds(1'999));
  EXPECT_EQ(send(tcp(kClient, kWeb).flags(kSyn)).verdict, Verdict::fault_dead);
  wait(std::chrono::milliseconds(1));
  EXPECT_EQ(send(tcp(kClient, kWeb).flags(kSyn)).verdict, Verdict::request) << "the snapshot is the same";
}

TEST_F(Faulted, SoIsIpv6) {
  std::vector<lb::Service> services = {
      make_service("[fd00:96::1]:80", lb::Protocol::tcp, 0, {{"[fd00:2::1]:8080", 0}})};
  fault = {.name = "f", .id = ++ids, .loss = lb::Fault::kWhole};
  services[0].faults = std::make_shared<const lb::Faults>(lb::Faults{fault});
  snapshot = make_snapshot(std::move(services), ++epoch);
  EXPECT_EQ(send(tcp("[fd00:1::1]:1024", "[fd00:96::1]:80").flags(kSyn)).verdict, Verdict::fault_lost);
}

}  // namespace
}  // namespace weft::test
