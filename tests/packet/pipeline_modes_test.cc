// SPDX-License-Identifier: Apache-2.0
/// @file Every way of forwarding, for every family, protocol and state of the endpoint: bytes in, bytes out, counters.
#include <cstring>

#include "packet/encapsulate.h"
#include "pipeline_fixture.h"

namespace weft::test {
namespace {

using lb::Encapsulation;
using lb::EndpointState;
using lb::Family;
using lb::Mode;
using lb::Protocol;

struct Way {
  Mode mode;
  Encapsulation encapsulation;
  Family inner;
  Family outer;  ///< of the endpoint
  Protocol protocol;
};

std::string name_of(const testing::TestParamInfo<Way>& info) {
  const Way& way = info.param;
  const std::string inner = way.inner == Family::ipv4 ? "4" : "6";
  const std::string outer = way.outer == Family::ipv4 ? "4" : "6";
  const std::string protocol = way.protocol == Protocol::tcp ? "Tcp" : "Udp";
  switch (way.mode) {
    case Mode::nat:
      return "Nat" + inner + protocol;
    case Mode::fullnat:
      return "Fullnat" + inner + protocol;
    case Mode::dsr:
      break;
  }
  return (way.encapsulation == Encapsulation::ipip ? "Ipip" : "Gue") + inner + "in" + outer + protocol;
}

class Modes : public testing::TestWithParam<Way> {
 protected:
  using Sent = PipelineBed::Sent;
  static constexpr uint16_t kPort = 8080;

  Modes()
      : bed({.own_addresses = {lb::parse_address("10.9.0.1").value(), lb::parse_address("fd00:9::1").value()},
             .tunnel_sources = {lb::parse_prefix("10.8.0.1/32").value(), lb::parse_prefix("fd00:8::1/128").value()}}) {
    publish({{endpoint, 0}});
  }

  static bool v4() { return GetParam().inner == Family::ipv4; }
  static bool is_dsr() { return GetParam().mode == Mode::dsr; }

  void publish(const std::vector<Backend>& backends, const std::vector<uint32_t>& reset = {}) {
    std::vector<lb::Service> services = {make_service(vip, GetParam().protocol, 0, backends)};
    services[0].policy = {
        .mode = GetParam().mode, .encapsulation = GetParam().encapsulation, .removal = lb::Removal::reset};
    snapshot = std::make_shared<lb::Snapshot>(++epoch, kSeed, services, reset);
  }

  Sent send(const PacketBuilder& frame, uint8_t ingress = kPods) {
    const Bytes bytes = frame.bytes();
    return bed.process({&bytes, 1}, ingress, *snapshot, now).front();
  }
  PacketBuilder request(uint8_t flags = kSyn) const { return packet(client, vip).flags(flags); }
  static PacketBuilder packet(const Socket& from, const Socket& to) {
    PacketBuilder builder(static_cast<uint8_t>(GetParam().protocol), from, to);
    if (v4()) {
      builder.fragment(0x4000);  // do not fragment: as TCP sends
    }
    return builder.payload("payload");
  }

  /// What the request must look like on its way to an endpoint. @param seen from it, what the hash decides is taken
  PacketBuilder expected_request(const Sent& seen, const Socket& to, uint8_t flags = kSyn) const {
    if (GetParam().mode == Mode::nat) {
      return packet(client, to).flags(flags).ttl(63).addresses(kUplinkAddresses);
    }
    if (GetParam().mode == Mode::fullnat) {
      return packet(own_source(seen), to).flags(flags).ttl(63).addresses(kUplinkAddresses);
    }
    const Bytes inner = request(flags).ip();
    const bool outer4 = GetParam().outer == Family::ipv4;
    const uint8_t next = v4() ? 4 : 41;
    const Socket from(lb::parse_address(outer4 ? "10.8.0.1" : "fd00:8::1").value(),
                      GetParam().encapsulation == Encapsulation::gue ? port_at(seen, outer4 ? 34 : 54) : 0);
    const bool gue = GetParam().encapsulation == Encapsulation::gue;
    const Socket end(to.address, gue ? 6080 : 0);
    PacketBuilder outer = gue ? udp(from, end).transport_checksum(0) : PacketBuilder(next, from, end);
    outer.payload(inner).addresses(kUplinkAddresses);
    if (outer4) {
      outer.fragment(0x4000);
    } else {
      outer.flow_label(label_of(seen));
    }
    return outer;
  }
  static uint16_t port_at(const Sent& sent, size_t offset) {
    return static_cast<uint16_t>(std::to_integer<uint16_t>(sent.bytes[offset]) << 8 |
                                 std::to_integer<uint16_t>(sent.bytes[offset + 1]));
  }
  static uint32_t label_of(const Sent& sent) {
    return std::to_integer<uint32_t>(sent.bytes[15] & std::byte{0xf}) << 16 | port_at(sent, 16);
  }
  /// The source that the node took for the flow.
  static Socket own_source(const Sent& request) {
    return {lb::parse_address(v4() ? "10.9.0.1" : "fd00:9::1").value(), port_at(request, v4() ? 34 : 54)};
  }
  Socket replied_to(const Sent& request) const {
    return GetParam().mode == Mode::fullnat ? own_source(request) : client;
  }

