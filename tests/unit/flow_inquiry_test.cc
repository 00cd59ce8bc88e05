// SPDX-License-Identifier: Apache-2.0
/// @file An operator's question to a worker, across threads. Run under ThreadSanitizer too.
#include "runtime/inquiry.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

namespace weft::runtime {
namespace {

using std::chrono::milliseconds;
using ::testing::SizeIs;

constexpr uint64_t kSeed = 3;
constexpr time::Millis kNow = 1000;
constexpr milliseconds kPatience{20'000};

lb::FlowKey4 request(uint32_t n) {
  return lb::FlowKey4::make(lb::address_from_host(0x0a010000 + n), lb::port_from_host(9),
                            lb::address_from_host(0x0a600001), lb::port_from_host(53), lb::Protocol::udp);
}
lb::FlowKey4 reply(uint32_t n) {
  return lb::FlowKey4::make(lb::address_from_host(0x0a020001), lb::port_from_host(53), request(n).source,
                            lb::port_from_host(9), lb::Protocol::udp);
}

class FlowInquiryTest : public ::testing::Test {
 protected:
  static constexpr uint32_t kFlows = 3000;

  FlowInquiryTest() {
    for (uint32_t n = 0; n < kFlows; ++n) {
      flow::Flow4* flow =
          table.insert(request(n), hash_of(request(n), kSeed), reply(n), kNow, [](const flow::Flow4&) {}).flow;
      flow->state = flow::State::udp_exchange;
      flow->service_slot = static_cast<uint16_t>(n % 3);
    }
  }

  /// Asks while another thread answers, as a worker's turns do, and writes to its flows between them.
  std::optional<FlowInquiry::Answer> ask_a_worker(const FlowInquiry::Question& question) {
    std::atomic<bool> stop = false;
    std::thread worker([&] {
      while (!stop.load()) {
        inquiry.answer(table, table6, kSeed, kNow);
        table[{0, flow::Direction::request}].last_seen = kNow;
      }
    });
    auto answer = inquiry.ask(question, kPatience);
    stop = true;
    worker.join();
    return answer;
  }

  flow::FlowTable4 table{4096, {}, kSeed};
  flow::FlowTable6 table6{64, {}, kSeed};
  FlowInquiry inquiry;
};

TEST_F(FlowInquiryTest, GivesEachFlowOnce) {
  const auto answer = ask_a_worker({.key = {}, .service_slots = {}, .limit = 10'000});
  ASSERT_TRUE(answer);
  std::set<lb::Address> clients;
  for (const flow::FlowInfo& flow : answer->flows) {
    clients.insert(flow.request.source);
  }
  EXPECT_THAT(answer->flows, SizeIs(kFlows));
  EXPECT_EQ(answer->now, kNow);
  EXPECT_THAT(clients, SizeIs(kFlows));
}

TEST_F(FlowInquiryTest, GivesNoMoreThanAskedFor) {
  for (const uint32_t limit : {0, 1, 64, 65, 500}) {
    const auto answer = ask_a_worker({.key = {}, .service_slots = {}, .limit = limit});
    ASSERT_TRUE(answer);
    EXPECT_THAT(answer->flows, SizeIs(limit));
  }
}

TEST_F(FlowInquiryTest, GivesOnlyFlowsOfTheServicesAskedFor) {
  const auto answer = ask_a_worker({.key = {}, .service_slots = {0, 2}, .limit = 10'000});
  ASSERT_TRUE(answer);
  EXPECT_THAT(answer->flows, SizeIs(kFlows / 3 * 2));
  EXPECT_THAT(answer->flows, ::testing::Each(::testing::Field(&flow::FlowInfo::service_slot, ::testing::Ne(1U))));
}

TEST_F(FlowInquiryTest, FindsOneFlowByEitherTuple) {
  for (const lb::FlowKey4& key : {request(17), reply(17)}) {
    const auto answer = ask_a_worker({.key = lb::Tuple(key), .service_slots = {}});
    ASSERT_TRUE(answer);
    ASSERT_THAT(answer->flows, SizeIs(1));
    EXPECT_EQ(answer->flows.front().request, lb::Tuple(request(17)));
  }
  const auto none = ask_a_worker({.key = lb::Tuple(request(kFlows)), .service_slots = {}});
  ASSERT_TRUE(none);
  EXPECT_THAT(none->flows, SizeIs(0));
}

TEST_F(FlowInquiryTest, SaysSoWhenNobodyAnswers) {
  EXPECT_EQ(inquiry.ask({}, milliseconds(0)), std::nullopt);
  EXPECT_EQ(inquiry.ask({}, milliseconds(0)), std::nullopt) << "and does not disturb the question that stands";
}

TEST_F(FlowInquiryTest, AnAnswerThatCameTooLateDoesNotBlockTheNextQuestion) {
  EXPECT_EQ(inquiry.ask({.key = {}, .service_slots = {}, .limit = 1}, milliseconds(0)), std::nullopt);
  inquiry.answer(table, table6, kSeed, kNow);
  const auto answer = ask_a_worker({.key = {}, .service_slots = {}, .limit = 70});
  ASSERT_TRUE(answer);
  EXPECT_THAT(answer->flows, SizeIs(70));
}

}  // namespace
}  // namespace weft::runtime
