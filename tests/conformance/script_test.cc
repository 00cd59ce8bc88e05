// SPDX-License-Identifier: Apache-2.0
/// @file The script language itself: that what is wrong fails, and is told so that a person can read it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "runner.h"

namespace weft::conformance {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

/// @returns why it failed; empty: it did not
std::string outcome(const std::string& text) {
  try {
    Runner(parse_script("tried.tcp", text), 4, Start::plain).run();
    return {};
  } catch (const Failure& failure) {
    return failure.what();
  }
}

const std::string kAccepted =
    "+0 listen\n"
    "+0 < S 0 win 1000 [mss 1000]\n"
    "+0 > SA 0 ack 1\n"
    "+10 < A 1 ack 1\n";

TEST(Script, HoldsIfAllIsAsExpected) {
  EXPECT_EQ(outcome(kAccepted + "+0 < A 1:101 ack 1\n+40 > A 1 ack 101\n"), "");
}

TEST(Script, FailsOfWhatIsSentAndNotExpected) {
  EXPECT_THAT(outcome(kAccepted + "+0 < A 1:101 ack 1\n+1s nothing\n"),
              AllOf(HasSubstr("tried.tcp:6"), HasSubstr("nobody expects"), HasSubstr("at 50.000 ms: A 1 ack 101")));
}

TEST(Script, FailsOfSilence) {
  EXPECT_THAT(outcome(kAccepted + "+0..1000 > A 1 ack 1\n"), HasSubstr("nothing was sent"));
}

TEST(Script, FailsOfAnotherTime) {
  EXPECT_THAT(outcome(kAccepted + "+0 < A 1:101 ack 1\n+39 > A 1 ack 101\n"), HasSubstr("nothing was sent"));
  EXPECT_THAT(outcome(kAccepted + "+0 < A 1:101 ack 1\n+41 > A 1 ack 101\n"), HasSubstr("another time"));
}

TEST(Script, FailsOfEachFieldThatDiffers) {
  const std::string sent = kAccepted + "+0 < A 1:101 ack 1\n";
  EXPECT_THAT(outcome(sent + "+40 > FA 1 ack 101\n"), HasSubstr("other flags"));
  EXPECT_THAT(outcome(sent + "+40 > A 2 ack 101\n"), HasSubstr("another sequence number"));
  EXPECT_THAT(outcome(sent + "+40 > A 1:2 ack 101\n"), HasSubstr("another length"));
  EXPECT_THAT(outcome(sent + "+40 > A 1 ack 102\n"), HasSubstr("another acknowledgment"));
  EXPECT_THAT(outcome(sent + "+40 > A 1 ack 101 win 1\n"), HasSubstr("another window"));
  EXPECT_THAT(outcome(sent + "+40 > A 1 ack 101 [ts any any]\n"), HasSubstr("other options"));
}

TEST(Script, FailsOfOtherBytesThanTheStreams) {
  EXPECT_THAT(outcome(kAccepted + "+0 < A 1:101 ack 1 garbage\n& read all\n"), HasSubstr("another byte"));
  EXPECT_THAT(outcome(kAccepted + "+0 < A 1:101 ack 1 garbage\n+40 > A 1 ack 101\n"), HasSubstr("another byte"))
      << "what nobody reads is compared at the end";
}

TEST(Script, FailsOfAnEndThatNobodyExpects) {
  EXPECT_THAT(outcome(kAccepted + "+0 < R 1\n"), HasSubstr("nobody expects"));
}

TEST(Script, FailsOfAssertionsThatDoNotHold) {
  EXPECT_THAT(outcome(kAccepted + "+0 event none\n"), HasSubstr("the events were accepted"));
  EXPECT_THAT(outcome(kAccepted + "+0 state closing\n"), HasSubstr("it is established"));
  EXPECT_THAT(outcome(kAccepted + "+0 counter accepted 2\n"), HasSubstr("accepted is 1"));
  EXPECT_THAT(outcome(kAccepted + "+0 connections 0\n"), HasSubstr("it is 1"));
}

TEST(Script, NamesTheLineThatItCantRead) {
  EXPECT_THAT(outcome("+0 listen\n+0 < Q 1\n"), AllOf(HasSubstr("tried.tcp:2"), HasSubstr("no such flags")));
  EXPECT_THAT(outcome("config receive_buffer much\n"), HasSubstr("no number"));
  EXPECT_THAT(outcome("config colour 1\n"), HasSubstr("no such setting"));
  EXPECT_THAT(outcome("+0 < A 1 win 5\n"), HasSubstr("go together"));
  EXPECT_THAT(outcome("+0 dance\n"), HasSubstr("no such command"));
  EXPECT_THAT(outcome("use nothing\n"), HasSubstr("can't read"));
  EXPECT_THAT(outcome("0 listen\n"), HasSubstr("begins with"));
}

}  // namespace
}  // namespace weft::conformance
