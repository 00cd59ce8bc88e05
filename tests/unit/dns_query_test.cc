// SPDX-License-Identifier: Apache-2.0
#include "dns/query.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "dns_message.h"

namespace weft::dns {
namespace {

using test::bytes_of;
using test::dns_query;

TEST(DnsQuery, IsReadWholeAndInLowerCase) {
  const auto message = dns_query({.name = "WeB.Default", .type = 28, .id = 0xabcd, .flags = 0x0110});
  Query query;

  ASSERT_EQ(read_query(message, query), Reading::good);
  EXPECT_EQ(query.id, 0xabcd);
  EXPECT_EQ(query.type, 28);
  EXPECT_EQ(query.klass, kInternet);
  EXPECT_EQ(query.labels, 2);
  EXPECT_EQ(query.whole_name(), std::string_view("\3web\7default\0", 13));
  EXPECT_EQ(query.label(1), "default");
  EXPECT_EQ(query.part(1, 2), "\7default");
  EXPECT_EQ(query.question_end, message.size());
  EXPECT_FALSE(query.has_edns);
  EXPECT_EQ(query.udp_size, 512);
}

TEST(DnsQuery, ReadsEdns) {
  Query query;

  EXPECT_EQ(read_query(dns_query({.name = "a", .edns = 4096, .dnssec_ok = true}), query), Reading::good);
  EXPECT_TRUE(query.has_edns);
  EXPECT_TRUE(query.dnssec_ok);
  EXPECT_EQ(query.udp_size, 4096);
  EXPECT_EQ(read_query(dns_query({.name = "a", .edns = 100}), query), Reading::good);
  EXPECT_EQ(query.udp_size, 512) << "less than 512 counts as 512: RFC 6891, section 6.2.3";
  EXPECT_EQ(read_query(dns_query({.name = "a", .edns = 1232, .version = 1}), query), Reading::bad_version);
  EXPECT_EQ(read_query(dns_query({.name = ""}), query), Reading::good);
  EXPECT_EQ(query.labels, 0);
}

struct Case {
  std::string what;
  std::string hex;
  Reading reading;
};

class Malformed : public testing::TestWithParam<Case> {};

TEST_P(Malformed, IsTold) {
  const auto message = bytes_of(GetParam().hex);
  Query query;

  EXPECT_EQ(read_query(message, query), GetParam().reading) << GetParam().what;
}

INSTANTIATE_TEST_SUITE_P(
    DnsQuery, Malformed,
    testing::Values(
        Case{"nothing", "", Reading::ignored},
        Case{"shorter than a header", "1234 0100 0001 0000 0000 00", Reading::ignored},
        Case{"an answer", "1234 8180 0001 0000 0000 0000 00 0001 0001", Reading::ignored},
        Case{"an answer of another operation", "1234 a800 0001 0000 0000 0000 00 0006 0001", Reading::ignored},
        Case{"an update", "1234 2800 0001 0000 0000 0000 00 0006 0001", Reading::not_implemented},
        Case{"a header alone, which says a question", "1234 0100 0001 0000 0000 0000", Reading::format_error},
        Case{"no question", "1234 0100 0000 0000 0000 0000", Reading::format_error},
        Case{"two questions", "1234 0100 0002 0000 0000 0000 00 0001 0001 00 0001 0001", Reading::format_error},
        Case{"an answer in a query", "1234 0100 0001 0001 0000 0000 00 0001 0001", Reading::format_error},
        Case{"authority in a query", "1234 0100 0001 0000 0001 0000 00 0001 0001", Reading::format_error},
        Case{"a thousand records", "1234 0100 0001 0000 0000 03e8 00 0001 0001", Reading::format_error},
        Case{"a name without end", "1234 0100 0001 0000 0000 0000 03 777777", Reading::format_error},
        Case{"a label beyond the end", "1234 0100 0001 0000 0000 0000 3f 777777 00 0001 0001", Reading::format_error},
        Case{"a pointer to itself", "1234 0100 0001 0000 0000 0000 c00c 0001 0001", Reading::format_error},
        Case{"a pointer into the header", "1234 0100 0001 0000 0000 0000 0161 c000 0001 0001", Reading::format_error},
        Case{"an extended label", "1234 0100 0001 0000 0000 0000 4161 00 0001 0001", Reading::format_error},
        Case{"a type cut short", "1234 0100 0001 0000 0000 0000 00 0001 00", Reading::format_error},
        Case{"bytes behind the question", "1234 0100 0001 0000 0000 0000 00 0001 0001 00", Reading::format_error},
        Case{"a record that is not there", "1234 0100 0001 0000 0000 0001 00 0001 0001", Reading::format_error},
        Case{"OPT cut short", "1234 0100 0001 0000 0000 0001 00 0001 0001 00 0029 04d0 00000000 00",
             Reading::format_error},
        Case{"OPT with more data than there is",
             "1234 0100 0001 0000 0000 0001 00 0001 0001 00 0029 04d0 00000000 0004 0000", Reading::format_error},
        Case{"OPT of a name", "1234 0100 0001 0000 0000 0001 00 0001 0001 0161 00 0029 04d0 00000000 0000",
             Reading::format_error},
        Case{"two OPTs",
             "1234 0100 0001 0000 0000 0002 00 0001 0001 00 0029 04d0 00000000 0000 00 0029 04d0 00000000 0000",
             Reading::format_error},
        Case{"OPT with an option, which is stepped over",
             "1234 0100 0001 0000 0000 0001 00 0001 0001 00 0029 04d0 00000000 000c 000a 0008 0102030405060708",
             Reading::good},
        Case{"another record whose name is a pointer",
             "1234 0100 0001 0000 0000 0001 00 0001 0001 c00c 0001 0001 00000000 0004 01020304", Reading::good}));

TEST(DnsQuery, NamesEndAt255Bytes) {
  const std::string label(61, 'a');
  std::string name = label + "." + label + "." + label + "." + label;  // 4 * 62 and the root: 249
  Query query;

  EXPECT_EQ(read_query(dns_query({.name = name + ".bbbbb"}), query), Reading::good);
  EXPECT_EQ(query.name_length, 255);
  EXPECT_EQ(read_query(dns_query({.name = name + ".bbbbbb"}), query), Reading::format_error);
  std::string shortest;
  for (int i = 0; i < 127; ++i) {
    shortest += "a.";
  }
  EXPECT_EQ(read_query(dns_query({.name = shortest}), query), Reading::good);
  EXPECT_EQ(query.labels, 127);
  EXPECT_EQ(query.part(126, 127), "\1a");
  EXPECT_EQ(read_query(dns_query({.name = shortest + "a."}), query), Reading::format_error);
}

}  // namespace
}  // namespace weft::dns
