// SPDX-License-Identifier: Apache-2.0
/// @file ICMP errors translated, against errors freshly built about the packet as it was, in both families.
#include "packet/quote.h"

#include <gtest/gtest.h>

#include <memory>
#include <random>

#include "packet/answer.h"
#include "packet/headers.h"
#include "packet_builder.h"

namespace weft::packet {
namespace {

using lb::Family;
using lb::FlowKey4;
using lb::FlowKey6;
using lb::Protocol;
using test::Bytes;
using test::hex;
using test::PacketBuilder;
using test::Socket;

/// Who is in the play, and what differs between the families.
template <typename Key>
struct Cast;
template <>
struct Cast<FlowKey4> {
  static constexpr const char* kClient = "10.1.0.1:1024";
  static constexpr const char* kVip = "10.96.0.1:80";
  static constexpr const char* kNode = "10.0.0.7:40000";  // weft's own address, as fullnat's source
  static constexpr const char* kEndpoint = "10.2.0.1:8080";
  static constexpr const char* kRouter = "10.9.9.9";
  static constexpr uint8_t kUnreachable = 3;
  static constexpr size_t kHeader = 20;
  static lb::Ipv4Address address(const char* text) { return Socket(text).address.ipv4(); }
};
template <>
struct Cast<FlowKey6> {
  static constexpr const char* kClient = "[fd00:1::1]:1024";
  static constexpr const char* kVip = "[fd00:96::1]:80";
  static constexpr const char* kNode = "[fd00::7]:40000";
  static constexpr const char* kEndpoint = "[fd00:2::1]:8080";
  static constexpr const char* kRouter = "fd00:9::9";
  static constexpr uint8_t kUnreachable = 1;
  static constexpr size_t kHeader = 40;
  static lb::Ipv6Address address(const char* text) { return Socket(text).address.ipv6(); }
};

/// A frame in a heap block of its length.
struct QuotedBlock {
  std::unique_ptr<std::byte[]> bytes;
  size_t size;
  Parsed parsed;

