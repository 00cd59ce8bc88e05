// SPDX-License-Identifier: Apache-2.0
/// @file The fixture of the pipeline's tests: one small mesh, and books that must balance after every test.
///
/// Clients are 10.1.0.0/16 behind port 0, endpoints 10.2.0.0/16 behind port 1.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "pipeline_bed.h"

namespace weft::test {

using l4::Verdict;

constexpr const char* kClient = "10.1.0.1:1024";
constexpr const char* kWeb = "10.96.0.1:80";       // tcp
constexpr const char* kWebAgain = "10.96.0.2:80";  // tcp: another address for the same endpoint
constexpr const char* kWebEndpoint = "10.2.0.1:8080";
constexpr const char* kDns = "10.96.0.1:53";  // udp
constexpr const char* kDnsEndpoint = "10.2.0.2:5353";
constexpr const char* kEmpty = "10.96.0.3:80";   // tcp and udp: no endpoint
constexpr const char* kMirror = "10.96.0.4:80";  // tcp and udp: the client's own address is the only endpoint
constexpr uint32_t kWebSlot = 0;
constexpr uint32_t kDnsSlot = 1;
constexpr uint32_t kEmptyTcpSlot = 3;
constexpr uint32_t kEmptyUdpSlot = 4;

inline std::vector<lb::Service> small_mesh() {
  using lb::Protocol;
  return {make_service(kWeb, Protocol::tcp, kWebSlot, {{kWebEndpoint, 0}}),
          make_service(kDns, Protocol::udp, kDnsSlot, {{kDnsEndpoint, 1}}),
          make_service(kWebAgain, Protocol::tcp, 2, {{kWebEndpoint, 2}}),
          make_service(kEmpty, Protocol::tcp, kEmptyTcpSlot, {}),
          make_service(kEmpty, Protocol::udp, kEmptyUdpSlot, {}),
          make_service(kMirror, Protocol::tcp, 5, {{"10.1.0.1:8080", 3}}),
          make_service(kMirror, Protocol::udp, 6, {{"10.1.0.1:8080", 3}})};
}

class PipelineTest : public ::testing::Test {
 protected:
  using Sent = PipelineBed::Sent;

  explicit PipelineTest(const PipelineBed::Limits& limits = {}) : bed(limits) {}

  Sent send(const Bytes& frame, uint8_t ingress = kPods, uint16_t room = 128) {
    return bed.process({&frame, 1}, ingress, *snapshot, now, room).front();
  }
  Sent send(const PacketBuilder& frame, uint8_t ingress = kPods, uint16_t room = 128) {
    return send(frame.bytes(), ingress, room);
  }
  void wait(std::chrono::milliseconds time) { now += time; }
  void sweep_all() { bed.sweep(bed.flows().high_water(), now); }

  const flow::Flow4* flow(const Socket& client, const Socket& vip, lb::Protocol protocol = lb::Protocol::tcp) {
    return bed.find(key_of(client, vip, protocol), now);
  }
  /// The web flow through its three-way handshake.
  void establish(const char* client = kClient) {
    ASSERT_EQ(send(tcp(client, kWeb).flags(kSyn)).verdict, Verdict::request);
    ASSERT_EQ(send(tcp(kWebEndpoint, client).flags(kSyn | kAck), kUplink).verdict, Verdict::reply);
    ASSERT_EQ(send(tcp(client, kWeb)).verdict, Verdict::request);
    ASSERT_EQ(flow(client, kWeb)->state, flow::State::tcp_established);
  }

  void TearDown() override { EXPECT_EQ(bed.imbalance(), ""); }

  std::shared_ptr<const lb::Snapshot> snapshot = make_snapshot(small_mesh());
  PipelineBed bed;
  time::Time now = std::chrono::seconds(1000);
};

/// Byte for byte; on failure both are shown.
inline void expect_bytes(const Bytes& actual, const PacketBuilder& expected) {
  EXPECT_EQ(hex(actual), hex(expected.bytes()));
}

}  // namespace weft::test
