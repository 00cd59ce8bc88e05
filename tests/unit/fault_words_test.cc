// SPDX-License-Identifier: Apache-2.0
/// @file The words of `fault start`: the document that they make, and what is refused of them.
#include "ops/fault_words.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

#include "registry-sync/parse.h"

namespace weft::ops {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

tl::expected<FaultWords, std::string> read(const std::string& line) {
  std::istringstream stream(line);
  std::vector<std::string> words;
  for (std::string word; stream >> word;) {
    words.push_back(word);
  }
  return read_fault_words(words, "live-1");
}

registry::FaultInjection fault_of(const std::string& line) {
  const auto words = read(line);
  if (!words) {
    ADD_FAILURE() << words.error();
    return {};
  }
  const registry::ParsedFile parsed = registry::parse_document("fault", words->document);
  if (!parsed.errors.empty() || parsed.resources.faults.size() != 1) {
    ADD_FAILURE() << words->document << (parsed.errors.empty() ? "" : ": " + to_string(parsed.errors[0]));
    return {};
  }
  return *parsed.resources.faults[0];
}

TEST(FaultWords, MakeTheDocumentThatARegistryWouldHave) {
  registry::FaultInjection fault = fault_of(
      "name slow service shop/cart port 80 from-service shop/web from-namespace dev from-address 10.0.0.0/8 header "
      "X-A=b "
      "header x-c percentage 12.5 delay 100ms..2s abort 503 loss 1 bandwidth 10M for 1m30s");
  EXPECT_EQ(fault.metadata.key(), "shop/slow");
  EXPECT_EQ(fault.key(), "shop/cart");
  EXPECT_EQ(fault.port, 80);
  ASSERT_EQ(fault.fault.from.size(), 3U);
  EXPECT_EQ(fault.fault.from[0].principals.is[0].text, "cluster.local/ns/shop/sa/web");
  EXPECT_EQ(fault.fault.from[1].namespaces.is[0].text, "dev");
  EXPECT_EQ(fault.fault.headers[0].value.is[0].text, "b");
  EXPECT_EQ(fault.fault.headers[1].value.is[0].kind, lb::TextPattern::Kind::any);
  EXPECT_EQ(describe(fault.fault), "delay 100ms to 2s, abort 503, loss 1%, bandwidth 10000000 bit/s");
  EXPECT_EQ(fault.fault.share, 1'250U);
  EXPECT_EQ(read("service a dead for 1m30s")->lasts, std::chrono::milliseconds(90'000));
  fault = fault_of("service a dead for 10s");
  EXPECT_EQ(fault.metadata.key(), "default/live-1");
  EXPECT_EQ(describe(fault.fault), "dead");
  EXPECT_EQ(describe(fault_of("service a dead 10.1.0.1 for 10s").fault), "dead 10.1.0.1");
  EXPECT_EQ(describe(fault_of("service a reset for 10s").fault), "reset");
  EXPECT_EQ(fault_of("route shop/r delay 1s for 10s").key(), "faults shop/r");
  EXPECT_EQ(fault_of("gateway edge delay 1s for 10s").key(), "gateway default/edge");
}

TEST(FaultWords, TakeADocumentAsItIs) {
  const auto words = read(R"(spec {"a":"b\u0020c"} for 5s)");
  ASSERT_TRUE(words) << words.error();
  EXPECT_EQ(words->document, R"({"a":"b\u0020c"})");
  EXPECT_THAT(read("spec {} service a for 5s").error(), StartsWith("expected nothing but for <time> beside spec"));
}

TEST(FaultWords, AlwaysHaveAnEnd) {
  EXPECT_EQ(read("service a dead").error(),
            "expected for <time>, such as for 30s: a fault that is started ends by itself");
  for (const std::string time : {"0s", "99ms", "61m", "1h1s", "x", "-5s", "5"}) {
    EXPECT_EQ(read("service a dead for " + time).error(),
              "for: expected 100ms to 1h, such as 30s, got \"" + time + "\"");
  }
  EXPECT_TRUE(read("service a dead for 1h"));
}

TEST(FaultWords, WhatIsWrongIsNamed) {
  EXPECT_EQ(read("dead for 5s").error(), "expected service, route or gateway, and its name");
  EXPECT_EQ(read("service a route b dead for 5s").error(), "expected one of service, route and gateway");
  EXPECT_THAT(read("service a frob for 5s").error(), StartsWith("unknown word \"frob\"; expected name, service"));
  EXPECT_EQ(read("service a delay").error(), "expected something behind delay");
}

}  // namespace
}  // namespace weft::ops
