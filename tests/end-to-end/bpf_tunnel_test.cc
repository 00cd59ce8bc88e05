// SPDX-License-Identifier: Apache-2.0
/// @file The receiving end of direct server return: tunnel packets at to_pod and from_nic, both families in both.
#include <algorithm>

#include "bpf_bed.h"

namespace weft::bpf {
namespace {

constexpr const char* kSenders[] = {"192.0.2.1", "2001:db8::1"};

struct Tunnel {
  const char* name;
  const Addresses& outer;
  const Addresses& inner;
  bool gue;
};

constexpr Tunnel kTunnels[] = {
    {"Ipip4in4", kIpv4Addresses, kIpv4Addresses, false}, {"Ipip6in4", kIpv4Addresses, kIpv6Addresses, false},
    {"Ipip4in6", kIpv6Addresses, kIpv4Addresses, false}, {"Ipip6in6", kIpv6Addresses, kIpv6Addresses, false},
    {"Gue4in4", kIpv4Addresses, kIpv4Addresses, true},   {"Gue6in4", kIpv4Addresses, kIpv6Addresses, true},
    {"Gue4in6", kIpv6Addresses, kIpv4Addresses, true},   {"Gue6in6", kIpv6Addresses, kIpv6Addresses, true},
};

class Tunnels : public Programs, public ::testing::WithParamInterface<Tunnel> {
 protected:
  bool outer_ipv6() const { return GetParam().outer.icmp == kIcmpv6; }
  bool inner_ipv6() const { return GetParam().inner.icmp == kIcmpv6; }
  Packet inner() const { return {.from = GetParam().inner.client, .to = GetParam().inner.direct, .protocol = kTcp}; }
  Packet around(const Frame& inner) const {
    Packet outer{.from = kSenders[outer_ipv6()], .to = GetParam().outer.pod, .to_port = WEFT_GUE_PORT};
    outer.protocol = GetParam().gue ? kUdp : inner_ipv6() ? kIpv6 : kIpip;
    outer.payload = inner;
    return outer;
  }
  /// In a frame that is the pod's.
  Frame for_pod(const Frame& packet, bool is_ipv6) const {
    Frame frame(14 + packet.size());
    std::copy(std::begin(kPod.mac), std::end(kPod.mac), frame.begin());
    std::copy(std::begin(kPod.host_mac), std::end(kPod.host_mac), frame.begin() + 6);
    frame[12] = is_ipv6 ? 0x86 : 0x08;
    frame[13] = is_ipv6 ? 0xdd : 0x00;
    std::copy(packet.begin(), packet.end(), frame.begin() + 14);
    return frame;
  }
  void expect_as_it_is(const Packet& packet) {
    const Frame frame = frame_of(packet);
    expect(run(Program::to_pod, frame), TC_ACT_REDIRECT, WEFT_TO_POD_REDIRECTED_TUNNEL,
           for_pod(packet_of(packet), outer_ipv6()));
    expect(run(Program::from_nic, frame), kPass, WEFT_FROM_NIC_PASSED_TUNNEL, frame);
  }
};
INSTANTIATE_TEST_SUITE_P(All, Tunnels, ::testing::ValuesIn(kTunnels), [](const auto& test) { return test.param.name; });

TEST_P(Tunnels, EndAtThePodThatServesTheVip) {
  const Frame packet = packet_of(inner());
  Packet plain = around(packet);
  Packet with_options = plain;
  with_options.header_words = 8;
  with_options.extensions = {60};  // as Linux' ip6tnl sends it: the tunnel encapsulation limit
  for (const Packet& outer : {plain, with_options}) {
    expect(run(Program::to_pod, frame_of(outer)), TC_ACT_REDIRECT, WEFT_TO_POD_DECAPSULATED,
           for_pod(packet, inner_ipv6()));
    expect(run(Program::from_nic, frame_of(outer)), TC_ACT_REDIRECT, WEFT_FROM_NIC_DECAPSULATED,
           for_pod(packet, inner_ipv6()));
  }
}

TEST_P(Tunnels, CarryFragmentsAndIcmpAsTheyAre) {
  Packet fragment = inner();
  fragment.fragment = 8;
  fragment.extensions = {44};
  Packet error = inner();
  error.protocol = GetParam().inner.icmp;
  error.icmp_type = 3;
  for (const Packet& each : {fragment, error}) {
    const Frame packet = packet_of(each);
    expect(run(Program::to_pod, frame_of(around(packet))), TC_ACT_REDIRECT, WEFT_TO_POD_DECAPSULATED,
           for_pod(packet, inner_ipv6()));
  }
}

TEST_P(Tunnels, CarryCongestionOver) {
  Packet capable = inner();
  capable.traffic_class = 2;
  Packet outer = around(packet_of(capable));
  outer.traffic_class = 3;
  const Frame stripped = run(Program::to_pod, frame_of(outer)).frame;
  const uint8_t ecn = inner_ipv6() ? stripped[15] >> 4 & 3 : stripped[15] & 3;
  EXPECT_EQ(ecn, 3);
  outer = around(packet_of(inner()));
  outer.traffic_class = 3;
  EXPECT_EQ(run(Program::to_pod, frame_of(outer)).frame, for_pod(packet_of(inner()), inner_ipv6()))
      << "a sender that can't take it must not be told so";
}

TEST_P(Tunnels, ToWhatThePodDoesNotServeAreBetweenThePodAndItsPeer) {
  Packet other = inner();
  other.to = GetParam().inner.vip;  // a VIP, but not this pod's
  expect_as_it_is(around(packet_of(other)));
  other.to = GetParam().inner.nobody;
  expect_as_it_is(around(packet_of(other)));
  other.to = GetParam().inner.pod;  // an address that the pod may send from: no reason to unpack
  expect_as_it_is(around(packet_of(other)));
}

TEST_P(Tunnels, ToNoLocalPodPass) {
  Packet outer = around(packet_of(inner()));
  outer.to = GetParam().outer.nobody;
  const Frame frame = frame_of(outer);
  expect(run(Program::to_pod, frame), kPass, WEFT_TO_POD_PASSED, frame);
  expect(run(Program::from_nic, frame), kPass, WEFT_FROM_NIC_PASSED, frame);
}

TEST_P(Tunnels, InFragmentsAreNoTunnelPackets) {
  Packet outer = around(packet_of(inner()));
  outer.fragment = outer_ipv6() ? 1 : 0x2000;
  outer.extensions = {44};
  const Frame frame = frame_of(outer);
  expect(run(Program::to_pod, frame), TC_ACT_REDIRECT, WEFT_TO_POD_REDIRECTED, for_pod(packet_of(outer), outer_ipv6()));
  expect(run(Program::from_nic, frame), kPass, WEFT_FROM_NIC_PASSED, frame);
}

TEST_P(Tunnels, WithBrokenPacketsInThem) {
  Frame short_header = packet_of(inner());
  short_header.resize(inner_ipv6() ? 39 : 19);
  Frame other_version = packet_of(inner());
  other_version[0] = static_cast<uint8_t>((other_version[0] & 0xf) | 0x50);
  std::vector<Frame> broken = {short_header, other_version, {}};
  if (!inner_ipv6()) {
    Frame header_of_16 = packet_of(inner());
    header_of_16[0] = 0x44;
    broken.push_back(header_of_16);
  }
  for (const Frame& each : broken) {
    const Packet outer = around(each);
    const Frame frame = frame_of(outer);
    if (GetParam().gue) {  // an application's own datagram, for all that can be told
      expect(run(Program::to_pod, frame), TC_ACT_REDIRECT, WEFT_TO_POD_REDIRECTED,
             for_pod(packet_of(outer), outer_ipv6()));
      expect(run(Program::from_nic, frame), kPass, WEFT_FROM_NIC_PASSED, frame);
    } else {
      expect(run(Program::to_pod, frame), TC_ACT_SHOT, WEFT_TO_POD_DROPPED_MALFORMED, frame);
      expect(run(Program::from_nic, frame), TC_ACT_SHOT, WEFT_FROM_NIC_DROPPED_MALFORMED, frame);
    }
  }
}

TEST_P(Tunnels, JoinedByADriverAreRefused) {
  // Two datagrams as one: GUE's second header would stay behind the first inner packet. The test run gives gso_size no
  // kind of segmentation, which the kernel refuses to touch: so does IP in IP fail here, for that reason.
  Frame packets = packet_of(inner());
  packets.insert(packets.end(), 500, 0x5a);
  const Frame frame = frame_of(around(packets));
  expect(run(Program::from_nic, frame, 400), TC_ACT_SHOT, WEFT_FROM_NIC_DROPPED_DECAPSULATION, frame);
  expect(run(Program::to_pod, frame, 400), TC_ACT_SHOT, WEFT_TO_POD_DROPPED_DECAPSULATION, frame);
}

TEST_P(Tunnels, UdpToAnotherPortIsNoTunnel) {
  Packet outer = around(packet_of(inner()));
  outer.protocol = kUdp;
  outer.to_port = WEFT_GUE_PORT + 1;
  expect(run(Program::to_pod, frame_of(outer)), TC_ACT_REDIRECT, WEFT_TO_POD_REDIRECTED,
         for_pod(packet_of(outer), outer_ipv6()));
}

}  // namespace
}  // namespace weft::bpf
