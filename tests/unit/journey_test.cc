// SPDX-License-Identifier: Apache-2.0
/// @file Records of several workers, in whatever order they are read.
#include "ops/journey.h"

#include <gtest/gtest.h>

namespace weft::ops {
namespace {

using l4::Verdict;
using runtime::TraceRecord;

TraceRecord passage(uint64_t cycles, uint64_t packet, Verdict verdict, uint8_t owner = 0, bool taken_over = false) {
  TraceRecord record{.cycles = cycles, .packet = packet, .passage = {}};
  record.passage.verdict = verdict;
  record.passage.owner = owner;
  record.passage.taken_over = taken_over;
  return record;
}
TraceRecord lost(uint64_t cycles, uint64_t packet, Verdict reason) {
  return {.cycles = cycles, .packet = packet, .what = TraceRecord::What::lost, .lost_by = reason, .passage = {}};
}

TEST(Journeys, JoinsThePartsOfAPacketWhoeverIsReadFirst) {
  Journeys journeys;
  journeys.add(1, passage(20, 7, Verdict::request, 0, true));
  journeys.add(0, passage(10, 7, Verdict::handed_over, 1));
  journeys.add(0, passage(15, 8, Verdict::reply));
  const auto settled = journeys.settle(100);
  ASSERT_EQ(settled.size(), 2U);
  ASSERT_EQ(settled[0].stages.size(), 2U);
  EXPECT_EQ(settled[0].cycles, 10U);
  EXPECT_EQ(settled[0].stages[1].worker, 1U);
  EXPECT_EQ(settled[1].stages[0].passage.verdict, Verdict::reply);
  EXPECT_TRUE(journeys.settle(100).empty());
}

TEST(Journeys, WaitsForWhatIsTooYoung) {
  Journeys journeys;
  journeys.add(0, passage(10, 7, Verdict::request));
  journeys.add(0, passage(90, 8, Verdict::request));
  EXPECT_EQ(journeys.settle(50).size(), 1U);
  EXPECT_EQ(journeys.settle(100).size(), 1U);
}

TEST(Journeys, ALossIsThatOfTheLastPassage) {
  Journeys journeys;
  journeys.add(0, passage(10, 7, Verdict::handed_over, 1));
  journeys.add(0, lost(11, 7, Verdict::handover_full));
  journeys.add(0, passage(20, 7, Verdict::request));
  journeys.add(0, lost(21, 7, Verdict::transmit_full));
  const auto settled = journeys.settle(100);
  ASSERT_EQ(settled.size(), 2U);
  EXPECT_EQ(settled[0].stages[0].lost_by, Verdict::handover_full);
  EXPECT_EQ(settled[1].stages[0].lost_by, Verdict::transmit_full);
}

TEST(Journeys, ANumberThatIsUsedAgainIsAnotherPacket) {
  Journeys journeys;
  journeys.add(0, passage(10, 7, Verdict::no_flow));
  journeys.add(0, passage(20, 7, Verdict::handed_over, 1));
  journeys.add(1, passage(30, 7, Verdict::reply, 0, true));
  const auto settled = journeys.settle(100);
  ASSERT_EQ(settled.size(), 2U);
  EXPECT_EQ(settled[0].stages.size(), 1U);
  EXPECT_EQ(settled[1].stages.size(), 2U);
}

TEST(Journeys, LeavesOutWhatBeganUnseen) {
  Journeys journeys;
  journeys.add(1, passage(10, 7, Verdict::request, 0, true));
  journeys.add(0, lost(11, 8, Verdict::transmit_full));
  EXPECT_TRUE(journeys.settle(100).empty());
  journeys.add(0, passage(120, 7, Verdict::handed_over, 1));
  EXPECT_EQ(journeys.settle(200).at(0).stages.size(), 1U) << "what is older does not go on from it";
}

}  // namespace
}  // namespace weft::ops
