// SPDX-License-Identifier: Apache-2.0
#include "http/date.h"

#include <gtest/gtest.h>

#include <array>
#include <ctime>
#include <random>
#include <string>

namespace weft::http {
namespace {

TEST(HttpDate, IsTheOneOfTheStandard) {
  Date date;
  EXPECT_EQ(date.at(784'111'777), "Sun, 06 Nov 1994 08:49:37 GMT");  // RFC 9110, section 5.6.7
  EXPECT_EQ(date.at(0), "Thu, 01 Jan 1970 00:00:00 GMT");
  EXPECT_EQ(date.at(951'782'400), "Tue, 29 Feb 2000 00:00:00 GMT");
  EXPECT_EQ(date.at(253'402'300'799), "Fri, 31 Dec 9999 23:59:59 GMT");
}

TEST(HttpDate, IsAsTheLibraryHasIt) {
  Date date;
  std::mt19937_64 random(1);
  for (int i = 0; i < 10'000; ++i) {
    const auto seconds = static_cast<time_t>(random() % 253'402'300'800);
    tm parts;
    gmtime_r(&seconds, &parts);
    std::array<char, 64> text;
    const size_t length = std::strftime(text.data(), text.size(), "%a, %d %b %Y %H:%M:%S GMT", &parts);
    ASSERT_EQ(date.at(seconds), std::string(text.data(), length));
  }
}

}  // namespace
}  // namespace weft::http
