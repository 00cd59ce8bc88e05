// SPDX-License-Identifier: Apache-2.0
/// @file Input is hostile: every way in which a packet can be wrong has its row, its verdict, and touches no flow.
///
/// Frames end where their heap blocks end (see pipeline_bed.h): with AddressSanitizer, reading one byte more fails.
#include "pipeline_fixture.h"

namespace weft::test {
namespace {

struct Row {
  const char* name;
  PacketBuilder frame;
  Verdict verdict;
};

void PrintTo(const Row& row, std::ostream* out) {
  *out << row.name;
}

PacketBuilder to_web() {
  return tcp(kClient, kWeb).flags(kSyn);
}
PacketBuilder to_dns() {
  return udp(kClient, kDns);
}

/// Of IPv6, towards a virtual address too.
PacketBuilder to_web6() {
  return tcp("[fd00:1::1]:1024", "[fd00:96::1]:80").flags(kSyn);
}
PacketBuilder to_dns6() {
  return udp("[fd00:1::1]:1024", "[fd00:96::1]:53");
}

class Malformed : public PipelineTest, public ::testing::WithParamInterface<Row> {
 protected:
  Malformed() {
    std::vector<lb::Service> services = small_mesh();
    services.push_back(make_service("[fd00:96::1]:80", lb::Protocol::tcp, 7, {{"[fd00:2::1]:8080", 4}}));
    services.push_back(make_service("[fd00:96::1]:53", lb::Protocol::udp, 8, {{"[fd00:2::2]:5353", 5}}));
    snapshot = make_snapshot(services);
  }
};

TEST_P(Malformed, HasItsVerdict) {
  EXPECT_EQ(send(GetParam().frame, kPods, 0).verdict, GetParam().verdict);
  EXPECT_EQ(bed.count(GetParam().verdict), 1U);
  EXPECT_EQ(bed.pipeline().active_flows(), 0U);
}

TEST_P(Malformed, LeavesAnEstablishedFlowAlone) {
  establish();
  const flow::Flow4 before = *flow(kClient, kWeb);
  wait(std::chrono::milliseconds(5));
  EXPECT_EQ(send(GetParam().frame, kPods, 0).verdict, GetParam().verdict);
  const flow::Flow4* after = flow(kClient, kWeb);
  ASSERT_NE(after, nullptr);
  EXPECT_EQ(after->last_seen, before.last_seen);
  EXPECT_EQ(after->state, before.state);
}

INSTANTIATE_TEST_SUITE_P(
    Frames, Malformed,
    ::testing::Values(
        Row{"Empty", to_web().cut_to(0), Verdict::truncated},
        Row{"ByteOfEthernet", to_web().cut_to(1), Verdict::truncated},
        Row{"AlmostEthernet", to_web().cut_to(13), Verdict::truncated},
        Row{"EthernetAlone", to_web().cut_to(14), Verdict::truncated},
        Row{"AlmostIpv4", to_web().cut_to(33), Verdict::truncated},
        Row{"Ipv4Alone", to_web().cut_to(34), Verdict::truncated},
        Row{"AlmostTcp", to_web().cut_to(53), Verdict::truncated},
        Row{"PayloadCut", to_web().payload("abc").cut_to(56), Verdict::truncated},
        Row{"OptionsCut", to_web().ip_options(40).cut_to(73), Verdict::truncated},
        Row{"ShortOfAnotherType", to_web().ethernet_type(0x0806).cut_to(13), Verdict::truncated},
        Row{"Version0", to_web().version(0), Verdict::bad_version},
        Row{"Version5", to_web().version(5), Verdict::bad_version},
        Row{"Version6", to_web().version(6), Verdict::bad_version},
        Row{"NoHeaderLength", to_web().header_words(0), Verdict::bad_header_length},
        Row{"ShortHeaderLength", to_web().header_words(4), Verdict::bad_header_length},
        Row{"HeaderBeyondTheFrame", to_web().header_words(15), Verdict::truncated},
        Row{"HeaderBeyondTheTotalLength", to_web().header_words(6).total_length(23), Verdict::bad_total_length},
        Row{"NoTotalLength", to_web().total_length(0), Verdict::bad_total_length},
        Row{"ShortTotalLength", to_web().total_length(19), Verdict::bad_total_length},
        Row{"TotalLengthWithoutOptions", to_web().ip_options(4).total_length(20), Verdict::bad_total_length},
        Row{"TotalLengthBeyondTheFrame", to_web().total_length(41), Verdict::truncated},
        Row{"LongestTotalLength", to_web().total_length(65535), Verdict::truncated},
        Row{"HeaderChecksum", to_web().ip_checksum(0x1234), Verdict::bad_checksum},
        Row{"NoHeaderChecksum", to_web().ip_checksum(0), Verdict::bad_checksum},
        Row{"HeaderChecksumWithOptions", to_web().ip_options(8).ip_checksum(0x1234), Verdict::bad_checksum},
        Row{"NoTcpHeader", to_web().total_length(20), Verdict::truncated},
        Row{"TcpHeaderBeyondTheTotalLength", to_web().total_length(39), Verdict::truncated},
        Row{"NoDataOffset", to_web().data_offset(0), Verdict::bad_header_length},
        Row{"ShortDataOffset", to_web().data_offset(4), Verdict::bad_header_length},
        Row{"DataOffsetBeyondTheSegment", to_web().data_offset(6), Verdict::truncated},
        Row{"LongestDataOffset", to_web().payload_of(39).data_offset(15), Verdict::truncated},
        Row{"NoUdpHeader", to_dns().total_length(20), Verdict::truncated},
        Row{"UdpHeaderBeyondTheTotalLength", to_dns().total_length(27), Verdict::truncated},
        Row{"NoUdpLength", to_dns().udp_length(0), Verdict::bad_total_length},
        Row{"ShortUdpLength", to_dns().udp_length(7), Verdict::bad_total_length},
        Row{"UdpLengthBeyondTheDatagram", to_dns().payload("abc").udp_length(12), Verdict::bad_total_length},
        Row{"UdpLengthIntoThePadding", to_dns().padding(8).udp_length(16), Verdict::bad_total_length},
        Row{"NoIcmpHeader", icmp(kClient, kWeb).total_length(20), Verdict::truncated},
        Row{"IcmpHeaderBeyondTheTotalLength", icmp(kClient, kWeb).total_length(27), Verdict::truncated},
        Row{"MiddleFragment", to_dns().payload_of(64).fragment(0x2001), Verdict::fragment},
        Row{"LastFragment", to_dns().payload_of(64).fragment(0x0fff), Verdict::fragment},
        Row{"FragmentOfMoreThanADatagram", to_dns().payload_of(64).fragment(0x1fff), Verdict::bad_total_length},
        Row{"UnknownProtocol", PacketBuilder(47, kClient, kWeb).payload("gre"), Verdict::other_protocol},
        Row{"Ipv4InIpv4", PacketBuilder(4, kClient, kWeb), Verdict::other_protocol},
        Row{"ProtocolZero", PacketBuilder(0, kClient, kWeb), Verdict::other_protocol}),
    [](const auto& tested) { return std::string(tested.param.name); });

constexpr uint16_t kIpv6Type = 0x86dd;
constexpr std::array<std::byte, 7> kOf64Bytes = {std::byte{7}};  // it says so, and has 8

INSTANTIATE_TEST_SUITE_P(
    FramesOfIpv6, Malformed,
    ::testing::Values(
        Row{"AlmostIpv6", to_web6().cut_to(53), Verdict::truncated},
        Row{"Ipv6Alone", to_web6().cut_to(54), Verdict::truncated},
        Row{"AlmostTcp6", to_web6().cut_to(73), Verdict::truncated},
        Row{"Ipv4InTheFrameOfIpv6", to_web().ethernet_type(kIpv6Type).padding(20), Verdict::bad_version},
        Row{"Version4", to_web6().version(4), Verdict::bad_version},
        Row{"Version7", to_web6().version(7), Verdict::bad_version},
        Row{"PayloadLengthBeyondTheFrame", to_web6().payload_length(21), Verdict::truncated},
        Row{"LongestPayloadLength", to_web6().payload_length(65495), Verdict::truncated},
        Row{"PayloadLengthOfMoreThanADatagram", to_web6().payload_length(65535), Verdict::bad_total_length},
        Row{"NoPayload", to_web6().payload_length(0), Verdict::truncated},
        Row{"Jumbogram", to_web6().hop_by_hop().payload_length(0), Verdict::bad_total_length},
        Row{"TcpHeaderBeyondThePayload", to_web6().payload_length(19), Verdict::truncated},
        Row{"NoDataOffset6", to_web6().data_offset(0), Verdict::bad_header_length},
        Row{"DataOffsetBeyondTheSegment6", to_web6().data_offset(6), Verdict::truncated},
        Row{"UdpHeaderBeyondThePayload", to_dns6().payload_length(7), Verdict::truncated},
        Row{"NoUdpLength6", to_dns6().udp_length(0), Verdict::bad_total_length},
        Row{"UdpLengthBeyondTheDatagram6", to_dns6().payload("abc").udp_length(12), Verdict::bad_total_length},
        Row{"ExtensionCut", to_web6().hop_by_hop(64).payload_length(32), Verdict::truncated},
        Row{"ExtensionTwice", to_web6().hop_by_hop().hop_by_hop(), Verdict::bad_extension},
        Row{"ExtensionOutOfOrder", to_web6().destination_options().hop_by_hop(), Verdict::bad_extension},
        Row{"ExtensionBeyondThePacket", to_web6().extension(60, kOf64Bytes), Verdict::truncated},
        Row{"ExtensionsWithoutEnd", to_web6().destination_options(2048), Verdict::bad_extension},
        Row{"FragmentInAFragment", to_web6().fragment_header(0, false, 1).fragment_header(0, false, 1),
            Verdict::bad_extension},
        Row{"MiddleFragment6", to_dns6().payload_of(64).fragment_header(8, true, 1), Verdict::fragment},
        Row{"LastFragment6", to_dns6().payload_of(64).fragment_header(8, false, 1), Verdict::fragment},
        Row{"FragmentNotOfEights", to_dns6().payload_of(63).fragment_header(8, true, 1), Verdict::bad_total_length},
        Row{"FragmentOfMoreThanADatagram6", to_dns6().payload_of(64).fragment_header(65528, false, 1),
            Verdict::bad_total_length},
        Row{"NoNextHeader", PacketBuilder(59, "[fd00:1::1]:0", "[fd00:96::1]:0"), Verdict::other_protocol},
        Row{"UnknownProtocol6", PacketBuilder(47, "[fd00:1::1]:0", "[fd00:96::1]:0"), Verdict::other_protocol},
        Row{"Ipv6InIpv6", PacketBuilder(41, "[fd00:1::1]:0", "[fd00:96::1]:0"), Verdict::other_protocol},
        Row{"FromNobody", tcp("[::]:1024", "[fd00:96::1]:80").flags(kSyn), Verdict::bad_source},
        Row{"FromLoopback", tcp("[::1]:1024", "[fd00:96::1]:80").flags(kSyn), Verdict::bad_source},
        Row{"FromMulticast", tcp("[ff02::1]:1024", "[fd00:96::1]:80").flags(kSyn), Verdict::bad_source},
        Row{"FromItself", tcp("[fd00:96::1]:1024", "[fd00:96::1]:80").flags(kSyn), Verdict::bad_source}),
    [](const auto& tested) { return std::string(tested.param.name); });

TEST_F(PipelineTest, EveryFrameThatEndsEarlyIsTruncated) {
  for (const PacketBuilder& whole :
       {to_web().ip_options(12).tcp_options(16).payload("abc"), to_dns().ip_options(40).payload("abc"),
        icmp(kClient, kWeb).payload("abc"), udp(kClient, kEmpty).payload("abc"), tcp(kClient, kEmpty)}) {
    const size_t length = whole.bytes().size();
    for (size_t cut = 0; cut < length; ++cut) {
      EXPECT_EQ(send(PacketBuilder(whole).cut_to(cut), kPods, 0).verdict, Verdict::truncated) << cut;
    }
  }
  EXPECT_EQ(bed.flows().size(), 0U);
}

TEST_F(PipelineTest, MalformedPacketsAreNotPassedOn) {
  for (const Bytes& frame :
       {tcp(kClient, "10.9.0.1:80").ip_checksum(1).bytes(), tcp(kClient, "10.9.0.1:80").version(6).bytes(),
        tcp(kClient, "10.9.0.1:80").cut_to(30).bytes()}) {
    EXPECT_EQ(outcome_of(send(frame).verdict), l4::Outcome::dropped);
  }
}

TEST_F(PipelineTest, AUdpLengthShorterThanTheDatagramIsFine) {
  const Sent sent = send(to_dns().payload("abcdef").udp_length(11));
  EXPECT_EQ(sent.verdict, Verdict::request);
}

}  // namespace
}  // namespace weft::test
