// SPDX-License-Identifier: Apache-2.0
/// @file Scenarios as they are played on a node, with real commands: what is begun is ended, and all that went wrong is
/// said.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "rehearsal/player.h"
#include "rehearsal/put_text.h"
#include "rehearsal_fake_node.h"
#include "rehearsal_processes.h"

namespace weft::rehearsal {
namespace {

Scenario played(const std::string& steps, const std::string& duration = "1s") {
  auto scenario = parse_scenario("s.yaml", "{name: test, duration: " + duration + ", interval: 100ms, steps: [" +
                                               steps + "], expect: [{service: web, count: {min: 0}, minRequests: 0}]}");
  EXPECT_TRUE(scenario.has_value()) << to_string(scenario.error().at(0));
  return scenario.value_or(Scenario{});
}

/// Standard error whose reader has gone away, as of `2>&1 | head`.
class BrokenStandardError {
 public:
  BrokenStandardError() : kept_(dup(STDERR_FILENO)) {
    int ends[2];
    EXPECT_EQ(pipe2(ends, O_CLOEXEC), 0);
    dup2(ends[1], STDERR_FILENO);
    close(ends[0]);
    close(ends[1]);
    signal(SIGPIPE, SIG_IGN);
  }
  ~BrokenStandardError() {
    dup2(kept_, STDERR_FILENO);
    close(kept_);
  }
  BrokenStandardError(const BrokenStandardError&) = delete;
  BrokenStandardError& operator=(const BrokenStandardError&) = delete;

 private:
  int kept_;
};

TEST(Player, UndoesWhatItDidThoughNobodyReadsItsProgress) {
  FakeNode node;
  const std::string undone = node.folder() + "/undone";
  const Scenario scenario = played("{name: break, for: 100ms, run: 'true', undo: touch " + undone + "}");
  const NodeClient client(node.socket());
  Player player(scenario, client, true);
  const BrokenStandardError broken;
  const auto outcome = player.play();
  ASSERT_TRUE(outcome);
  EXPECT_EQ(outcome->ending, Outcome::Ending::complete);
  EXPECT_EQ(access(undone.c_str(), F_OK), 0);
}

TEST(Player, EndsWhatLoadsAndRunsLeftInTheBackground) {
  FakeNode node;
  const std::string of_load = node.folder() + "/load";
  const std::string of_run = node.folder() + "/run";
  const Scenario scenario = played("{name: traffic, for: 900ms, load: 'sleep 1000 & echo $! > " + of_load +
                                   "'}, {name: break, run: 'sleep 1000 & echo $! > " + of_run + "'}");
  const NodeClient client(node.socket());
  ASSERT_TRUE(Player(scenario, client, false).play());
  EXPECT_TRUE(is_gone(process_in(of_load)));
  EXPECT_TRUE(is_gone(process_in(of_run)));
}

TEST(Player, FailsIfALoadFailed) {
  FakeNode node;
  const NodeClient client(node.socket());
  const Scenario failing = played("{name: traffic, load: 'echo no such thing; exit 127'}");
  const auto failed = Player(failing, client, false).play();
  ASSERT_TRUE(failed);
  EXPECT_EQ(failed->steps[0].problem, "ended by itself with exit code 127");
  EXPECT_EQ(failed->steps[0].said, "no such thing");
  EXPECT_EQ(failed->ending, Outcome::Ending::complete);
  EXPECT_FALSE(failed->met());
}

TEST(Player, TakesNoOffenceAtALoadThatItEndsOrThatIsDone) {
  FakeNode node;
  const NodeClient client(node.socket());
  const Scenario scenario = played("{name: traffic, load: exec sleep 1000}, {name: few, load: 'true'}");
  const auto outcome = Player(scenario, client, false).play();
  ASSERT_TRUE(outcome);
  EXPECT_EQ(outcome->steps[0].problem, "");
  EXPECT_EQ(outcome->steps[1].problem, "");
  EXPECT_TRUE(outcome->met()) << outcome->verdicts[0].findings[0].found;
}

TEST(Player, RefusesAFaultOfAServiceThatTheNodeHasNotBeforeAnythingIsDone) {
  FakeNode node;
  const NodeClient client(node.socket());
  const Scenario scenario = played(
      "{name: slow, at: 900ms, for: 100ms, namespace: shop, fault: {targetRef: {kind: Service, name: web}, "
      "delay: {fixed: 10ms}}}");
  const auto outcome = Player(scenario, client, false).play();
  ASSERT_FALSE(outcome);
  EXPECT_FALSE(outcome.error().unreachable);
  EXPECT_EQ(outcome.error().message, "s.yaml: the node knows no service shop/web");
  EXPECT_FALSE(node.was_asked("access"));
}

TEST(Player, LeavesRoutesAndServicesThatThereAreToTheNode) {
  FakeNode node;
  const NodeClient client(node.socket());
  const Scenario scenario = played(
      "{name: slow, for: 100ms, fault: {targetRef: {kind: Service, name: web}, delay: {fixed: 10ms}}}, {name: late, "
      "for: 100ms, fault: {targetRef: {group: gateway.networking.k8s.io, kind: HTTPRoute, name: web}, delay: {fixed: "
      "10ms}}}");
  EXPECT_TRUE(Player(scenario, client, false).play());
  EXPECT_TRUE(node.was_asked("fault start"));
  EXPECT_TRUE(node.was_asked("fault stop test.slow"));
}

TEST(PutText, SaysThatItCouldNotBeWritten) {
  const BrokenStandardError broken;
  EXPECT_FALSE(put_text(stderr, "to nobody\n"));
}

}  // namespace
}  // namespace weft::rehearsal
