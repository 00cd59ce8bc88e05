// SPDX-License-Identifier: Apache-2.0
/// @file ICMP errors and fragments follow their flow, in both directions and families.
#include "pipeline_fixture.h"

namespace weft::test {
namespace {

using lb::Protocol;

struct Ends {
  const char* name;
  Socket client;
  Socket vip;
  Socket endpoint;
  Socket router;
  uint8_t unreachable;
};

class Errors : public testing::TestWithParam<Ends> {
 protected:
  using Sent = PipelineBed::Sent;

  explicit Errors(lb::Mode mode = lb::Mode::nat) {
    std::vector<lb::Service> services = {make_service(GetParam().vip, Protocol::udp, 0, {{GetParam().endpoint, 0}})};
    services[0].policy.mode = mode;
    snapshot = make_snapshot(services);
  }
  Sent send(const Bytes& frame, uint8_t ingress) {
    return bed.process({&frame, 1}, ingress, *snapshot, now, 128).front();
  }
  Sent send(const PacketBuilder& frame, uint8_t ingress) { return send(frame.bytes(), ingress); }
  static PacketBuilder error(const Socket& from, const Socket& to, const Bytes& about) {
    const Socket source(from.address, 0);
    return icmp(source, {to.address, 0}).icmp(GetParam().unreachable, 0).payload(about);
  }
  bool v4() const { return GetParam().client.address.is_ipv4(); }
  void TearDown() override { EXPECT_EQ(bed.imbalance(), ""); }

  const Ends& at = GetParam();
  PipelineBed bed{{.own_addresses = {lb::parse_address("10.9.0.1").value(), lb::parse_address("fd00:9::1").value()}}};
  std::shared_ptr<const lb::Snapshot> snapshot;
  time::Time now = std::chrono::seconds(1000);
};

TEST_P(Errors, AboutARequestReachTheClient) {
  const PacketBuilder request = udp(at.client, at.vip).payload("question");
  ASSERT_EQ(send(request, kPods).verdict, Verdict::request);
  const Bytes met = udp(at.client, at.endpoint).ttl(63).payload("question").ip();
  const Bytes known = udp(at.client, at.vip).ttl(63).payload("question").ip();
  for (const Socket& from : {at.router, at.endpoint}) {
    const Sent sent = send(error(from, at.client, met), kUplink);
    EXPECT_EQ(sent.verdict, Verdict::icmp_error);
    EXPECT_EQ(sent.egress, kPods);
    const Socket& seen = &from == &at.endpoint || from.address == at.endpoint.address ? at.vip : from;
    EXPECT_EQ(hex(sent.bytes), hex(error(seen, at.client, known).ttl(63).addresses(kPodsAddresses).bytes()));
  }
}

TEST_P(Errors, AboutAReplyReachTheEndpoint) {
  ASSERT_EQ(send(udp(at.client, at.vip), kPods).verdict, Verdict::request);
  ASSERT_EQ(send(udp(at.endpoint, at.client).payload("answer"), kUplink).verdict, Verdict::reply);
  const Bytes met = udp(at.vip, at.client).ttl(63).payload("answer").ip();
  const Bytes known = udp(at.endpoint, at.client).ttl(63).payload("answer").ip();
  for (const Socket& from : {at.router, at.client}) {
    const Sent sent = send(error(from, at.vip, met), kPods);
    EXPECT_EQ(sent.verdict, Verdict::icmp_error);
    EXPECT_EQ(sent.egress, kUplink);
    EXPECT_EQ(hex(sent.bytes), hex(error(from, at.endpoint, known).ttl(63).addresses(kUplinkAddresses).bytes()));
  }
}

TEST_P(Errors, OfNoFlowEndWhereTheyAre) {
  const Bytes strange = udp(at.vip, at.client).payload("?").ip();
  EXPECT_EQ(send(error(at.router, at.vip, strange), kPods).verdict, Verdict::icmp);
  EXPECT_EQ(send(error(at.router, at.client, strange), kPods).verdict, Verdict::passed);
  EXPECT_EQ(send(error(at.router, at.vip, Bytes(4)), kPods).verdict, Verdict::icmp) << "quotes nothing";
}

TEST_P(Errors, WithAWrongChecksumAreNotBelieved) {
  ASSERT_EQ(send(udp(at.client, at.vip), kPods).verdict, Verdict::request);
  Bytes frame = error(at.router, at.client, udp(at.client, at.endpoint).ip()).bytes();
  frame.back() ^= std::byte{1};
  EXPECT_EQ(send(frame, kUplink).verdict, Verdict::bad_checksum);
}

TEST_P(Errors, FragmentsFollowTheirFirst) {
  const auto piece = [&](const Socket& from, const Socket& to, uint16_t offset, bool more, size_t length) {
    PacketBuilder builder = udp(from, to);
    return v4() ? builder.fragment(static_cast<uint16_t>((more ? 0x2000 : 0) | offset / 8))
                      .identification(77)
                      .payload_of(length)
                : builder.fragment_header(offset, more, 77).payload_of(length);
  };
  EXPECT_EQ(send(piece(at.client, at.vip, 64, false, 40), kPods).verdict, Verdict::fragment) << "before its first";
  const Sent first = send(piece(at.client, at.vip, 0, true, 56), kPods);
  EXPECT_EQ(first.verdict, Verdict::request);
  EXPECT_EQ(hex(first.bytes),
            hex(piece(at.client, at.endpoint, 0, true, 56).ttl(63).addresses(kUplinkAddresses).bytes()));
  const Sent second = send(piece(at.client, at.vip, 64, false, 40), kPods);
  EXPECT_EQ(second.verdict, Verdict::request);
  EXPECT_EQ(hex(second.bytes),
            hex(piece(at.client, at.endpoint, 64, false, 40).ttl(63).addresses(kUplinkAddresses).bytes()));
  EXPECT_EQ(send(piece(at.endpoint, at.client, 0, true, 56), kUplink).verdict, Verdict::reply);
  const Sent reply = send(piece(at.endpoint, at.client, 64, false, 40), kUplink);
  EXPECT_EQ(hex(reply.bytes), hex(piece(at.vip, at.client, 64, false, 40).ttl(63).addresses(kPodsAddresses).bytes()));
  EXPECT_EQ(bed.pipeline().active_flows(), 1U);
  now += std::chrono::seconds(61);
  EXPECT_EQ(send(piece(at.client, at.vip, 64, false, 40), kPods).verdict, Verdict::fragment) << "too late";
}

INSTANTIATE_TEST_SUITE_P(Families, Errors,
                         testing::Values(Ends{"Ipv4", "10.1.0.1:1024", "10.96.0.1:53", "10.2.0.1:53", "10.2.9.9:0", 3},
                                         Ends{"Ipv6", "[fd00:1::1]:1024", "[fd00:96::1]:53", "[fd00:2::1]:53",
                                              "[fd00:2:9::9]:0", 1}),
                         [](const auto& family) { return family.param.name; });

}  // namespace
}  // namespace weft::test
