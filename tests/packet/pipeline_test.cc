// SPDX-License-Identifier: Apache-2.0
/// @file Translation both ways, byte for byte, and what is not translated.
#include "l4/pipeline.h"

#include "pipeline_fixture.h"

namespace weft::test {
namespace {

using lb::Protocol;
using std::chrono::milliseconds;

/// One way to dress a packet up; it must come out as it went in, but for addresses, port, time to live and checksums.
struct Dress {
  const char* name;
  PacketBuilder (*on)(PacketBuilder);
};

void PrintTo(const Dress& dress, std::ostream* out) {
  *out << dress.name;
}

class Translation : public PipelineTest, public ::testing::WithParamInterface<Dress> {};

TEST_P(Translation, IsExactForTcpBothWays) {
  const auto dressed = GetParam().on;
  const Sent request = send(dressed(tcp(kClient, kWeb).flags(kSyn)));
  ASSERT_EQ(request.verdict, Verdict::request);
  EXPECT_EQ(request.egress, kUplink);
  expect_bytes(request.bytes, dressed(tcp(kClient, kWebEndpoint).flags(kSyn)).ttl(63).addresses(kUplinkAddresses));
  const Sent reply = send(dressed(tcp(kWebEndpoint, kClient).flags(kSyn | kAck)), kUplink);
  ASSERT_EQ(reply.verdict, Verdict::reply);
  EXPECT_EQ(reply.egress, kPods);
  expect_bytes(reply.bytes, dressed(tcp(kWeb, kClient).flags(kSyn | kAck)).ttl(63).addresses(kPodsAddresses));
}

TEST_P(Translation, IsExactForUdpBothWays) {
  const auto dressed = GetParam().on;
  const Sent request = send(dressed(udp(kClient, kDns)));
  ASSERT_EQ(request.verdict, Verdict::request);
  EXPECT_EQ(request.egress, kUplink);
  expect_bytes(request.bytes, dressed(udp(kClient, kDnsEndpoint)).ttl(63).addresses(kUplinkAddresses));
  const Sent reply = send(dressed(udp(kDnsEndpoint, kClient)), kUplink);
  ASSERT_EQ(reply.verdict, Verdict::reply);
  EXPECT_EQ(reply.egress, kPods);
  expect_bytes(reply.bytes, dressed(udp(kDns, kClient)).ttl(63).addresses(kPodsAddresses));
}

INSTANTIATE_TEST_SUITE_P(
    Dresses, Translation,
    ::testing::Values(Dress{"Bare", [](PacketBuilder p) { return p; }},
                      Dress{"EvenPayload", [](PacketBuilder p) { return p.payload("ping"); }},
                      Dress{"OddPayload", [](PacketBuilder p) { return p.payload("pings"); }},
                      Dress{"FullFrame", [](PacketBuilder p) { return p.payload_of(1400); }},
                      Dress{"JumboFrame", [](PacketBuilder p) { return p.payload_of(8900); }},
                      Dress{"Padding", [](PacketBuilder p) { return p.padding(6); }},
                      Dress{"IpOptions", [](PacketBuilder p) { return p.ip_options(4).payload("abc"); }},
                      Dress{"MostIpOptions", [](PacketBuilder p) { return p.ip_options(40).payload("abc"); }},
                      Dress{"TcpOptions", [](PacketBuilder p) { return p.tcp_options(40).payload("abc"); }},
                      Dress{"DontFragment", [](PacketBuilder p) { return p.fragment(0x4000); }},
                      Dress{"ReservedFlag", [](PacketBuilder p) { return p.fragment(0x8000); }}),
    [](const auto& tested) { return std::string(tested.param.name); });

TEST_F(PipelineTest, AUdpPacketWithoutAChecksumStaysWithout) {
  expect_bytes(send(udp(kClient, kDns).transport_checksum(0).payload("q")).bytes,
               udp(kClient, kDnsEndpoint).transport_checksum(0).payload("q").ttl(63).addresses(kUplinkAddresses));
  expect_bytes(send(udp(kDnsEndpoint, kClient).transport_checksum(0).payload("a"), kUplink).bytes,
               udp(kDns, kClient).transport_checksum(0).payload("a").ttl(63).addresses(kPodsAddresses));
}

/// The two payload bytes with which a datagram's checksum computes to 0.
Bytes payload_summing_to_zero(const Socket& source, const Socket& destination) {
  for (uint32_t word = 0; word <= 0xffff; ++word) {
    const Bytes payload = {static_cast<std::byte>(word >> 8), static_cast<std::byte>(word)};
    const Bytes frame = udp(source, destination).payload(payload).bytes();
    if (frame[40] == std::byte{0xff} && frame[41] == std::byte{0xff}) {
      return payload;
    }
  }
  ADD_FAILURE() << "no such payload";
  return {};
}

TEST_F(PipelineTest, AUdpChecksumThatComputesToZeroIsSentAsItsOtherForm) {
  const Bytes asking = payload_summing_to_zero(kClient, kDnsEndpoint);
  expect_bytes(
      send(udp(kClient, kDns).payload(asking)).bytes,
      udp(kClient, kDnsEndpoint).payload(asking).transport_checksum(0xffff).ttl(63).addresses(kUplinkAddresses));
  const Bytes answering = payload_summing_to_zero(kDns, kClient);
  expect_bytes(send(udp(kDnsEndpoint, kClient).payload(answering), kUplink).bytes,
               udp(kDns, kClient).payload(answering).transport_checksum(0xffff).ttl(63).addresses(kPodsAddresses));
  const Bytes arriving = payload_summing_to_zero(kClient, kDns);
  expect_bytes(send(udp(kClient, kDns).payload(arriving)).bytes,
               udp(kClient, kDnsEndpoint).payload(arriving).ttl(63).addresses(kUplinkAddresses));
}

TEST_F(PipelineTest, AWrongTransportChecksumStaysWrong) {
  const Sent sent = send(tcp(kClient, kWeb).flags(kSyn).transport_checksum(0x1234));
  ASSERT_EQ(sent.verdict, Verdict::request);
  const Bytes right = tcp(kClient, kWebEndpoint).flags(kSyn).ttl(63).addresses(kUplinkAddresses).bytes();
  EXPECT_NE(Bytes(sent.bytes.begin() + 50, sent.bytes.begin() + 52), Bytes(right.begin() + 50, right.begin() + 52));
}

TEST_F(PipelineTest, TheTimeToLiveGoesDownAndEndsAtOne) {
  expect_bytes(send(udp(kClient, kDns).ttl(2)).bytes, udp(kClient, kDnsEndpoint).ttl(1).addresses(kUplinkAddresses));
  expect_bytes(send(udp(kClient, kDns).ttl(255)).bytes,
               udp(kClient, kDnsEndpoint).ttl(254).addresses(kUplinkAddresses));
  for (const uint8_t hops : {0, 1}) {
    EXPECT_EQ(send(udp(kClient, kDns).ttl(hops)).verdict, Verdict::ttl_expired);
    EXPECT_EQ(send(udp(kDnsEndpoint, kClient).ttl(hops), kUplink).verdict, Verdict::ttl_expired);
  }
  EXPECT_EQ(flow(kClient, kDns, Protocol::udp)->state, flow::State::udp_request) << "the reply did not get through";
}

TEST_F(PipelineTest, APacketWhoseTimeEndsHereBeginsAndEndsNoFlow) {
  EXPECT_EQ(send(tcp(kClient, kWeb).flags(kSyn).ttl(1)).verdict, Verdict::ttl_expired);
  EXPECT_EQ(bed.flows().size(), 0U);
  establish();
  send(tcp(kClient, kWeb).flags(kRst));
  EXPECT_EQ(send(tcp(kClient, kWeb).flags(kSyn).ttl(1)).verdict, Verdict::ttl_expired);
  EXPECT_EQ(flow(kClient, kWeb)->state, flow::State::tcp_reset);
  EXPECT_EQ(bed.counters().endpoint[0].flows.get(), 1U);
}

TEST_F(PipelineTest, AnEndpointBehindNoKnownNetworkIsReachedWhereTheClientIs) {
  snapshot = make_snapshot({make_service(kWeb, Protocol::tcp, 0, {{"10.3.0.1:8080", 0}})});
  for (const uint8_t port : {kPods, kUplink}) {
    const Socket client(lb::address_from_host(0x0a010001U + port), 1024);
    EXPECT_EQ(send(tcp(client, kWeb).flags(kSyn), port).egress, port);
    const Sent reply = send(tcp("10.3.0.1:8080", client).flags(kSyn | kAck), kUplink);
    EXPECT_EQ(reply.verdict, Verdict::reply);
    EXPECT_EQ(reply.egress, port) << "replies leave where their client is, wherever they come from";
  }
}

TEST_F(PipelineTest, WhatIsNotForWeftGoesToTheKernelOrNowhere) {
  const std::vector<PacketBuilder> strangers = {
      tcp("10.1.0.1:1024", "10.9.0.1:80").flags(kSyn),
      udp("10.1.0.1:1024", "10.9.0.1:80"),
      icmp("10.1.0.1", "10.9.0.1"),
      tcp("10.1.0.1:1024", "10.9.0.1:80").fragment(0x2000),
      PacketBuilder(47, "10.1.0.1", "10.9.0.1").payload("gre"),
      udp("127.0.0.1:1", "10.9.0.1:80"),
      tcp(kWebEndpoint, kClient),  // a reply of no flow
      tcp(kClient, kWeb).ethernet_type(0x0806),
      tcp(kClient, kWeb).ethernet_type(0x8100),
      udp(kClient, "10.9.0.1:80").ttl(1),
  };
  for (const PacketBuilder& stranger : strangers) {
    Bytes expected = stranger.bytes();
    std::transform(kPodsAddresses.begin(), kPodsAddresses.end(), expected.begin(),
                   [](uint8_t byte) { return static_cast<std::byte>(byte); });
    const Sent passed = send(stranger, kPods);
    EXPECT_EQ(passed.verdict, Verdict::passed);
    EXPECT_EQ(passed.egress, kPods);
    EXPECT_EQ(hex(passed.bytes), hex(expected));
    EXPECT_EQ(send(stranger, kUplink).verdict, Verdict::not_ours);
  }
  EXPECT_EQ(bed.flows().size(), 0U);
}

TEST_F(PipelineTest, NoClientHasSuchAnAddress) {
  for (const char* source : {"0.0.0.0:9", "0.1.2.3:9", "127.0.0.1:9", "127.255.255.255:9", "224.0.0.1:9",
                             "239.255.255.255:9", "240.0.0.1:9", "255.255.255.255:9", kWeb, kEmpty}) {
    EXPECT_EQ(send(tcp(source, kWeb).flags(kSyn)).verdict, Verdict::bad_source) << source;
    EXPECT_EQ(send(udp(source, kDns)).verdict, Verdict::bad_source) << source;
    EXPECT_EQ(send(udp(source, kEmpty)).verdict, Verdict::bad_source) << source << ": nothing is answered";
    EXPECT_EQ(send(tcp(source, "10.96.0.1:81").flags(kSyn)).verdict, Verdict::bad_source) << source;
    EXPECT_EQ(send(icmp(source, kWeb)).verdict, Verdict::bad_source) << source;
    EXPECT_EQ(send(udp(source, kDns).fragment(0x2000)).verdict, Verdict::bad_source) << source;
  }
  for (const char* source : {"1.0.0.0:9", "126.255.255.255:9", "128.0.0.0:9", "223.255.255.255:9"}) {
    EXPECT_EQ(send(udp(source, kDns)).verdict, Verdict::request) << source;
  }
}

TEST_F(PipelineTest, OneReplyTupleBelongsToOneFlow) {
  establish();
  EXPECT_EQ(send(tcp(kClient, kWebAgain).flags(kSyn)).verdict, Verdict::tuple_conflict);
  EXPECT_EQ(send(tcp(kClient, kWebAgain)).verdict, Verdict::tuple_conflict) << "adoption neither";
  const Sent reply = send(tcp(kWebEndpoint, kClient), kUplink);
  EXPECT_EQ(reply.verdict, Verdict::reply);
  expect_bytes(reply.bytes, tcp(kWeb, kClient).ttl(63).addresses(kPodsAddresses));
  EXPECT_EQ(send(tcp("10.1.0.1:1025", kWebAgain).flags(kSyn)).verdict, Verdict::request) << "another port";
}

TEST_F(PipelineTest, AFlowThatIsOverGivesUpItsReplyTuple) {
  establish();
  send(tcp(kClient, kWeb).flags(kFin | kAck));
  EXPECT_EQ(send(tcp(kClient, kWebAgain).flags(kSyn)).verdict, Verdict::tuple_conflict) << "half closed";
  send(tcp(kWebEndpoint, kClient).flags(kFin | kAck), kUplink);
  EXPECT_EQ(send(tcp(kClient, kWebAgain).flags(kSyn)).verdict, Verdict::request);
  EXPECT_EQ(flow(kClient, kWeb), nullptr);
  EXPECT_EQ(bed.flows().size(), 1U);
  expect_bytes(send(tcp(kWebEndpoint, kClient).flags(kSyn | kAck), kUplink).bytes,
               tcp(kWebAgain, kClient).flags(kSyn | kAck).ttl(63).addresses(kPodsAddresses));
}

TEST_F(PipelineTest, AnExpiredFlowGivesUpItsReplyTuple) {
  establish();
  wait(flow::Timeouts{}.tcp_established + milliseconds(1));
  EXPECT_EQ(send(tcp(kClient, kWebAgain).flags(kSyn)).verdict, Verdict::request);
  EXPECT_EQ(bed.flows().size(), 1U);
  EXPECT_EQ(bed.counters().endpoint[0].active_flows.get(), 0U);
  EXPECT_EQ(bed.counters().endpoint[2].active_flows.get(), 1U);
}

TEST_F(PipelineTest, FlowsExpireAndAreSwept) {
  send(udp(kClient, kDns));
  wait(flow::Timeouts{}.udp_request);
  EXPECT_NE(flow(kClient, kDns, Protocol::udp), nullptr);
  sweep_all();
  EXPECT_EQ(bed.flows().size(), 1U);
  wait(milliseconds(1));
  EXPECT_EQ(flow(kClient, kDns, Protocol::udp), nullptr);
  EXPECT_EQ(send(udp(kDnsEndpoint, kClient), kUplink).verdict, Verdict::not_ours) << "no reply to a flow past its time";
  EXPECT_EQ(bed.flows().size(), 1U);
  sweep_all();
  EXPECT_EQ(bed.flows().size(), 0U);
  EXPECT_EQ(bed.counters().endpoint[1].active_flows.get(), 0U);
  EXPECT_EQ(bed.counters().service[kDnsSlot].active_flows.get(), 0U);
}

TEST_F(PipelineTest, AReplyMakesAUdpFlowLiveLonger) {
  send(udp(kClient, kDns));
  send(udp(kDnsEndpoint, kClient), kUplink);
  EXPECT_EQ(flow(kClient, kDns, Protocol::udp)->state, flow::State::udp_exchange);
  wait(flow::Timeouts{}.udp_exchange);
  EXPECT_EQ(send(udp(kDnsEndpoint, kClient), kUplink).verdict, Verdict::reply);
  wait(flow::Timeouts{}.udp_exchange);
  EXPECT_EQ(send(udp(kClient, kDns)).verdict, Verdict::request) << "each packet starts the time anew";
  EXPECT_EQ(bed.counters().endpoint[1].flows.get(), 1U);
}

/// A UDP client may never stop and has no connection to break: it follows the registry once its endpoint is gone from
/// it.
TEST_F(PipelineTest, AUdpFlowLeavesAnEndpointThatIsGoneAndNoOther) {
  constexpr const char* kOther = "10.2.0.3:5353";
  const auto to = [&](const char* endpoint) {
    expect_bytes(send(udp(kClient, kDns)).bytes, udp(kClient, endpoint).ttl(63).addresses(kUplinkAddresses));
  };
  to(kDnsEndpoint);
  for (const lb::EndpointState state : {lb::EndpointState::draining, lb::EndpointState::not_ready}) {
    snapshot = make_snapshot({make_service(kDns, Protocol::udp, kDnsSlot, {{kDnsEndpoint, 1, state}, {kOther, 4}})}, 2);
    to(kDnsEndpoint);
  }
  snapshot = make_snapshot({make_service(kDns, Protocol::udp, kDnsSlot, {{kOther, 4}})}, 3);
  EXPECT_EQ(send(udp(kDnsEndpoint, kClient), kUplink).verdict, Verdict::reply) << "its last answers pass";
  to(kOther);
  EXPECT_EQ(send(udp(kDnsEndpoint, kClient), kUplink).verdict, Verdict::not_ours);
  EXPECT_EQ(send(udp(kOther, kClient), kUplink).verdict, Verdict::reply);
  EXPECT_EQ(bed.flows().size(), 1U);
  EXPECT_EQ(bed.counters().endpoint[1].active_flows.get(), 0U);
  snapshot = make_snapshot({make_service(kDns, Protocol::udp, kDnsSlot, {})}, 4);
  EXPECT_EQ(send(udp(kClient, kDns)).verdict, Verdict::refused_no_endpoint);
  EXPECT_EQ(bed.flows().size(), 0U);
}

TEST_F(PipelineTest, AUdpFlowLeavesAnEndpointThatLeftTheRegistry) {
  constexpr const char* kOther = "10.2.0.9:5353";
  send(udp(kClient, kDns));
  send(udp(kDnsEndpoint, kClient), kUplink);
  snapshot = make_snapshot({make_service(kDns, Protocol::udp, kDnsSlot, {{kOther, 8}})}, 2);
  expect_bytes(send(udp(kClient, kDns)).bytes, udp(kClient, kOther).ttl(63).addresses(kUplinkAddresses));
  EXPECT_EQ(send(udp(kDnsEndpoint, kClient), kUplink).verdict, Verdict::not_ours) << "no reply from where it left";
  expect_bytes(send(udp(kOther, kClient), kUplink).bytes, udp(kDns, kClient).ttl(63).addresses(kPodsAddresses));
  EXPECT_EQ(bed.counters().endpoint[1].active_flows.get(), 0U);
}

TEST_F(PipelineTest, AUdpFlowStaysWithAnEndpointThatDrains) {
  send(udp(kClient, kDns));
  lb::Service draining = make_service(kDns, Protocol::udp, kDnsSlot, {{"10.2.0.9:5353", 8}});
  draining.endpoints.push_back({.state = lb::EndpointState::draining, .slot = 1});
  snapshot = make_snapshot({draining}, 2);
  expect_bytes(send(udp(kClient, kDns)).bytes, udp(kClient, kDnsEndpoint).ttl(63).addresses(kUplinkAddresses));
}

TEST_F(PipelineTest, CountsPacketsAndBytesByEndpointAndDirection) {
  send(udp(kClient, kDns).payload("12345").padding(13));
  send(udp(kClient, kDns));
  send(udp(kDnsEndpoint, kClient).payload_of(100), kUplink);
  const l4::EndpointCounters& endpoint = bed.counters().endpoint[1];
  EXPECT_EQ(endpoint.flows.get(), 1U);
  EXPECT_EQ(endpoint.packets[0].get(), 2U);
  EXPECT_EQ(endpoint.packets[1].get(), 1U);
  EXPECT_EQ(endpoint.bytes[0].get(), 33U + 28U);
  EXPECT_EQ(endpoint.bytes[1].get(), 128U);
  EXPECT_EQ(bed.counters().service[kDnsSlot].flows.get(), 1U);
  const flow::Flow4* found = flow(kClient, kDns, Protocol::udp);
  ASSERT_NE(found, nullptr);
  EXPECT_THAT(found->packets, ::testing::ElementsAre(2, 1));
}

TEST(PipelineFull, AFullTableRefusesTheNewAndKeepsTheOld) {
  PipelineBed bed({.flows = 16});
  const auto snapshot = make_snapshot({make_service(kDns, Protocol::udp, kDnsSlot, {{kDnsEndpoint, 1}})});
  const time::Time now = std::chrono::seconds(1000);
  const auto send = [&](uint16_t port, time::Time at) {
    const Bytes frame = udp({lb::parse_ipv4("10.1.0.1").value(), port}, kDns).bytes();
    return bed.process({&frame, 1}, kPods, *snapshot, at).front().verdict;
  };
  for (uint16_t port = 1; port <= 16; ++port) {
    EXPECT_EQ(send(port, now), Verdict::request);
  }
  for (uint16_t port = 17; port <= 100; ++port) {
    EXPECT_EQ(send(port, now), Verdict::table_full);
  }
  for (uint16_t port = 1; port <= 16; ++port) {
    EXPECT_EQ(send(port, now), Verdict::request);
  }
  EXPECT_EQ(bed.flows().size(), bed.flows().capacity());
  EXPECT_EQ(bed.count(Verdict::table_full), 84U);
  EXPECT_EQ(bed.counters().endpoint[1].flows.get(), 16U);
  bed.sweep(16, now + std::chrono::seconds(31));
  EXPECT_EQ(send(17, now + std::chrono::seconds(31)), Verdict::request) << "room again";
  EXPECT_EQ(bed.imbalance(), "");
}

TEST(PipelineBurst, EachPacketOfABurstSeesWhatThoseBeforeItDid) {
  PipelineBed bed({});
  const auto snapshot = make_snapshot(small_mesh());
  const std::vector<Bytes> burst = {tcp(kClient, kWeb).flags(kSyn).bytes(),
                                    tcp(kClient, kWeb).flags(kSyn).bytes(),  // a new flow, twice
                                    tcp(kClient, kWeb).flags(kRst).bytes(),
                                    tcp(kClient, kWeb).flags(kSyn).bytes(),  // ended, begun again
                                    tcp(kWebEndpoint, kClient).bytes(),
                                    tcp(kClient, kWebAgain).flags(kSyn).bytes(),
                                    udp(kClient, kEmpty).bytes(),
                                    tcp(kClient, kWeb).version(5).bytes(),
                                    icmp(kClient, kWeb).bytes(),
                                    udp(kClient, "10.9.0.1:1").bytes()};
  std::vector<Verdict> verdicts;
  for (const PipelineBed::Sent& sent : bed.process(burst, kPods, *snapshot, std::chrono::seconds(1))) {
    verdicts.push_back(sent.verdict);
  }
  EXPECT_THAT(verdicts, ::testing::ElementsAre(Verdict::request, Verdict::request, Verdict::request, Verdict::request,
                                               Verdict::reply, Verdict::tuple_conflict, Verdict::refused_no_endpoint,
                                               Verdict::bad_version, Verdict::echo_reply, Verdict::passed));
  EXPECT_EQ(bed.counters().endpoint[0].flows.get(), 2U);
  EXPECT_EQ(bed.flows().size(), 1U);
  EXPECT_EQ(bed.imbalance(), "");
}

}  // namespace
}  // namespace weft::test
