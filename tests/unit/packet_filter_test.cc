// SPDX-License-Identifier: Apache-2.0
#include "runtime/packet_filter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "packet_builder.h"

namespace weft::runtime {
namespace {

using test::tcp;
using test::udp;
using ::testing::HasSubstr;

bool matches(const std::string& expression, const test::PacketBuilder& packet) {
  const auto filter = PacketFilter::compile(expression);
  EXPECT_TRUE(filter) << filter.error();
  return filter && filter->matches(packet.bytes());
}

std::string error_of(const std::string& expression) {
  const auto filter = PacketFilter::compile(expression);
  return filter ? "no error" : filter.error();
}

TEST(PacketFilter, SpeaksTcpdumpsLanguage) {
  const auto web = tcp("10.1.0.1:1024", "10.96.0.1:80").flags(test::kSyn);
  EXPECT_TRUE(matches("", web));
  EXPECT_TRUE(matches("tcp port 80 and host 10.96.0.1", web));
  EXPECT_FALSE(matches("udp or (port 81 and not port 80)", web));
  EXPECT_TRUE(matches("tcp[tcpflags] & (tcp-syn|tcp-ack) == tcp-syn", web));
  EXPECT_TRUE(matches("tcp[13] & 0x02 != 0 && src net 10.1.0.0/16", web));
  EXPECT_TRUE(matches("ether host 02:00:00:00:00:aa", web));
  EXPECT_TRUE(matches("port http", web)) << "a name of /etc/services";
  EXPECT_TRUE(matches("ip proto \\tcp", web));
  EXPECT_TRUE(matches("portrange 1000-1024", web));
  EXPECT_TRUE(matches("len <= 54 and greater 54", web));
  EXPECT_TRUE(matches("ip6 and dst host fd00:96::1 and udp", udp("[fd00:1::1]:5", "[fd00:96::1]:53")));
  EXPECT_FALSE(matches("ip6", web));
}

TEST(PacketFilter, AFrameShorterThanWhatIsAskedForDoesNotMatch) {
  const auto filter = PacketFilter::compile("tcp port 80");
  ASSERT_TRUE(filter);
  const test::Bytes frame = tcp("10.1.0.1:1024", "10.96.0.1:80").bytes();
  for (size_t length = 0; length < 38; ++length) {
    EXPECT_FALSE(filter->matches(std::span(frame).first(length))) << length;
  }
}

TEST(PacketFilter, SaysWhatIsWrong) {
  EXPECT_EQ(error_of("tcp port"), "filter: can't parse filter expression: syntax error");
  EXPECT_THAT(error_of("port 99999"), HasSubstr("illegal port number 99999"));
  EXPECT_THAT(error_of("host 10.0.0.1 and ((("), HasSubstr("syntax error"));
  EXPECT_THAT(error_of("host 999.0.0.1"), HasSubstr("filter: "));
  EXPECT_THAT(error_of("ip and ip6[700000000000]"), HasSubstr("filter: "));
}

TEST(PacketFilter, LooksNoNameUp) {
  for (const char* expression :
       {"host example.com", "example", "src foo", "net office", "gateway router", "host 10.0.0.1 or printer",
        "port 80 or domain", "ether host \\tcp", "ip protochain 6", "dst 1example.org", "host a_b", "host -x"}) {
    EXPECT_THAT(error_of(expression), HasSubstr("names are not looked up")) << expression;
  }
}

TEST(PacketFilter, CopiesShareTheProgramAndOutliveOneAnother) {
  PacketFilter copy;
  {
    const auto filter = PacketFilter::compile("udp");
    ASSERT_TRUE(filter);
    copy = *filter;
  }
  EXPECT_FALSE(copy.matches(tcp("10.1.0.1:1024", "10.96.0.1:80").bytes()));
}

}  // namespace
}  // namespace weft::runtime
