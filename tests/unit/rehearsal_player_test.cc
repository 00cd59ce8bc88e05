// SPDX-License-Identifier: Apache-2.0
/// @file Scenarios as they are played on a node, with real commands: what is begun is ended, and all that went wrong is
/// said.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <fstream>
#include <future>

#include "rehearsal/player.h"
#include "rehearsal/put_text.h"
#include "rehearsal_fake_node.h"
#include "rehearsal_processes.h"

namespace weft::rehearsal {
namespace {

using std::chrono::milliseconds;

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

TEST(Player, EndsWhatIsDueWhileACommandIsWaitedFor) {
  std::string stopped;
  FakeNode node([&](const std::string& line) -> std::optional<std::string> {
    if (line.starts_with("fault stop")) {
      std::ofstream(stopped) << "yes";
    }
    return std::nullopt;
  });
  stopped = node.folder() + "/stopped";
  const NodeClient client(node.socket());
  const Scenario scenario = played(
      "{name: traffic, for: 100ms, load: exec sleep 1000}, {name: slow, for: 100ms, fault: {targetRef: {kind: "
      "Service, name: web}, delay: {fixed: 10ms}}}, {name: long, timeout: 60s, run: 'until [ -e " +
      stopped + " ]; do sleep 0.01; done'}");
  Player player(scenario, client, false);
  const auto outcome = player.play();
  ASSERT_TRUE(outcome);
  EXPECT_EQ(outcome->steps[2].problem, "");
  EXPECT_LE(player.ledger().times_of(0).ended, player.ledger().times_of(1).ended) << "the load went on";
}

/// Whoever is asked that says nothing, but the player is sent SIGINT.
FakeNode::Instead interrupted_at(const std::string& question) {
  return [question](const std::string& line) -> std::optional<std::string> {
    if (!line.starts_with(question)) {
      return std::nullopt;
    }
    kill(getpid(), SIGINT);
    return "";
  };
}

TEST(Player, IsInterruptedWhileItWaitsForTheNodeBeforeItBegins) {
  for (const char* const question : {"show services", "show endpoints", "access"}) {
    FakeNode node(interrupted_at(question));
    const NodeClient client(node.socket());
    const Scenario scenario = played("");
    const auto outcome = Player(scenario, client, false).play();
    ASSERT_FALSE(outcome) << question;
    EXPECT_TRUE(outcome.error().interrupted) << question;
    EXPECT_FALSE(outcome.error().unreachable) << question;
    EXPECT_EQ(outcome.error().message, "interrupted before the first step");
  }
}

TEST(Player, IsInterruptedWhileItLooksAndEndsWhatItBegan) {
  std::atomic<bool> began = false;
  FakeNode node([&](const std::string& line) -> std::optional<std::string> {
    began = began || line.starts_with("fault start");
    return began ? interrupted_at("show protections")(line) : std::nullopt;
  });
  const NodeClient client(node.socket());
  const Scenario scenario =
      played("{name: slow, for: 50s, fault: {targetRef: {kind: Service, name: web}, delay: {fixed: 10ms}}}", "60s");
  Player player(scenario, client, false);
  const auto outcome = player.play();
  ASSERT_TRUE(outcome);
  EXPECT_EQ(outcome->ending, Outcome::Ending::interrupted);
  EXPECT_FALSE(player.lost_node());
  EXPECT_TRUE(node.was_asked("fault stop test.slow"));
}

TEST(Player, IsInterruptedWhileItStartsAFaultWhichMayHaveBegun) {
  FakeNode node(interrupted_at("fault start"));
  const NodeClient client(node.socket());
  const Scenario scenario =
      played("{name: slow, for: 50s, fault: {targetRef: {kind: Service, name: web}, delay: {fixed: 10ms}}}", "60s");
  const auto outcome = Player(scenario, client, false).play();
  ASSERT_TRUE(outcome);
  EXPECT_EQ(outcome->ending, Outcome::Ending::interrupted);
  EXPECT_EQ(outcome->problem, "");
  EXPECT_TRUE(node.was_asked("fault stop test.slow"));
}

TEST(Player, RemembersThatAStepFailedThoughItWasUndone) {
  FakeNode node;
  const NodeClient client(node.socket());
  const Scenario scenario = played("{name: break, run: exit 3, undo: 'true'}");
  const auto outcome = Player(scenario, client, false).play();
  ASSERT_TRUE(outcome);
  EXPECT_EQ(outcome->ending, Outcome::Ending::cut_short);
  EXPECT_EQ(outcome->steps[0].problem, "exit code 3");
}

TEST(NodeClient, WaitsForANodeThatHasManyWaiting) {
  FakeNode node([](const std::string&) { return std::nullopt; }, false);
  const std::string path = node.socket();
  sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  std::vector<int> waiting;
  do {  // until the next one is told EAGAIN
    waiting.push_back(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  } while (connect(waiting.back(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
  ASSERT_EQ(errno, EAGAIN);
  const NodeClient client(path);
  auto asked = std::async(std::launch::async, [&] { return client.ask("show services").has_value(); });
  EXPECT_EQ(asked.wait_for(milliseconds(100)), std::future_status::timeout) << "it gave up at once";
  for (const int fd : waiting) {
    close(fd);
  }
  node.answer();
  EXPECT_TRUE(asked.get());
}

TEST(PutText, SaysThatItCouldNotBeWritten) {
  const BrokenStandardError broken;
  EXPECT_FALSE(put_text(stderr, "to nobody\n"));
}

}  // namespace
}  // namespace weft::rehearsal
