// SPDX-License-Identifier: Apache-2.0
/// @file What weft says in a virtual address's name: echo replies, resets, port unreachable. Byte for byte.
#include "packet/answer.h"
#include "pipeline_fixture.h"

namespace weft::test {
namespace {

using lb::Protocol;

constexpr uint32_t kSequence = 0x7fffffff;
constexpr uint32_t kAcknowledgment = 0x89abcdef;

TEST_F(PipelineTest, AnEchoRequestToAVirtualAddressIsAnswered) {
  for (const size_t length : {0, 1, 56, 1400}) {
    const Sent sent = send(icmp(kClient, kWeb).icmp(8, 0, 0x12340001).payload_of(length));
    EXPECT_EQ(sent.verdict, Verdict::echo_reply);
    EXPECT_EQ(sent.egress, kPods);
    expect_bytes(sent.bytes, icmp(kWeb, kClient).icmp(0, 0, 0x12340001).payload_of(length).addresses(kPodsAddresses));
  }
  for (const uint8_t hops : {1, 63, 64, 65, 255}) {
    expect_bytes(send(icmp(kClient, kWeb).ttl(hops), kUplink).bytes,
                 icmp(kWeb, kClient).icmp(0, 0).ttl(64).addresses(kUplinkAddresses));
  }
  expect_bytes(send(icmp(kClient, kEmpty).ip_options(8).payload("x").padding(20)).bytes,
               icmp(kEmpty, kClient).icmp(0, 0).ip_options(8).payload("x").padding(20).addresses(kPodsAddresses));
  EXPECT_EQ(bed.flows().size(), 0U);
}

TEST_F(PipelineTest, NothingButAnEchoRequestToAVirtualAddressIsAnswered) {
  EXPECT_EQ(send(icmp(kClient, "10.96.0.99")).verdict, Verdict::passed);
  EXPECT_EQ(send(icmp(kClient, kWebEndpoint)).verdict, Verdict::passed) << "an endpoint answers for itself";
  EXPECT_EQ(send(icmp(kClient, kWebEndpoint), kUplink).verdict, Verdict::not_ours);
  for (const uint8_t type : {0, 3, 4, 5, 11, 12, 13, 17, 255}) {
    EXPECT_EQ(send(icmp(kClient, kWeb).icmp(type, 0)).verdict, Verdict::icmp) << int{type};
  }
  EXPECT_EQ(send(icmp(kClient, kWeb).icmp(8, 1)).verdict, Verdict::icmp);
  EXPECT_EQ(send(icmp(kClient, kWeb).payload_of(64).fragment(0x2000)).verdict, Verdict::fragment);
}

TEST_F(PipelineTest, AnEchoRequestWithAWrongChecksumIsDropped) {
  EXPECT_EQ(send(icmp(kClient, kWeb).transport_checksum(0x4321).payload("x")).verdict, Verdict::bad_checksum);
}

/// RFC 9293, section 3.10.7.1: "If the ACK bit is off, sequence number zero is used, <SEQ=0><ACK=SEG.SEQ+SEG.LEN>
/// <CTL=RST,ACK>. If the ACK bit is on, <SEQ=SEG.ACK><CTL=RST>."
struct ResetRow {
  const char* name;
  uint8_t flags;
  size_t payload;
  uint32_t sequence;        ///< of the reset
  uint32_t acknowledgment;  ///< of the reset
  uint8_t reset_flags;
};

constexpr ResetRow kResets[] = {
    {"Syn", kSyn, 0, 0, kSequence + 1, kRst | kAck},
    {"SynWithPayload", kSyn, 5, 0, kSequence + 6, kRst | kAck},
    {"Fin", kFin, 0, 0, kSequence + 1, kRst | kAck},
    {"SynFin", kSyn | kFin, 3, 0, kSequence + 5, kRst | kAck},
    {"NoFlags", 0, 3, 0, kSequence + 3, kRst | kAck},
    {"Ack", kAck, 0, kAcknowledgment, 0, kRst},
    {"AckWithPayload", kPsh | kAck, 100, kAcknowledgment, 0, kRst},
    {"FinAck", kFin | kAck, 0, kAcknowledgment, 0, kRst},
    {"SynAck", kSyn | kAck, 0, kAcknowledgment, 0, kRst},
};

void PrintTo(const ResetRow& row, std::ostream* out) {
  *out << row.name;
}

class Reset : public PipelineTest, public ::testing::WithParamInterface<ResetRow> {
 protected:
  PacketBuilder segment(const Socket& to) const {
    return tcp(kClient, to)
        .flags(GetParam().flags)
        .sequence(kSequence)
        .acknowledgment(kAcknowledgment)
        .payload_of(GetParam().payload);
  }
  PacketBuilder expected(const Socket& from) const {
    return tcp(from, kClient)
        .flags(GetParam().reset_flags)
        .sequence(GetParam().sequence)
        .acknowledgment(GetParam().acknowledgment)
        .window(0)
        .addresses(kPodsAddresses);
  }
};

TEST_P(Reset, IsWhatAServiceWithoutEndpointsAnswers) {
  const Sent sent = send(segment(kEmpty));
  EXPECT_EQ(sent.verdict, Verdict::refused_no_endpoint);
  EXPECT_EQ(sent.egress, kPods);
  expect_bytes(sent.bytes, expected(kEmpty));
  EXPECT_EQ(bed.counters().service[kEmptyTcpSlot].refused.get(), 1U);
  EXPECT_EQ(bed.flows().size(), 0U);
}

TEST_P(Reset, LooksThroughOptionsAndPaddingAndNeedsNoRoom) {
  const Sent sent = send(segment(kEmpty).ip_options(12).tcp_options(20).padding(9).ttl(1), kPods, 0);
  EXPECT_EQ(sent.verdict, Verdict::refused_no_endpoint);
  expect_bytes(sent.bytes, expected(kEmpty));
}

TEST_P(Reset, IsWhatAPortWithoutAServiceAnswers) {
  const Sent sent = send(segment("10.96.0.1:81"));
  EXPECT_EQ(sent.verdict, Verdict::refused_no_service_port);
  expect_bytes(sent.bytes, expected("10.96.0.1:81"));
}

TEST_P(Reset, IsWhatTheOnlyEndpointItselfIsAnswered) {
  const Sent sent = send(segment(kMirror));
  EXPECT_EQ(sent.verdict, Verdict::refused_only_itself);
  expect_bytes(sent.bytes, expected(kMirror));
}

INSTANTIATE_TEST_SUITE_P(Rfc9293, Reset, ::testing::ValuesIn(kResets),
                         [](const auto& tested) { return std::string(tested.param.name); });

TEST_F(PipelineTest, AResetAcknowledgesAcrossTheEndOfTheSequenceSpace) {
  expect_bytes(
      send(tcp(kClient, kEmpty).flags(kSyn).sequence(0xffffffff).payload("ab")).bytes,
      tcp(kEmpty, kClient).flags(kRst | kAck).sequence(0).acknowledgment(2).window(0).addresses(kPodsAddresses));
}

TEST_F(PipelineTest, NothingAnswersAReset) {
  for (const char* closed : {kEmpty, kMirror, "10.96.0.1:81"}) {
    for (const uint8_t flags : std::vector<uint8_t>{kRst, kRst | kAck, kRst | kSyn, kRst | kFin}) {
      EXPECT_EQ(send(tcp(kClient, closed).flags(flags)).verdict, Verdict::unanswerable);
    }
  }
}

TEST_F(PipelineTest, AResetHasARightChecksumWhateverTheSegmentHad) {
  expect_bytes(
      send(tcp(kClient, kEmpty).flags(kSyn).sequence(1).transport_checksum(0xdead)).bytes,
      tcp(kEmpty, kClient).flags(kRst | kAck).sequence(0).acknowledgment(2).window(0).addresses(kPodsAddresses));
}

/// RFC 792: the Internet header and what follows of the packet, here as much as 576 bytes hold (RFC 1812, 4.3.2.3).
PacketBuilder unreachable(const PacketBuilder& refused, const Socket& from, size_t quoted) {
  const Bytes frame = refused.bytes();
  return icmp(from, kClient).icmp(3, 3).payload(std::span(frame).subspan(14, quoted)).addresses(kPodsAddresses);
}

TEST_F(PipelineTest, AServiceWithoutEndpointsAnswersUdpWithPortUnreachable) {
  struct Row {
    size_t payload;
    size_t quoted;
  };
  for (const Row row : {Row{0, 28}, {1, 29}, {519, 547}, {520, 548}, {521, 548}, {1400, 548}}) {
    const PacketBuilder datagram = udp(kClient, kEmpty).payload_of(row.payload);
    const Sent sent = send(datagram);
    EXPECT_EQ(sent.verdict, Verdict::refused_no_endpoint);
    EXPECT_EQ(sent.egress, kPods);
    expect_bytes(sent.bytes, unreachable(datagram, kEmpty, row.quoted));
  }
  EXPECT_EQ(bed.counters().service[kEmptyUdpSlot].refused.get(), 6U);
}

TEST_F(PipelineTest, PortUnreachableQuotesOptionsAndNoPadding) {
  const PacketBuilder datagram = udp(kClient, kEmpty).ip_options(40).payload("abc");
  expect_bytes(send(PacketBuilder(datagram).padding(30)).bytes, unreachable(datagram, kEmpty, 71));
}

TEST_F(PipelineTest, EveryRefusalOfUdpIsToldByItsVerdict) {
  const PacketBuilder no_service = udp(kClient, "10.96.0.1:80");
  Sent sent = send(no_service);
  EXPECT_EQ(sent.verdict, Verdict::refused_no_service_port);
  expect_bytes(sent.bytes, unreachable(no_service, kWeb, 28));
  const PacketBuilder to_itself = udp(kClient, kMirror);
  sent = send(to_itself);
  EXPECT_EQ(sent.verdict, Verdict::refused_only_itself);
  expect_bytes(sent.bytes, unreachable(to_itself, kMirror, 28));
}

TEST_F(PipelineTest, PortUnreachableNeedsRoomBehindTheFrame) {
  const PacketBuilder small = udp(kClient, kEmpty).payload("abc");
  EXPECT_EQ(send(small, kPods, 27).verdict, Verdict::unanswerable);
  expect_bytes(send(small, kPods, packet::kUnreachableRoom).bytes, unreachable(small, kEmpty, 31));
  expect_bytes(send(PacketBuilder(small).padding(packet::kUnreachableRoom), kPods, 0).bytes,
               unreachable(small, kEmpty, 31));
  const PacketBuilder large = udp(kClient, kEmpty).payload_of(548);
  expect_bytes(send(large, kPods, 0).bytes, unreachable(large, kEmpty, 548));
}

}  // namespace
}  // namespace weft::test
