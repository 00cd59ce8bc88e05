// SPDX-License-Identifier: Apache-2.0
/// @file weft beside llhttp: what weft accepts, llhttp accepts and reads alike. What llhttp accepts besides is listed.
#include <gtest/gtest.h>

#include <map>
#include <random>
#include <set>

#include "http_bytes.h"
#include "reading.h"
#include "requests.h"

namespace weft::http::test {
namespace {

std::string verdict_of(const Reading& reading) {
  if (reading.error.empty()) {
    return "ok";
  }
  if (!reading.messages.empty()) {
    return "body";
  }
  for (size_t i = 1; i < kDefects; ++i) {
    if (to_string(static_cast<Defect>(i)) == reading.error) {
      return std::to_string(status_of(static_cast<Defect>(i)));
    }
  }
  return reading.error;
}

TEST(HttpCorpus, GetsItsVerdicts) {
  const std::vector<Sample> corpus = samples();
  EXPECT_GE(corpus.size(), 400);
  for (const Sample& sample : corpus) {
    const Reading reading = weft_reading(sample.stream, Side::request);
    EXPECT_EQ(verdict_of(reading), sample.verdict) << sample.line << "\n" << reading.error;
  }
}

TEST(HttpCorpus, IsReadAlikeByLlhttpWhereWeftAcceptsIt) {
  for (const Sample& sample : samples()) {
    EXPECT_EQ(difference_from_llhttp(sample.stream, Side::request), "") << sample.line;
  }
}

/// What weft refuses and llhttp, in its strict mode, does not.
TEST(HttpCorpus, IsReadMoreStrictlyByWeftInTheseWays) {
  std::map<std::string, std::string> stricter;
  for (const Sample& sample : samples()) {
    const Reading weft = weft_reading(sample.stream, Side::request);
    const Reading llhttp = llhttp_reading(sample.stream, Side::request);
    if (!weft.error.empty() && llhttp.error.empty() && !llhttp.messages.empty()) {
      stricter.emplace(weft.error, sample.line);
    }
  }
  std::set<std::string> ways;
  for (const auto& [way, line] : stricter) {
    ways.insert(way);
    std::printf("%s:\n  %.120s\n", way.c_str(), line.c_str());
  }
  const std::set<std::string> expected = {"Transfer-Encoding that does not end a message",
                                          "a line that does not end with CR and LF",
                                          "folded field",
                                          "head too long",
                                          "malformed chunk size",
                                          "malformed field name",
                                          "malformed or forbidden trailer",
                                          "malformed, repeated or forbidden Content-Length",
                                          "malformed or too long chunk extension",
                                          "malformed request line",
                                          "malformed request target",
                                          "neither HTTP/1.0 nor HTTP/1.1",
                                          "no Host, more than one, or malformed",
                                          "request target too long",
                                          "unknown transfer coding"};
  EXPECT_EQ(ways, expected);
}

constexpr size_t kRounds = 20000;  // the fuzzer goes on from there

/// Changes of the kinds that smuggling lives on.
class Mutator {
 public:
  explicit Mutator(unsigned seed) : random_(seed) {}

  std::string mutated(const std::vector<Sample>& corpus) {
    std::string stream = corpus[random_() % corpus.size()].stream;
    for (size_t changes = 1 + random_() % 4; changes > 0; --changes) {
      const size_t at = random_() % (stream.size() + 1);
      const size_t length = std::min<size_t>(random_() % 6, stream.size() - at);
      switch (random_() % 6) {
        case 0:
          stream.insert(at, piece());
          break;
        case 1:
          stream.replace(at, length, piece());
          break;
        case 2:
          stream.erase(at, length);
          break;
        case 3:
          insert_line(stream);
          break;
        case 4:
          stream.insert(at, stream.substr(random_() % (stream.size() + 1), random_() % 20));
          break;
        default:
          if (at < stream.size()) {
            stream[at] = static_cast<char>(random_());
          }
      }
    }
    return stream;
  }

