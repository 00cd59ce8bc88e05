// SPDX-License-Identifier: Apache-2.0
#include "l4/toeplitz.h"

#include <gtest/gtest.h>

#include <random>

#include "l4/landing.h"

namespace weft::l4 {
namespace {

constexpr std::array<uint8_t, 40> kKey = {0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67,
                                          0x25, 0x3d, 0x43, 0xa3, 0x8f, 0xb0, 0xd0, 0xca, 0x2b, 0xcb,
                                          0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3, 0x80, 0x30,
                                          0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa};

lb::FlowKey4 key4(const char* source, uint16_t source_port, const char* destination, uint16_t destination_port) {
  return lb::FlowKey4::make(lb::parse_ipv4(source).value(), lb::port_from_host(source_port),
                            lb::parse_ipv4(destination).value(), lb::port_from_host(destination_port),
                            lb::Protocol::tcp);
}
lb::FlowKey6 key6(const char* source, uint16_t source_port, const char* destination, uint16_t destination_port) {
  return lb::FlowKey6::make(lb::parse_ipv6(source).value(), lb::port_from_host(source_port),
                            lb::parse_ipv6(destination).value(), lb::port_from_host(destination_port),
                            lb::Protocol::tcp);
}

/// "Verifying the RSS hash calculation", Microsoft: destination first in its table, as here.
TEST(Toeplitz, AgreesWithTheSpecificationsExamples) {
  const Toeplitz toeplitz(kKey);
  EXPECT_EQ(toeplitz.hash(key4("66.9.149.187", 2794, "161.142.100.80", 1766)), 0x51ccc178U);
  EXPECT_EQ(toeplitz.hash(key4("199.92.111.2", 14230, "65.69.140.83", 4739)), 0xc626b0eaU);
  EXPECT_EQ(toeplitz.hash(key4("24.19.198.95", 12898, "12.22.207.184", 38024)), 0x5c2b394aU);
  EXPECT_EQ(toeplitz.hash(key4("38.27.205.30", 48228, "209.142.163.6", 2217)), 0xafc7327fU);
  EXPECT_EQ(toeplitz.hash(key4("153.39.163.191", 44251, "202.188.127.2", 1303)), 0x10e828a2U);
  EXPECT_EQ(toeplitz.hash(key6("3ffe:2501:200:1fff::7", 2794, "3ffe:2501:200:3::1", 1766)), 0x40207d3dU);
  EXPECT_EQ(toeplitz.hash(key6("3ffe:501:8::260:97ff:fe40:efab", 14230, "ff02::1", 4739)), 0xdde51bbfU);
  EXPECT_EQ(toeplitz.hash(key6("3ffe:1900:4545:3:200:f8ff:fe21:67cf", 44251, "fe80::200:f8ff:fe21:67cf", 38024)),
            0x02d1feefU);
}

TEST(Toeplitz, IsLinear) {
  const Toeplitz toeplitz(kKey);
  std::mt19937 random(1);
  for (int i = 0; i < 100; ++i) {
    const auto port = [&] { return static_cast<uint16_t>(random()); };
    const uint16_t a = port();
    const uint16_t b = port();
    const auto with = [&](uint16_t source_port) {
      return toeplitz.hash(key4("10.0.0.1", source_port, "10.0.0.2", 80));
    };
    const auto alone = [&](uint16_t source_port) { return toeplitz.hash(key4("0.0.0.0", source_port, "0.0.0.0", 0)); };
    EXPECT_EQ(with(a) ^ with(b), alone(a) ^ alone(b)) << a << " " << b;
  }
}

TEST(Landing, ByRssIsWhatTheTableSays) {
  const auto toeplitz = std::make_shared<Toeplitz>(kKey);
  std::vector<uint16_t> table(128);
  for (size_t row = 0; row < table.size(); ++row) {
    table[row] = static_cast<uint16_t>(row % 3);
  }
  const Landing landing = Landing::by_rss(toeplitz, table);
  const lb::FlowKey4 reply = key4("10.2.0.1", 80, "10.1.0.1", 1024);
  EXPECT_EQ(landing.of_reply(reply, 7), table[toeplitz->hash(reply) % 128]);
  EXPECT_EQ(landing.owner_of_own(reply), landing.of_reply(reply, 7));
  EXPECT_FALSE(landing.spreads());
  EXPECT_TRUE(landing.predictable());
}

TEST(Landing, WhereNobodyCanTellItIsTheAskersOwn) {
  const Landing landing = Landing::anywhere(4);
  const lb::FlowKey4 key = key4("10.2.0.1", 80, "10.1.0.1", 1026);
  EXPECT_EQ(landing.of_request(key, 3), 3U);
  EXPECT_EQ(landing.of_reply(key, 2), 2U);
  EXPECT_EQ(landing.owner_of_own(key), 1026U % 4) << "but a port of weft's own names its owner";
  EXPECT_FALSE(landing.predictable());
}

}  // namespace
}  // namespace weft::l4
