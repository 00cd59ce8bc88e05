// SPDX-License-Identifier: Apache-2.0
/// @file Every way of forwarding, for tests: mode, families and protocol, with what a packet must look like after it.
///
/// Expected frames are built by the packet builder from addresses, ports and RFCs. Of the frame under test only the
/// source port that full NAT picked is taken; what else a hash decides (what makes a tunnel's outer headers differ from
/// flow to flow) is worked out here.
#pragma once

#include "pipeline_fixture.h"

namespace weft::test {

struct Way {
  lb::Mode mode;
  lb::Encapsulation encapsulation;
  lb::Family inner;
  lb::Family outer;  ///< of the endpoint
  lb::Protocol protocol;

  bool v4() const { return inner == lb::Family::ipv4; }
  bool outer_v4() const { return outer == lb::Family::ipv4; }
  bool tcp() const { return protocol == lb::Protocol::tcp; }
  bool dsr() const { return mode == lb::Mode::dsr; }
  bool gue() const { return encapsulation == lb::Encapsulation::gue; }
};

inline std::vector<Way> all_ways() {
  using lb::Encapsulation;
  using lb::Family;
  using lb::Mode;
  std::vector<Way> all;
  for (const lb::Protocol protocol : {lb::Protocol::tcp, lb::Protocol::udp}) {
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

/// As in "Nat4Tcp" and "Gue6in4Udp".
inline std::string name_of(const Way& way) {
  const std::string inner = way.v4() ? "4" : "6";
  const std::string outer = way.outer_v4() ? "4" : "6";
  const std::string protocol = way.tcp() ? "Tcp" : "Udp";
  switch (way.mode) {
    case lb::Mode::nat:
      return "Nat" + inner + protocol;
    case lb::Mode::fullnat:
      return "Fullnat" + inner + protocol;
    case lb::Mode::dsr:
    case lb::Mode::proxy:  // is no way of a packet's
      break;
  }
  return (way.gue() ? "Gue" : "Ipip") + inner + "in" + outer + protocol;
}

/// One service on port 8080, forwarded one way, with two endpoints behind the uplink that it may have.
class WayBed {
 public:
  using Sent = PipelineBed::Sent;

  explicit WayBed(const Way& its_way, bool with_own_addresses = true)
      : way(its_way),
        bed({.own_addresses =
                 with_own_addresses ? std::vector{kOwn4.address, kOwn6.address} : std::vector<lb::Address>{},
             .tunnel_sources = {lb::parse_prefix("10.8.0.0/16").value(), lb::parse_prefix("fd00:8::/112").value()}}) {
    publish({{first, 0}});
  }

  /// @param reset slots of endpoints that left and whose grace time is over
  void publish(const std::vector<Backend>& backends, const std::vector<uint32_t>& reset = {},
               lb::Removal removal = lb::Removal::reset) {
    std::vector<lb::Service> services = {make_service(vip, way.protocol, 0, backends)};
    services[0].policy = {.mode = way.mode, .encapsulation = way.encapsulation, .removal = removal};
    services[0].authorization = authorization;
    snapshot = std::make_shared<lb::Snapshot>(++epoch_, kSeed, services, reset);
  }

  Sent send(const PacketBuilder& frame, uint8_t ingress = kPods) {
    const Bytes bytes = frame.bytes();
    return bed.process({&bytes, 1}, ingress, *snapshot, now).front();
  }
  /// TCP's flags mean nothing to UDP.
  PacketBuilder packet(const Socket& from, const Socket& to, uint8_t flags) const {
    PacketBuilder builder(static_cast<uint8_t>(way.protocol), from, to);
    if (way.v4()) {
      builder.fragment(0x4000);  // do not fragment: as TCP sends
    }
    return builder.flags(flags).payload("payload");
  }
  PacketBuilder request(uint8_t flags = kSyn) const { return packet(client, vip, flags); }

  /// A request from `from` on its way to an endpoint. @param seen what was sent, or of the same flow
  PacketBuilder expected_request(const Sent& seen, const Socket& from, const Socket& to, uint8_t flags) const {
    if (way.mode == lb::Mode::nat) {
      return packet(from, to, flags).ttl(63).addresses(kUplinkAddresses);
    }
    if (way.mode == lb::Mode::fullnat) {
      return packet(own_source(seen), to, flags).ttl(63).addresses(kUplinkAddresses);
    }
    return expected_tunnel(packet(from, vip, flags).ip(), from, to).addresses(kUplinkAddresses);
  }
  /// The client's own packet, whole, behind outer headers in which its flow's hash stands.
  PacketBuilder expected_tunnel(const Bytes& inner, const Socket& from, const Socket& to) const {
    const auto entropy = static_cast<uint16_t>(hash_of(from, vip) >> 16);
    lb::Address source = lb::address_from_host(0x0a080000U | entropy);
    if (!way.outer_v4()) {
      lb::Ipv6Address bytes = lb::parse_address("fd00:8::").value().ipv6();
      bytes.bytes[14] = static_cast<uint8_t>(entropy >> 8);
      bytes.bytes[15] = static_cast<uint8_t>(entropy);
      source = bytes;
    }
    PacketBuilder outer = way.gue()
                              ? udp({source, static_cast<uint16_t>(0xc000 | (entropy & 0x3fff))}, {to.address, 6080})
                                    .transport_checksum(0)  // what is inside has its own
                              : PacketBuilder(way.v4() ? 4 : 41, {source, 0}, {to.address, 0});
    outer.payload(inner);
    return way.outer_v4() ? outer.fragment(0x4000) : outer.flow_label(0x10000U | entropy);
  }
  /// The endpoint's reply, as the client gets it.
  PacketBuilder expected_reply(uint8_t flags) const {
    return packet(vip, client, flags).ttl(63).addresses(kPodsAddresses);
  }
  /// What a host answers that knows no such connection or port.
  PacketBuilder expected_refusal(const PacketBuilder& refused, const Socket& from, uint8_t flags) const {
    PacketBuilder answer = icmp({vip.address, 0}, {from.address, 0});
    if (!way.tcp()) {
      answer.icmp(way.v4() ? 3 : 1, way.v4() ? 3 : 4).payload(refused.ip());
    } else {
      answer = PacketBuilder(6, vip, from).window(0);
      if ((flags & kAck) != 0) {
        answer.flags(kRst).sequence(kAcknowledged);
      } else {
        answer.flags(kRst | kAck).sequence(0).acknowledgment(0x01020304 + 1 + 7);
      }
    }
    return answer.addresses(kPodsAddresses);
  }
  /// The port is the node's choice; the address is not.
  Socket own_source(const Sent& request) const {
    const size_t at = way.v4() ? 34 : 54;
    return {(way.v4() ? kOwn4 : kOwn6).address,
            static_cast<uint16_t>(std::to_integer<uint16_t>(request.bytes.at(at)) << 8 |
                                  std::to_integer<uint16_t>(request.bytes.at(at + 1)))};
  }
  /// Where the endpoint sends its replies.
  Socket replied_to(const Sent& request) const { return way.mode == lb::Mode::fullnat ? own_source(request) : client; }
  uint64_t hash_of(const Socket& from, const Socket& to) const {
    return way.v4() ? lb::hash_of(key_of<lb::FlowKey4>(from, to, way.protocol), kSeed)
                    : lb::hash_of(key_of<lb::FlowKey6>(from, to, way.protocol), kSeed);
  }
  Verdict forwarded() const { return way.dsr() ? Verdict::tunneled : Verdict::request; }

  static constexpr uint32_t kAcknowledged = 0x77;  ///< by segments that get a reset
  static inline const Socket kOwn4 = "10.9.0.1";
  static inline const Socket kOwn6 = "fd00:9::1";

  const Way way;
  PipelineBed bed;
  const Socket client = way.v4() ? "10.1.0.1:1024" : "[fd00:1::1]:1024";
  const Socket vip = way.v4() ? "10.96.0.1:8080" : "[fd00:96::1]:8080";
  const Socket first = way.outer_v4() ? "10.2.0.1:8080" : "[fd00:2::1]:8080";
  const Socket second = way.outer_v4() ? "10.2.0.2:8080" : "[fd00:2::2]:8080";
  std::shared_ptr<const lb::Authorization> authorization;  ///< of the service, from the next publish() on
  std::shared_ptr<const lb::Snapshot> snapshot;
  time::Time now = std::chrono::seconds(1000);

 private:
  uint64_t epoch_ = 0;
};

}  // namespace weft::test
