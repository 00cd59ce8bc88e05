// SPDX-License-Identifier: Apache-2.0
#include "lb/prefix.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>

#include <array>
#include <random>

namespace weft::lb {
namespace {

Address address(const char* text) {
  return parse_address(text).value();
}

TEST(Address, IsWrittenAsTheLibraryWritesIt) {
  std::mt19937_64 random(1);
  for (int i = 0; i < 20'000; ++i) {
    Ipv6Address ipv6;
    for (uint8_t& byte : ipv6.bytes) {  // with runs of zeros of all lengths, and short groups
      byte = static_cast<uint8_t>(random() % 3 == 0 ? random() : 0);
    }
    ipv6.bytes[0] |= 0x20;  // neither mapped nor compatible, which the library writes as IPv4
    const uint64_t more = random();
    const auto ipv4 = Ipv4Address{static_cast<uint32_t>(more) & (more >> 63 == 0 ? 0xff00ff0f : ~0U)};
    std::array<char, INET6_ADDRSTRLEN> text;
    ASSERT_EQ(to_string(ipv6), inet_ntop(AF_INET6, &ipv6, text.data(), text.size()));
    ASSERT_EQ(to_string(ipv4), inet_ntop(AF_INET, &ipv4, text.data(), text.size()));
  }
  EXPECT_EQ(to_string(Address(Ipv6Address{})), "::");
  EXPECT_EQ(to_string(Address(address_from_host(0xffffffff))), "255.255.255.255");
}

TEST(Address, ReadsAndWritesBothFamilies) {
  for (const char* text :
       {"0.0.0.0", "10.0.0.1", "255.255.255.255", "::", "::1", "fd00:1::2", "2001:db8::8:800:200c:417a"}) {
    EXPECT_EQ(to_string(address(text)), text);
  }
  EXPECT_EQ(to_string(address("fd00::1"), port_from_host(80)), "[fd00::1]:80");
  for (const char* text :
       {"", "10.0.0", "10.0.0.256", "010.0.0.1", "1.2.3.4 ", "fd00::1%eth0", "[fd00::1]", ":::", "::ffff:10.0.0.1"}) {
    EXPECT_FALSE(parse_address(text)) << text;
  }
  EXPECT_LT(address("255.255.255.255"), address("::")) << "by family first";
  EXPECT_LT(address("9.0.0.0"), address("10.0.0.0"));
}

TEST(Prefix, ReadsAndWrites) {
  for (const char* text : {"0.0.0.0/0", "10.0.0.0/8", "10.1.2.3/32", "::/0", "fd00::/16", "fd00::1/128"}) {
    EXPECT_EQ(to_string(parse_prefix(text).value()), text);
  }
  EXPECT_EQ(parse_prefix("10.1.2.3").value().length, 32);
  EXPECT_EQ(parse_prefix("fd00::1").value().length, 128);
  for (const char* text :
       {"", "/8", "10.0.0.0/", "10.0.0.0/33", "10.0.0.1/8", "fd00::1/64", "::/129", "10.0.0.0/8x", "a/8"}) {
    EXPECT_FALSE(parse_prefix(text)) << text;
  }
}

TEST(Prefix, ContainsItsOwnFamilyOnly) {
  EXPECT_TRUE(parse_prefix("0.0.0.0/0")->contains(address("255.1.2.3")));
  EXPECT_FALSE(parse_prefix("0.0.0.0/0")->contains(address("fd00::1")));
  EXPECT_FALSE(parse_prefix("::/0")->contains(address("10.0.0.1")));
  EXPECT_TRUE(parse_prefix("10.128.0.0/9")->contains(address("10.255.255.255")));
  EXPECT_FALSE(parse_prefix("10.128.0.0/9")->contains(address("10.127.255.255")));
}

TEST(PrefixSet, AgreesWithItsPrefixesOneByOne) {
  std::mt19937 random(3);
  for (int round = 0; round < 200; ++round) {
    std::vector<Prefix> prefixes;
    for (uint32_t i = 0; i < random() % 12; ++i) {
      const auto length = static_cast<uint8_t>(random() % 33);
      const uint32_t mask = length == 0 ? 0 : ~uint32_t{0} << (32 - length);
      prefixes.push_back({.address = address_from_host((0x0a000000 | (random() & 0xff)) & mask), .length = length});
    }
    prefixes.push_back(parse_prefix("fd00::/16").value());
    const PrefixSet set(prefixes);
    for (int i = 0; i < 100; ++i) {
      const Address probe = address_from_host(0x0a000000 | (random() & 0x3ff));
      const bool expected =
          std::any_of(prefixes.begin(), prefixes.end(), [&](const Prefix& each) { return each.contains(probe); });
      ASSERT_EQ(set.contains(probe), expected) << to_string(probe);
    }
    EXPECT_TRUE(set.contains(address("fd00:1::")));
    EXPECT_FALSE(set.contains(address("fd01::")));
  }
  EXPECT_FALSE(PrefixSet().contains(address("10.0.0.1")));
}

}  // namespace
}  // namespace weft::lb