 private:
  std::string piece() {
    static const std::string kPieces[] = {"\r\n", "\r",   "\n",       " ",     "\t",       ":",
                                          ",",    ";",    "0",        "5",     "\r\n\r\n", "#",
                                          "?",    "\"",   "chunked",  "close", "upgrade",  std::string(1, '\0'),
                                          "\x7f", "\x80", "HTTP/1.0", "GET ",  "/",        "\\",
                                          "=",    "-",    "+",        "0x",    "a"};
    return kPieces[random_() % std::size(kPieces)];
  }
  void insert_line(std::string& stream) {
    static const std::string kLines[] = {"Content-Length: 5\r\n",
                                         "Transfer-Encoding: chunked\r\n",
                                         "Connection: close\r\n",
                                         "Connection: keep-alive\r\n",
                                         "Connection: upgrade\r\n",
                                         "Upgrade: websocket\r\n",
                                         "Content-Length: 0\r\n",
                                         "X: y\r\n",
                                         "X:\r\n",
                                         "Host: b\r\n",
                                         " folded\r\n",
                                         "Expect: 100-continue\r\n",
                                         "Trailer: x\r\n",
                                         "5\r\nhello\r\n",
                                         "0\r\n"};
    size_t line = stream.find("\r\n");
    for (size_t skip = random_() % 4; skip > 0 && line != std::string::npos; --skip) {
      line = stream.find("\r\n", line + 2);
    }
    if (line != std::string::npos) {
      stream.insert(line + 2, kLines[random_() % std::size(kLines)]);
    }
  }

  std::mt19937 random_;
};

TEST(HttpMutations, OfRequestsAreReadAlikeByLlhttp) {
  std::vector<Sample> corpus = samples();
  std::erase_if(corpus, [](const Sample& sample) { return sample.stream.size() > 1000; });
  Mutator mutator(20261130);
  size_t accepted = 0;
  for (size_t round = 0; round < kRounds; ++round) {
    const std::string stream = mutator.mutated(corpus);
    accepted += weft_reading(stream, Side::request).messages.empty() ? 0 : 1;
    ASSERT_EQ(difference_from_llhttp(stream, Side::request), "") << testing::PrintToString(stream);
  }
  EXPECT_GT(accepted, kRounds / 10);
}

TEST(HttpMutations, OfResponsesAreReadAlikeByLlhttp) {
  std::vector<Sample> corpus = samples();
  std::erase_if(corpus, [](const Sample& sample) { return sample.stream.size() > 1000; });
  const std::string lines[] = {"HTTP/1.1 200 OK",           "HTTP/1.0 200 OK",      "HTTP/1.1 204 No Content",
                               "HTTP/1.1 304 Not Modified", "HTTP/1.1 404 ",        "HTTP/1.1 500",
                               "HTTP/1.1 100 Continue",     "HTTP/1.1 200 \xc3\xa4"};
  for (size_t i = 0; i < corpus.size(); ++i) {  // the same fields and bodies behind another first line
    const size_t line = corpus[i].stream.find("\r\n");
    corpus[i].stream.replace(0, std::min(line, corpus[i].stream.size()), lines[i % std::size(lines)]);
  }
  Mutator mutator(20261201);
  size_t accepted = 0;
  for (size_t round = 0; round < kRounds; ++round) {
    const std::string stream = mutator.mutated(corpus);
    const Side side = round % 4 == 0 ? Side::response_to_head : Side::response;
    accepted += weft_reading(stream, side).messages.empty() ? 0 : 1;
    ASSERT_EQ(difference_from_llhttp(stream, side), "") << testing::PrintToString(stream);
  }
  EXPECT_GT(accepted, kRounds / 10);
}

/// Each of a message's properties is compared: a reader that differs in it alone is found out.
TEST(HttpDifference, IsSeenInAnyProperty) {
  const std::string stream = "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello";
  const Reading reading = weft_reading(stream, Side::request);
  ASSERT_EQ(reading.messages.size(), 1);
  ASSERT_EQ(difference(reading, llhttp_reading(stream, Side::request)), "");
  const std::vector<void (*)(Message&)> changes = {
      [](Message& message) { message.method = "PUT"; },
      [](Message& message) { message.target += "/"; },
      [](Message& message) { message.status = 200; },
      [](Message& message) { message.minor_version = 0; },
      [](Message& message) { message.fields.pop_back(); },
      [](Message& message) { message.fields[0].first = "host"; },
      [](Message& message) { message.fields[0].second = "b"; },
      [](Message& message) { message.is_chunked = true; },
      [](Message& message) { message.length = 4; },
      [](Message& message) { message.ends_with_connection = true; },
      [](Message& message) { message.keeps_alive = false; },  // weft may be the one that closes, not the other
      [](Message& message) { message.body = "hell"; },
      [](Message& message) { message.is_whole = false; },
      [](Message& message) { --message.end; },
  };
  for (size_t i = 0; i < changes.size(); ++i) {
    Reading other = reading;
    changes[i](other.messages[0]);
    EXPECT_NE(difference(reading, other), "") << i;
  }
  Reading refused = reading;
  refused.messages.clear();
  EXPECT_NE(difference(reading, refused), "");
  EXPECT_EQ(difference(refused, reading), "") << "weft may be the stricter one";
}

}  // namespace
}  // namespace weft::http::test