  explicit QuotedBlock(const Bytes& frame) : bytes(std::make_unique<std::byte[]>(frame.size())), size(frame.size()) {
    std::copy(frame.begin(), frame.end(), bytes.get());
    parse(whole(), parsed);
  }
  std::span<std::byte> whole() { return {bytes.get(), size}; }
};

Bytes first(const PacketBuilder& packet, size_t length) {
  Bytes bytes = packet.ip();
  bytes.resize(std::min(bytes.size(), length));
  return bytes;
}

/// Does the quote say 0xffff for a checksum? That is 0's other form, which need not come back as it was.
bool has_all_ones(const Bytes& frame, const Quote& quote) {
  const bool tcp = (quote.family == Family::ipv4 ? quote.key4.protocol : quote.key6.protocol) == Protocol::tcp;
  const auto all_ones = [&](size_t at) { return frame[at] == std::byte{0xff} && frame[at + 1] == std::byte{0xff}; };
  return (quote.family == Family::ipv4 && all_ones(quote.ip_offset + 10U)) ||
         (quote.has_transport_checksum && all_ones(quote.l4_offset + (tcp ? 16U : 6U)));
}

template <typename Key>
class Quoted : public ::testing::Test, public Cast<Key> {};
using Keys = ::testing::Types<FlowKey4, FlowKey6>;
TYPED_TEST_SUITE(Quoted, Keys);

/// What a router says of a packet on its way to the endpoint is told to the client in its own terms: every length of
/// quote, both protocols, with and without a UDP checksum.
TYPED_TEST(Quoted, IsThePacketAsItsSenderSentIt) {
  using C = Cast<TypeParam>;
  for (const uint8_t protocol : {6, 17}) {
    for (const bool without_checksum : {false, true}) {
      const auto packet = [&](const char* from, const char* to) {
        PacketBuilder builder(protocol, from, to);
        builder.payload_of(13).identification(77).ttl(61);
        return without_checksum ? builder.transport_checksum(0) : builder;
      };
      for (size_t length = C::kHeader + 8; length <= C::kHeader + 40; ++length) {
        QuotedBlock block(test::icmp(C::kRouter, C::kNode)
                              .icmp(C::kUnreachable, 1, 0x01020304)
                              .payload(first(packet(C::kNode, C::kEndpoint), length))
                              .ttl(33)
                              .bytes());
        ASSERT_TRUE(is_icmp_error(block.whole(), block.parsed));
        Quote quote;
        ASSERT_TRUE(parse_quote(block.whole(), block.parsed, quote));
        EXPECT_EQ(quote.kind, Kind::transport);
        EXPECT_EQ(key_of<TypeParam>(quote), test::key_of<TypeParam>(C::kNode, C::kEndpoint, Protocol{protocol}));
        EXPECT_EQ(quote.l4_offset, quote.ip_offset + C::kHeader);
        EXPECT_EQ(quote.has_transport_checksum, length >= C::kHeader + (protocol == 6 ? 18 : 8));

        translate_quote(block.whole(), quote, block.parsed,
                        test::key_of<TypeParam>(C::kClient, C::kVip, Protocol{protocol}), C::address(C::kRouter),
                        C::address(C::kClient));
        // A TCP packet "without" checksum has one that is wrong, and stays so by the same difference. Half a checksum
        // is left as it is.
        const bool half = protocol == 6 && length == C::kHeader + 17;
        if ((!without_checksum || protocol == 17 || !quote.has_transport_checksum) && !half) {
          EXPECT_EQ(hex(block.whole()), hex(test::icmp(C::kRouter, C::kClient)
                                                .icmp(C::kUnreachable, 1, 0x01020304)
                                                .payload(first(packet(C::kClient, C::kVip), length))
                                                .ttl(32)
                                                .bytes()))
              << "quoted: " << length;
        }
        parse(block.whole(), block.parsed);
        EXPECT_TRUE(verify_icmp(block.whole(), block.parsed));
      }
    }
  }
}

/// A client that complains about a reply: the virtual address turns into the endpoint on its way there.
TYPED_TEST(Quoted, OfAReplyGoesToTheEndpoint) {
  using C = Cast<TypeParam>;
  QuotedBlock block(test::icmp(C::kClient, C::kVip)
                        .icmp(C::kUnreachable, 4)
                        .payload(test::tcp(C::kVip, C::kClient).payload("hello").ip())
                        .bytes());
  Quote quote;
  ASSERT_TRUE(parse_quote(block.whole(), block.parsed, quote));
  translate_quote(block.whole(), quote, block.parsed, test::key_of<TypeParam>(C::kEndpoint, C::kNode, Protocol::tcp),
                  C::address(C::kNode), C::address(C::kEndpoint));
  EXPECT_EQ(hex(block.whole()), hex(test::icmp(C::kNode, C::kEndpoint)
                                        .icmp(C::kUnreachable, 4)
                                        .payload(test::tcp(C::kEndpoint, C::kNode).payload("hello").ip())
                                        .ttl(63)
                                        .bytes()));
}

TYPED_TEST(Quoted, TooShortSaysNothing) {
  using C = Cast<TypeParam>;
  const PacketBuilder packet = test::udp(C::kNode, C::kEndpoint).payload_of(20);
  for (size_t length = 0; length < C::kHeader + 8; ++length) {
    // Behind the quote, within the frame but not the packet, there is more.
    QuotedBlock block(
        test::icmp(C::kRouter, C::kNode).icmp(C::kUnreachable, 1).payload(first(packet, length)).padding(64).bytes());
    Quote quote;
    EXPECT_FALSE(parse_quote(block.whole(), block.parsed, quote)) << length;
  }
}

TYPED_TEST(Quoted, OfWhatHasNoPortsSaysSo) {
  using C = Cast<TypeParam>;
  const auto kind_of = [](const PacketBuilder& packet) {
    QuotedBlock block(test::icmp(C::kRouter, C::kNode).icmp(C::kUnreachable, 1).payload(packet.ip()).bytes());
    Quote quote;
    EXPECT_TRUE(parse_quote(block.whole(), block.parsed, quote));
    EXPECT_EQ(key_of<TypeParam>(quote).source_port, lb::Port{});
    EXPECT_FALSE(quote.has_transport_checksum);
    return quote.kind;
  };
  EXPECT_EQ(kind_of(test::icmp(C::kNode, C::kEndpoint)), Kind::icmp);
  EXPECT_EQ(kind_of(PacketBuilder(47, C::kNode, C::kEndpoint).payload_of(8)), Kind::other_protocol);
}

TYPED_TEST(Quoted, BadChecksumsStayBad) {
  using C = Cast<TypeParam>;
  const Bytes good =
      test::icmp(C::kRouter, C::kNode).icmp(C::kUnreachable, 1).payload(test::tcp(C::kNode, C::kEndpoint).ip()).bytes();
  const auto to = test::key_of<TypeParam>(C::kClient, C::kVip, Protocol::tcp);
  for (const size_t at : {14 + C::kHeader + 2, 14 + C::kHeader + 3, 14 + C::kHeader + 5, good.size() - 1}) {
    Bytes bad = good;
    bad[at] ^= std::byte{0x20};
    QuotedBlock block(bad);
    Quote quote;
    ASSERT_TRUE(parse_quote(block.whole(), block.parsed, quote));
    EXPECT_FALSE(verify_icmp(block.whole(), block.parsed));
    translate_quote(block.whole(), quote, block.parsed, to, C::address(C::kRouter), C::address(C::kClient));
    parse(block.whole(), block.parsed);
    EXPECT_FALSE(verify_icmp(block.whole(), block.parsed));
  }
}

/// Any quote: nothing is read behind the frame, and what is translated has the checksums of error and header that it
/// should have. Then back: the same bytes, two hops on.
TYPED_TEST(Quoted, KeepsItsPromisesForAnyBytes) {
  using C = Cast<TypeParam>;
  std::mt19937 random(31);
  int translated = 0;
  for (int i = 0; i < 100'000; ++i) {
    PacketBuilder inner(static_cast<uint8_t>(random() % 4 == 0   ? random()
                                             : random() % 2 == 0 ? 6
                                                                 : 17),
                        C::kNode, C::kEndpoint);
    inner.payload_of(random() % 16).tcp_options(random() % 12);
    if (random() % 4 == 0) {
      inner.ip_options(random() % 41).hop_by_hop(8 * (random() % 3 + 1)).fragment_header(0, random() % 2 == 0, 7);
    }
    Bytes quoted = inner.ip();
    for (auto changes = random() % 3; changes > 0; --changes) {
      quoted[random() % quoted.size()] = static_cast<std::byte>(random());
    }
    quoted.resize(random() % 2 == 0 ? random() % (quoted.size() + 1) : quoted.size());
    const Bytes frame =
        test::icmp(C::kRouter, C::kNode).icmp(C::kUnreachable, 1).payload(quoted).ip_options(i % 3 * 4).bytes();
    QuotedBlock block(frame);
    Quote quote;
    if (!parse_quote(block.whole(), block.parsed, quote) || quote.kind != Kind::transport) {
      continue;
    }
    ++translated;
    auto to = TypeParam(key_of<TypeParam>(quote));
    const TypeParam before = to;
    for (auto* address : {&to.source, &to.destination}) {
      auto bytes = std::bit_cast<std::array<uint8_t, sizeof to.source>>(*address);
      for (uint8_t& byte : bytes) {
        byte = static_cast<uint8_t>(random() % 4 == 0 ? 0xff : random());
      }
      *address = std::bit_cast<typename TypeParam::Address>(bytes);
    }
    to.source_port = lb::Port{static_cast<uint16_t>(random())};
    translate_quote(block.whole(), quote, block.parsed, to, C::address(C::kEndpoint), C::address(C::kClient));
    parse(block.whole(), block.parsed);
    ASSERT_EQ(block.parsed.kind, Kind::icmp);
    ASSERT_TRUE(verify_icmp(block.whole(), block.parsed));
    ASSERT_TRUE(parse_quote(block.whole(), block.parsed, quote));
    ASSERT_EQ(key_of<TypeParam>(quote), to);

    const bool ambiguous = has_all_ones(frame, quote);
    translate_quote(block.whole(), quote, block.parsed, before, C::address(C::kRouter), C::address(C::kNode));
    ASSERT_TRUE(ambiguous ||
                hex(block.whole().subspan(quote.ip_offset)) == hex(std::span(frame).subspan(quote.ip_offset)))
        << hex(frame);
    parse(block.whole(), block.parsed);
    ASSERT_TRUE(verify_icmp(block.whole(), block.parsed));
  }
  EXPECT_GT(translated, 20'000);
}

TEST(QuoteIpv4, IsFoundBehindOptionsButNotInALaterFragment) {
  const auto found = [](const PacketBuilder& packet, Quote& quote) {
    QuotedBlock block(test::icmp("10.9.9.9", "10.0.0.7").icmp(11, 0).payload(packet.ip()).bytes());
    return parse_quote(block.whole(), block.parsed, quote);
  };
  Quote quote;
  EXPECT_TRUE(found(test::udp("10.0.0.7:1", "10.2.0.1:2").ip_options(40), quote));
  EXPECT_EQ(quote.l4_offset, quote.ip_offset + 60);
  EXPECT_TRUE(found(test::udp("10.0.0.7:1", "10.2.0.1:2").payload_of(16).fragment(0x2000), quote)) << "the first";
  EXPECT_EQ(quote.key4, test::key_of("10.0.0.7:1", "10.2.0.1:2", Protocol::udp));
  EXPECT_FALSE(found(test::udp("10.0.0.7:1", "10.2.0.1:2").payload_of(16).fragment(0x2001), quote));
  EXPECT_FALSE(found(test::udp("10.0.0.7:1", "10.2.0.1:2").version(6), quote));
  EXPECT_FALSE(found(test::udp("10.0.0.7:1", "10.2.0.1:2").header_words(4), quote));
  EXPECT_FALSE(found(test::udp("10.0.0.7:1", "10.2.0.1:2").header_words(15), quote)) << "longer than the quote";
}

/// Routers lower the time to live, and some leave the checksum: not our business, and not to be made right or worse.
TEST(QuoteIpv4, AWrongHeaderChecksumIsOffByTheSameAfterwards) {
  Bytes quoted = test::udp("10.0.0.7:40000", "10.2.0.1:53").ip();
  quoted[8] = std::byte{1};
  Bytes expected = test::udp("10.1.0.1:1024", "10.96.0.1:53").ip();
  expected[8] = std::byte{1};
  QuotedBlock block(test::icmp("10.9.9.9", "10.0.0.7").icmp(11, 0).payload(quoted).bytes());
  Quote quote;
  ASSERT_TRUE(parse_quote(block.whole(), block.parsed, quote));
  translate_quote(block.whole(), quote, block.parsed, test::key_of("10.1.0.1:1024", "10.96.0.1:53", Protocol::udp),
                  Socket("10.9.9.9").address.ipv4(), Socket("10.1.0.1").address.ipv4());
  EXPECT_EQ(hex(block.whole()), hex(test::icmp("10.9.9.9", "10.1.0.1").icmp(11, 0).payload(expected).ttl(63).bytes()));
}

TEST(QuoteIpv6, IsFoundBehindExtensionHeaders) {
  const auto found = [](const PacketBuilder& packet, Quote& quote) {
    QuotedBlock block(test::icmp("fd00:9::9", "fd00::7").icmp(2, 0, 1280).payload(packet.ip()).bytes());
    return parse_quote(block.whole(), block.parsed, quote);
  };
  const auto udp = [] { return test::udp("[fd00::7]:1", "[fd00:2::1]:2").payload_of(16); };
  Quote quote;
  EXPECT_TRUE(found(udp().hop_by_hop().fragment_header(0, true, 7).destination_options(16), quote));
  EXPECT_EQ(quote.kind, Kind::transport);
  EXPECT_EQ(quote.key6, test::key_of<FlowKey6>("[fd00::7]:1", "[fd00:2::1]:2", Protocol::udp));
  EXPECT_EQ(quote.l4_offset, quote.ip_offset + 40 + 32);
  EXPECT_FALSE(found(udp().fragment_header(8, true, 7), quote));
  EXPECT_FALSE(found(udp().destination_options().hop_by_hop(), quote));
  EXPECT_FALSE(found(udp().destination_options(256).destination_options(), quote));
  EXPECT_FALSE(found(udp().version(4), quote));
}

TEST(IcmpError, IsAnyTypeThatQuotesAPacketButARedirect) {
  for (int type = 0; type < 256; ++type) {
    QuotedBlock icmp(test::icmp("10.9.9.9", "10.0.0.7").icmp(static_cast<uint8_t>(type), 0).bytes());
    EXPECT_EQ(is_icmp_error(icmp.whole(), icmp.parsed), type == 3 || type == 4 || type == 11 || type == 12) << type;
    QuotedBlock icmpv6(test::icmp("fd00:9::9", "fd00::7").icmp(static_cast<uint8_t>(type), 0).bytes());
    EXPECT_EQ(is_icmp_error(icmpv6.whole(), icmpv6.parsed), type >= 1 && type <= 4) << type;
  }
}

}  // namespace
}  // namespace weft::packet
