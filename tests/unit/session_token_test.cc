// SPDX-License-Identifier: Apache-2.0
#include "lb/session_token.h"

#include <gtest/gtest.h>

#include <random>
#include <set>
#include <string>

namespace weft::lb {
namespace {

constexpr SessionKey kKey = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};

SessionToken token(const char* address, uint16_t port, uint32_t begun_s = 1000, uint32_t used_s = 2000) {
  return {
      .address = parse_address(address).value(), .port = port_from_host(port), .begun_s = begun_s, .used_s = used_s};
}
std::string sealed(const SessionToken& token, std::string_view service = "default/web", const SessionKey& key = kKey) {
  std::array<char, kSessionTokenLength> out{};
  return std::string(seal(token, service, key, out));
}

TEST(SessionToken, OpensToWhatItWasSealedOf) {
  for (const SessionToken& each : {token("10.1.0.1", 8080), token("fd00::17", 65535, UINT32_MAX, 0), SessionToken{}}) {
    EXPECT_EQ(open(sealed(each), "default/web", kKey), each);
  }
}

TEST(SessionToken, IsMadeOfWhatCookiesMayHold) {
  EXPECT_EQ(sealed(token("10.1.0.1", 8080))
                .find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"),
            std::string::npos);
}

TEST(SessionToken, IsOfOneServiceAndOneKey) {
  const std::string text = sealed(token("10.1.0.1", 8080));
  EXPECT_FALSE(open(text, "default/other", kKey));
  SessionKey other = kKey;
  other[15] ^= 1;
  EXPECT_FALSE(open(text, "default/web", other));
}

TEST(SessionToken, NoOtherCharacterWillDo) {
  const std::string text = sealed(token("10.1.0.1", 8080));
  for (size_t i = 0; i < text.size(); ++i) {
    for (int c = 0; c < 256; ++c) {
      std::string changed = text;
      changed[i] = static_cast<char>(c);
      ASSERT_EQ(open(changed, "default/web", kKey).has_value(), changed == text) << i << " " << c;
    }
  }
  EXPECT_FALSE(open(text + "A", "default/web", kKey));
  EXPECT_FALSE(open(text.substr(1), "default/web", kKey));
  EXPECT_FALSE(open("", "default/web", kKey));
}

TEST(SessionToken, NeighboursLookNothingAlike) {
  // Of tokens of one address and many ports, each character takes many values: nothing shines through.
  std::array<std::set<char>, kSessionTokenLength> seen;
  for (uint16_t port = 1; port <= 1000; ++port) {
    const std::string text = sealed(token("10.1.0.1", port));
    for (size_t i = 0; i < text.size(); ++i) {
      seen[i].insert(text[i]);
    }
  }
  for (size_t i = 0; i < kSessionTokenLength - 1; ++i) {
    EXPECT_GT(seen[i].size(), 60U) << i;
  }
}

TEST(SessionToken, Expires) {
  SessionPersistence session;
  EXPECT_FALSE(is_expired(token("10.1.0.1", 1, 0, 0), session, UINT32_MAX));
  session.absolute_timeout = std::chrono::seconds(100);
  EXPECT_FALSE(is_expired(token("10.1.0.1", 1, 1000, 1090), session, 1099));
  EXPECT_TRUE(is_expired(token("10.1.0.1", 1, 1000, 1090), session, 1100));
  EXPECT_FALSE(is_expired(token("10.1.0.1", 1, 1000, 1090), session, 900));
  session = {.idle_timeout = std::chrono::seconds(50)};
  EXPECT_FALSE(is_expired(token("10.1.0.1", 1, 0, 1090), session, 1139));
  EXPECT_TRUE(is_expired(token("10.1.0.1", 1, 0, 1090), session, 1140));
}

}  // namespace
}  // namespace weft::lb