  bool has_flow() { return bed.pipeline().active_flows() == 1; }
  Verdict forwarded() const { return is_dsr() ? Verdict::tunneled : Verdict::request; }

  void TearDown() override { EXPECT_EQ(bed.imbalance(), ""); }

  PipelineBed bed;
  const Socket client = v4() ? "10.1.0.1:1024" : "[fd00:1::1]:1024";
  const Socket vip = v4() ? "10.96.0.1:8080" : "[fd00:96::1]:8080";
  const Socket endpoint = GetParam().outer == Family::ipv4 ? "10.2.0.1:8080" : "[fd00:2::1]:8080";
  const Socket other = GetParam().outer == Family::ipv4 ? "10.2.0.2:8080" : "[fd00:2::2]:8080";
  std::shared_ptr<const lb::Snapshot> snapshot;
  uint64_t epoch = 0;
  time::Time now = std::chrono::seconds(1000);
};

TEST_P(Modes, ForwardBothWays) {
  const Sent first = send(request());
  ASSERT_EQ(first.verdict, forwarded());
  EXPECT_EQ(first.egress, kUplink);
  EXPECT_EQ(hex(first.bytes), hex(expected_request(first, endpoint).bytes()));
  const Sent second = send(request(kAck));
  EXPECT_EQ(hex(second.bytes), hex(expected_request(first, endpoint, kAck).bytes())) << "the same way";
  EXPECT_TRUE(has_flow());
  const PacketBuilder reply = packet(endpoint, replied_to(first)).flags(kSyn | kAck);
  if (is_dsr()) {
    if (GetParam().inner == GetParam().outer) {
      EXPECT_EQ(send(reply, kUplink).verdict, Verdict::not_ours) << "it answers by itself, and not by this way";
    }
    EXPECT_EQ(bed.count(Verdict::tunneled), 2U);
    return;
  }
  const Sent back = send(reply, kUplink);
  EXPECT_EQ(back.verdict, Verdict::reply);
  EXPECT_EQ(back.egress, kPods);
  EXPECT_EQ(hex(back.bytes), hex(packet(vip, client).flags(kSyn | kAck).ttl(63).addresses(kPodsAddresses).bytes()));
}

TEST_P(Modes, KeepADrainingEndpointsFlowsAndGiveItNoNewOnes) {
  const Sent first = send(request());
  if (!is_dsr()) {
    send(packet(endpoint, replied_to(first)).flags(kSyn | kAck), kUplink);
  }
  send(request(kAck));
  publish({{endpoint, 0, EndpointState::draining}, {other, 1}});
  EXPECT_EQ(hex(send(request(kAck)).bytes), hex(expected_request(first, endpoint, kAck).bytes()));
  const Sent fresh =
      send(PacketBuilder(static_cast<uint8_t>(GetParam().protocol), {client.address, 2000}, vip).flags(kSyn));
  EXPECT_EQ(fresh.verdict, forwarded());
  EXPECT_EQ(bed.counters().endpoint[1].flows.get(), 1U);
}

TEST_P(Modes, WhatAnEndpointLeftBehind) {
  const Sent first = send(request());
  if (!is_dsr()) {
    send(packet(endpoint, replied_to(first)).flags(kSyn | kAck), kUplink);
  }
  send(request(kAck));
  publish({{other, 1}});
  const Sent after = send(request(kAck));
  EXPECT_EQ(after.verdict, forwarded());
  if (GetParam().protocol == Protocol::udp) {
    EXPECT_EQ(bed.counters().endpoint[1].flows.get(), 1U) << "UDP has no connection to break";
    return;
  }
  EXPECT_EQ(hex(after.bytes), hex(expected_request(first, endpoint, kAck).bytes())) << "kept for its grace time";
  publish({{other, 1}}, {0});
  const Sent ended = send(request(kAck).acknowledgment(0x77));
  EXPECT_EQ(ended.verdict, Verdict::ended_with_endpoint);
  EXPECT_EQ(ended.egress, kPods);
  EXPECT_EQ(hex(ended.bytes),
            hex(PacketBuilder(6, vip, client).flags(kRst).sequence(0x77).window(0).addresses(kPodsAddresses).bytes()));
  EXPECT_EQ(send(request(kAck)).verdict, Verdict::ended_with_endpoint) << "and so are late segments";
  EXPECT_EQ(send(request(kSyn)).verdict, forwarded()) << "a new connection from the same port";
  EXPECT_EQ(bed.counters().endpoint[1].flows.get(), 1U);
}

TEST_P(Modes, AWeightOfNothingTakesNothingNew) {
  std::vector<lb::Service> services = {make_service(vip, GetParam().protocol, 0, {{other, 1}})};
  services[0].policy.mode = GetParam().mode;
  services[0].endpoints.push_back(
      {.address = endpoint.address, .port = lb::port_from_host(kPort), .weight = 0, .slot = 0});
  send(request());
  snapshot = std::make_shared<lb::Snapshot>(++epoch, kSeed, services);
  EXPECT_EQ(snapshot->fate_of(0), lb::Fate::kept);
  EXPECT_EQ(send(request(kAck)).verdict, forwarded());
  EXPECT_EQ(bed.counters().endpoint[0].packets[0].get(), 2U);
}

TEST_P(Modes, ForgetAndGiveBack) {
  send(request());
  ASSERT_TRUE(has_flow());
  now += std::chrono::hours(3);
  bed.sweep(1024, now);
  EXPECT_EQ(bed.pipeline().active_flows(), 0U);
  for (size_t i = 0; i < bed.pipeline().own_ports().addresses(); ++i) {
    EXPECT_EQ(bed.pipeline().own_ports().used(i), 0U);
  }
}

/// Of a tunnel weft sees the client alone, whose acknowledgement says that the connection is established.
TEST_P(Modes, RememberAConversationThatPauses) {
  const Sent first = send(request());
  if (!is_dsr()) {
    send(packet(endpoint, replied_to(first)).flags(kSyn | kAck), kUplink);
  }
  send(request(kAck));
  now += GetParam().protocol == Protocol::tcp ? std::chrono::minutes(120) : std::chrono::seconds(25);
  bed.sweep(1024, now);
  EXPECT_TRUE(has_flow());
}

TEST_P(Modes, TellWhatIsTooBig) {
  const size_t overhead = is_dsr() ? packet::tunnel_overhead(GetParam().outer, GetParam().encapsulation) : 0;
  const size_t headers = (v4() ? 20U : 40U) + (GetParam().protocol == Protocol::tcp ? 20U : 8U);
  const PacketBuilder fits = request().payload_of(kMtu - headers - overhead);
  EXPECT_EQ(send(fits).verdict, forwarded());
  const PacketBuilder too_big = request().payload_of(kMtu - headers - overhead + 1);
  const Sent answer = send(too_big);
  EXPECT_EQ(answer.verdict, Verdict::too_big_answered);
  EXPECT_EQ(answer.egress, kPods);
  const Bytes quoted = too_big.ip();
  const auto mtu = static_cast<uint32_t>(kMtu - overhead);
  const PacketBuilder expected =
      v4() ? icmp({vip.address, 0}, {client.address, 0}).icmp(3, 4, mtu).payload(std::span(quoted).first(548))
           : icmp({vip.address, 0}, {client.address, 0}).icmp(2, 0, mtu).payload(std::span(quoted).first(1232));
  EXPECT_EQ(hex(answer.bytes), hex(PacketBuilder(expected).addresses(kPodsAddresses).bytes()));
  if (v4()) {
    EXPECT_EQ(send(request().payload_of(kMtu).fragment(0)).verdict, Verdict::too_big) << "it would have to be cut";
  }
}

std::vector<Way> ways() {
  std::vector<Way> all;
  for (const Protocol protocol : {Protocol::tcp, Protocol::udp}) {
    for (const Family inner : {Family::ipv4, Family::ipv6}) {
      all.push_back({Mode::nat, Encapsulation::ipip, inner, inner, protocol});
      all.push_back({Mode::fullnat, Encapsulation::ipip, inner, inner, protocol});
      for (const Family outer : {Family::ipv4, Family::ipv6}) {
        all.push_back({Mode::dsr, Encapsulation::ipip, inner, outer, protocol});
        all.push_back({Mode::dsr, Encapsulation::gue, inner, outer, protocol});
      }
    }
  }
  return all;
}
INSTANTIATE_TEST_SUITE_P(Ways, Modes, testing::ValuesIn(ways()), name_of);

}  // namespace
}  // namespace weft::test
