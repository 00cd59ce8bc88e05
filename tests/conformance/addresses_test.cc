// SPDX-License-Identifier: Apache-2.0
/// @file What is sent to many, or by many, or by nobody, is no connection's and is not answered (RFC 9293, section
/// 3.9.2.3; RFC 1122, sections 3.2.1.3 and 4.2.3.10).
#include <gtest/gtest.h>

#include <string>

#include "tcp/engine.h"

namespace weft::conformance {
namespace {

constexpr time::Time kNow = std::chrono::seconds(1);

/// Segments that the engine sends in answer.
size_t answers(const std::string& from, const std::string& to, uint8_t flags) {
  tcp::Engine engine({.connections = 4, .half_open = 4, .time_waits = 4, .pieces = 64}, tcp::Secret{}, kNow);
  tcp::Segment segment;
  segment.pair.remote = *lb::parse_address(from);
  segment.pair.local = *lb::parse_address(to);
  segment.pair.remote_port = lb::port_from_host(1000);
  segment.pair.local_port = lb::port_from_host(80);
  segment.flags = flags;
  engine.listen(segment.pair.local, lb::port_from_host(81), 0);
  tcp::Output output;
  engine.input({&segment, 1}, kNow, output);
  segment.pair.local_port = lb::port_from_host(81);  // where somebody listens
  engine.input({&segment, 1}, kNow, output);
  EXPECT_EQ(engine.half_open(), output.segments.empty() || flags != tcp::flag::syn ? 0U : 1U);
  return output.segments.size();
}

TEST(Addresses, OfOneAreAnswered) {
  EXPECT_EQ(answers("10.0.0.2", "10.0.0.1", tcp::flag::syn), 2U);
  EXPECT_EQ(answers("fd00::2", "fd00::1", tcp::flag::syn), 2U);
  EXPECT_EQ(answers("10.0.0.2", "10.0.0.1", tcp::flag::ack), 2U);
}

TEST(Addresses, OfManyAreNot) {
  for (const uint8_t flags : {tcp::flag::syn, tcp::flag::ack, tcp::flag::fin}) {
    EXPECT_EQ(answers("10.0.0.2", "224.0.0.1", flags), 0U);
    EXPECT_EQ(answers("10.0.0.2", "255.255.255.255", flags), 0U);
    EXPECT_EQ(answers("224.0.0.1", "10.0.0.1", flags), 0U);
    EXPECT_EQ(answers("255.255.255.255", "10.0.0.1", flags), 0U);
    EXPECT_EQ(answers("0.0.0.0", "10.0.0.1", flags), 0U);
    EXPECT_EQ(answers("fd00::2", "ff02::1", flags), 0U);
    EXPECT_EQ(answers("ff02::1", "fd00::1", flags), 0U);
    EXPECT_EQ(answers("::", "fd00::1", flags), 0U);
  }
}

}  // namespace
}  // namespace weft::conformance
