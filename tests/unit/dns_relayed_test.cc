// SPDX-License-Identifier: Apache-2.0
#include "dns/relayed.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "dns_message.h"

namespace weft::dns {
namespace {

using test::Bytes;
using test::dns_query;
using test::dns_text;

struct Relayed : testing::Test {
  explicit Relayed(const test::Asked& asked = {.name = "wWw.Example.org", .type = 65, .id = 0x1111, .edns = 1000})
      : client(dns_query(asked)) {
    EXPECT_EQ(read_query(client, query), Reading::good);
    question = question_of(client, query);
  }
  /// An answer with one record, as another server would send it.
  static Bytes answer(const std::string& name, uint16_t type, uint16_t id, size_t data = 4) {
    Bytes message = dns_query({.name = name, .type = type, .id = id, .flags = 0x8180});
    message[7] = std::byte{1};
    const Bytes record = test::bytes_of("c00c 0063 0001 00000e10");
    message.insert(message.end(), record.begin(), record.end());
    message.push_back(static_cast<std::byte>(data >> 8));
    message.push_back(static_cast<std::byte>(data));
    message.resize(message.size() + data, std::byte{7});
    return message;
  }

  Bytes client;
  Query query;
  std::span<const std::byte> question;
};

TEST_F(Relayed, QueriesHaveTheClientsQuestionAndNothingElseOfIt) {
  std::array<std::byte, kMostForwarded> to;
  const size_t length = write_forwarded(query, question, 0xbeef, 800, to);

  EXPECT_EQ(Bytes(to.begin(), to.begin() + static_cast<std::ptrdiff_t>(length)),
            dns_query({.name = "wWw.Example.org", .type = 65, .id = 0xbeef, .edns = 800}));
  const Bytes plain = dns_query({.name = "a.b", .flags = 0x0030});
  ASSERT_EQ(read_query(plain, query), Reading::good);
  EXPECT_EQ(write_forwarded(query, question_of(plain, query), 1, 800, to), plain.size());
  EXPECT_EQ(to[3], std::byte{0x30}) << "CD and AD go on: RFC 6840, section 5.7";
}

TEST_F(Relayed, OnlyTheAnswerToTheQuestionIsOne) {
  EXPECT_TRUE(answers(answer("wWw.Example.org", 65, 9), 9, question));
  EXPECT_FALSE(answers(answer("www.EXAMPLE.org", 65, 9), 9, question)) << "not as it was spelled";
  EXPECT_FALSE(answers(answer("wWw.Example.org", 65, 8), 9, question)) << "another id";
  EXPECT_FALSE(answers(answer("wWw.Example.org", 97, 9), 9, question)) << "65 and 97 are letters in two cases";
  EXPECT_FALSE(answers(answer("wWw.Example.net", 65, 9), 9, question));
  EXPECT_FALSE(answers(answer("wWw.Example.or", 65, 9), 9, question));
  EXPECT_FALSE(answers(dns_query({.name = "wWw.Example.org", .type = 65, .id = 9}), 9, question)) << "a query";
  Bytes cut = answer("wWw.Example.org", 65, 9);
  cut.resize(20);
  EXPECT_FALSE(answers(cut, 9, question));
  EXPECT_FALSE(answers({}, 9, question));
}

TEST_F(Relayed, AnswersGetTheClientsId) {
  Bytes message = answer("wWw.Example.org", 65, 9);
  const size_t whole = message.size();

  EXPECT_EQ(adopt(message, query, question, 1000), whole);
  EXPECT_THAT(dns_text(message), testing::StartsWith("NOERROR qr rd ra ; wWw.Example.org. TYPE65? ; wWw.Example.org."));
  EXPECT_EQ(message[0], std::byte{0x11});
}

TEST_F(Relayed, TooLongAnswersSaySo) {
  Bytes message = answer("wWw.Example.org", 65, 9, 2000);
  message.resize(adopt(message, query, question, 1000));

  EXPECT_EQ(dns_text(message), "NOERROR qr tc rd ra ; wWw.Example.org. TYPE65? ; ; ; OPT 1232");
}

}  // namespace
}  // namespace weft::dns
