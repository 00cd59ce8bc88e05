// SPDX-License-Identifier: Apache-2.0
/// @file What looks at 32 bytes at a time, beside what looks at one.
#include <gtest/gtest.h>

#include <random>

#include "http/ascii_set.h"
#include "http/lines.h"
#include "http/name.h"
#include "http_bytes.h"

namespace weft::http {
namespace {

using test::Exact;

TEST(AsciiSet, IsItsScalarTwin) {
  for (int byte = 0; byte < 256; ++byte) {
    const auto c = static_cast<char>(byte);
    EXPECT_EQ(kToken.has(c),
              (std::isalnum(byte) != 0) || (byte != 0 && std::strchr("!#$%&'*+-.^_`|~", byte) != nullptr));
    const std::string bytes(kVector, c);
    EXPECT_EQ(kToken.others(load(bytes.data())), kToken.has(c) ? 0 : ~uint32_t{0}) << byte;
  }
}

TEST(AsciiSet, EndsASpanWhereverItEnds) {
  for (size_t size = 0; size <= 100; ++size) {
    for (size_t end = 0; end <= size; ++end) {
      std::string text(size, 'a');
      if (end < size) {
        text[end] = ':';
      }
      const Exact exact(text);
      for (size_t length = 0; length <= size; ++length) {
        const std::string_view front = exact.view().substr(0, length);
        ASSERT_EQ(kToken.span(front, exact.view()), std::min(end, length));
        ASSERT_EQ(kToken.span(front, front), std::min(end, length));
      }
    }
  }
}

TEST(Names, AreKnownInAnyCaseAndNoOthers) {
  const std::pair<const char*, Name> names[] = {
      {"Connection", Name::connection},
      {"Content-Length", Name::content_length},
      {"Expect", Name::expect},
      {"Host", Name::host},
      {"Keep-Alive", Name::keep_alive},
      {"Proxy-Connection", Name::proxy_connection},
      {"TE", Name::te},
      {"Trailer", Name::trailer},
      {"Transfer-Encoding", Name::transfer_encoding},
      {"Upgrade", Name::upgrade},
      {"Cookie", Name::cookie},
      {"Date", Name::date},
      {"Server", Name::server},
      {"Traceparent", Name::traceparent},
      {"Tracestate", Name::tracestate},
      {"Via", Name::via},
      {"X-Forwarded-For", Name::x_forwarded_for},
      {"X-Forwarded-Host", Name::x_forwarded_host},
      {"X-Forwarded-Proto", Name::x_forwarded_proto},
      {"X-Request-Id", Name::x_request_id},
      {"Origin", Name::origin},
      {"Access-Control-Request-Method", Name::access_control_request_method},
      {"Access-Control-Request-Headers", Name::access_control_request_headers},
      {"Set-Cookie", Name::set_cookie},
      {"Location", Name::location}};
  EXPECT_EQ(std::size(names), kNames - 1);
  for (const auto& [text, name] : names) {
    std::string other = text;
    EXPECT_EQ(name_of(other), name) << text;
    const std::string padded = other + std::string(kVector, ':');
    EXPECT_EQ(name_of(std::string_view(padded).substr(0, other.size()), padded), name) << text;
    for (char& c : other) {
      c = static_cast<char>(std::toupper(c));
      EXPECT_EQ(name_of(other), name) << other;
    }
    for (size_t i = 0; i < other.size(); ++i) {
      for (const char c : {'!', '_', 'z', '0'}) {
        std::string changed = other + std::string(kVector, ':');
        changed[i] = c;
        EXPECT_EQ(name_of(changed.substr(0, other.size())), Name::other) << changed;
        EXPECT_EQ(name_of(std::string_view(changed).substr(0, other.size()), changed), Name::other) << changed;
      }
    }
    EXPECT_EQ(name_of(other + "s"), Name::other);
    EXPECT_EQ(name_of(other.substr(1)), Name::other);
  }
  EXPECT_EQ(name_of(""), Name::other);
  EXPECT_EQ(name_of(std::string(500, 'a')), Name::other);
}

/// Line by line, byte by byte.
bool reference_scan(std::string_view bytes, std::vector<size_t>& ends) {
  for (size_t i = 0; i < bytes.size(); ++i) {
    const auto byte = static_cast<uint8_t>(bytes[i]);
    if (byte == '\r' && (i + 1 == bytes.size() || bytes[i + 1] != '\n')) {
      return false;
    }
    if (byte == '\n') {
      if (i == 0 || bytes[i - 1] != '\r') {
        return false;
      }
      ends.push_back(i);
    }
    if ((byte < 0x20 || byte == 0x7f) && byte != '\t' && byte != '\r' && byte != '\n') {
      return false;
    }
  }
  return true;
}

TEST(Lines, AreThoseOfAByteWiseScan) {
  std::mt19937 random(7);
  size_t accepted = 0;
  for (int round = 0; round < 20000; ++round) {
    std::string text;
    const size_t lines = random() % 12;
    for (size_t i = 0; i < lines; ++i) {
      text += std::string(random() % 90, static_cast<char>(random() % 3 == 0 ? '\t' : 0x80 + random() % 100)) + "\r\n";
    }
    if (random() % 2 == 0 && !text.empty()) {
      constexpr std::string_view kWrong("\r\n\0\x1f\x7fx\t", 7);
      text[random() % text.size()] = kWrong[random() % kWrong.size()];
    }
    const Exact exact(text);
    std::vector<size_t> ends;
    const bool expected = reference_scan(text, ends);
    Lines scanned;
    ASSERT_EQ(scanned.scan(exact.view()), expected) << testing::PrintToString(text);
    ASSERT_EQ(wrong_byte(text, Defect::request_line) == Defect::none, expected);
    if (expected) {
      ++accepted;
      for (const size_t end : ends) {
        ASSERT_EQ(scanned.next(), end);
      }
    }
  }
  EXPECT_GT(accepted, 5000);
  EXPECT_LT(accepted, 19000);
}

TEST(FindEnd, FindsItHoweverTheBytesCome) {
  const std::string heads[] = {"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
                               "GET / HTTP/1.1\nHost: a\n\n",
                               "GET / HTTP/1.1\r\nHost: a\n\r\n",
                               "GET / HTTP/1.1\r\nHost: a\r\n\n",
                               "\r\n",
                               "\n",
                               "X\r\r\n\r\n",
                               "A: " + std::string(200, 'x') + "\r\nB: \r\n\r\n",
                               std::string(61, 'x') + "\r\n\r\n",
                               std::string(63, 'x') + "\r\n\r\n"};
  for (const std::string& head : heads) {
    const std::string text = head + "next\r\n\r\n";
    for (size_t first = 0; first <= text.size(); ++first) {
      for (size_t step = 1; step <= text.size(); step += step < 3 ? 1 : 31) {
        size_t from = 0;
        size_t found = 0;
        size_t had = first;
        for (;; had = std::min(had + step, text.size())) {
          const Exact exact(std::string_view(text).substr(0, had));
          found = find_end(exact.view(), from);
          ASSERT_EQ(found, had < head.size() ? 0 : head.size()) << head << ": " << first << " then " << step;
          if (found != 0) {
            break;
          }
          ASSERT_EQ(from, had) << "nothing is searched twice";
        }
      }
    }
  }
}

TEST(FindEnd, SkipsOneEmptyLineInFront) {
  EXPECT_EQ(leading_blank("\r\nGET"), 2);
  EXPECT_EQ(leading_blank("\r\n\r\nGET"), 2);
  EXPECT_EQ(leading_blank("\r"), 0);
  EXPECT_EQ(leading_blank("\nGET"), 0);
  EXPECT_EQ(leading_blank("GET"), 0);
  EXPECT_EQ(leading_blank(""), 0);
}

TEST(Defects, HaveAStatusAndWordsEach) {
  std::vector<std::string_view> words;
  for (size_t i = 1; i < kDefects; ++i) {
    const auto defect = static_cast<Defect>(i);
    EXPECT_FALSE(to_string(defect).empty());
    EXPECT_EQ(std::count(words.begin(), words.end(), to_string(defect)), 0) << defect;
    words.push_back(to_string(defect));
    const uint16_t expected = defect == Defect::version                                              ? 505
                              : defect == Defect::target_too_long                                    ? 414
                              : defect == Defect::transfer_coding                                    ? 501
                              : defect == Defect::too_many_fields || defect == Defect::head_too_long ? 431
                                                                                                     : 400;
    EXPECT_EQ(status_of(defect), expected) << defect;
  }
  EXPECT_EQ(to_string(Defect::ambiguous_length), "both Content-Length and Transfer-Encoding");
}

}  // namespace
}  // namespace weft::http
