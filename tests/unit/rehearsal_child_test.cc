// SPDX-License-Identifier: Apache-2.0
/// @file Commands of scenarios: what is ended of them, and when.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>

#include "rehearsal/child.h"
#include "rehearsal_processes.h"

namespace weft::rehearsal {
namespace {

class Commands : public testing::Test {
 protected:
  Commands() {
    char name[] = "/tmp/weft-child-XXXXXX";
    folder_ = mkdtemp(name);
  }
  ~Commands() override { std::filesystem::remove_all(folder_); }

  static Child started(const std::string& command, Child::Orphaned orphaned = Child::Orphaned::goes_on) {
    auto child = Child::start(command, orphaned);
    EXPECT_TRUE(child) << child.error();
    return std::move(*child);
  }
  std::string file(const std::string& name) const { return folder_ + "/" + name; }

  std::string folder_;
};

TEST_F(Commands, EndTogetherThoughTheShellEndedFirst) {
  Child child = started("sleep 1000 & echo $! > " + file("pid"));
  const pid_t background = process_in(file("pid"));
  ASSERT_TRUE(comes_true([&] { return child.exit_code().has_value(); }));
  EXPECT_EQ(*child.exit_code(), 0);
  EXPECT_FALSE(child.is_over());
  child.terminate();
  EXPECT_TRUE(comes_true([&] { return child.is_over(); }));
  EXPECT_TRUE(is_gone(background));
}

TEST_F(Commands, AreKilledThoughTheShellAloneHeardSigterm) {
  Child child = started("sh -c 'trap \"\" TERM; echo $$ > " + file("pid") + "; while :; do sleep 1; done' & wait");
  const pid_t deaf = process_in(file("pid"));
  child.terminate();
  ASSERT_TRUE(comes_true([&] { return child.exit_code().has_value(); }));
  EXPECT_EQ(*child.exit_code(), 128 + SIGTERM);
  EXPECT_FALSE(child.is_over());
  EXPECT_TRUE(child.kill());
  EXPECT_TRUE(is_gone(deaf));
  EXPECT_EQ(*child.exit_code(), 128 + SIGTERM);
}

TEST_F(Commands, AreEndedByTheirEndOfScope) {
  pid_t background = 0;
  pid_t shell = 0;
  {
    const Child child = started("echo $$ > " + file("shell") + "; sleep 1000 & echo $! > " + file("pid"));
    background = process_in(file("pid"));
    shell = process_in(file("shell"));
  }
  EXPECT_TRUE(is_gone(background));
  EXPECT_EQ(waitpid(shell, nullptr, WNOHANG), -1) << "it was not reaped";
}

TEST_F(Commands, GoOnInASessionOfTheirOwn) {
  pid_t daemon = 0;
  {
    Child child = started("setsid sh -c 'echo $$ > " + file("pid") + "; exec sleep 1000' &");
    daemon = process_in(file("pid"));
  }
  EXPECT_FALSE(is_gone(daemon));
  kill(daemon, SIGKILL);
}

TEST_F(Commands, DieWithWhoStartedThem) {
  const pid_t player = fork();
  if (player == 0) {
    const Child child = started("echo $$ > " + file("pid") + "; exec sleep 1000", Child::Orphaned::dies);
    pause();
    _exit(0);
  }
  const pid_t load = process_in(file("pid"));
  EXPECT_FALSE(is_gone(load));
  kill(player, SIGKILL);
  waitpid(player, nullptr, 0);
  EXPECT_TRUE(comes_true([&] { return is_gone(load); }));
}

TEST_F(Commands, HaveExitCodesAsShellsHaveThem) {
  Child failed = started("echo said; echo told >&2; exit 3");
  ASSERT_TRUE(comes_true([&] { return failed.is_over(); }));
  EXPECT_EQ(*failed.exit_code(), 3);
  EXPECT_EQ(failed.said(), "said told");
  Child killed = started("kill -KILL $$");
  ASSERT_TRUE(comes_true([&] { return killed.is_over(); }));
  EXPECT_EQ(*killed.exit_code(), 128 + SIGKILL);
}

TEST_F(Commands, AreHeardToTheirEndInLittleMemory) {
  Child child = started("head -c 20000000 /dev/zero | tr '\\0' x; echo; echo the end");
  ASSERT_TRUE(comes_true([&] { return child.is_over(); }));
  EXPECT_GT(child.output_held(), Child::kMostOutput);
  child.bound_output();
  EXPECT_LE(child.output_held(), Child::kMostOutput);
  EXPECT_TRUE(child.said().ends_with("xxx the end")) << child.said();
}

}  // namespace
}  // namespace weft::rehearsal
