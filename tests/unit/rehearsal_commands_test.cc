// SPDX-License-Identifier: Apache-2.0
/// @file `weftctl fault run` as it is called: its exit codes, and what is left in the files that it writes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "rehearsal/commands.h"
#include "rehearsal_fake_node.h"

namespace weft::rehearsal {
namespace {

using testing::HasSubstr;

class Calls : public testing::Test {
 protected:
  std::string write(const std::string& name, const std::string& text) const {
    std::ofstream(node_.folder() + "/" + name) << text;
    return node_.folder() + "/" + name;
  }
  static std::string read(const std::string& path) {
    std::stringstream text;
    text << std::ifstream(path).rdbuf();
    return text.str();
  }
  /// What is said goes to said_.
  int call(std::vector<std::string> words) {
    words.insert(words.begin(), {"--socket", node_.socket(), "fault", "run", "--quiet"});
    testing::internal::CaptureStdout();
    testing::internal::CaptureStderr();
    const int code = run_scenario(words);
    said_ = testing::internal::GetCapturedStdout() + testing::internal::GetCapturedStderr();
    return code;
  }

  static constexpr const char* kMet =
      "{name: calm, duration: 1s, expect: [{service: web, count: {min: 0}, minRequests: 0}]}";
  FakeNode node_;
  std::string said_;
};

TEST_F(Calls, WriteTheReport) {
  const std::string junit = node_.folder() + "/junit.xml";
  EXPECT_EQ(call({write("s.yaml", kMet), "--junit", junit}), 0) << said_;
  EXPECT_THAT(read(junit), HasSubstr("<testsuite name=\"calm\" tests=\"2\" failures=\"0\""));
}

TEST_F(Calls, FailIfTheReportCanNotBeWritten) {
  EXPECT_EQ(call({write("s.yaml", kMet), "--junit", "/dev/full"}), 1);
  EXPECT_THAT(said_, HasSubstr("error: /dev/full: can't be written"));
  EXPECT_EQ(call({write("s.yaml", kMet), "--junit", "/nowhere/junit.xml"}), 64);
}

TEST_F(Calls, LeaveAReportOfTheRefusal) {
  const std::string junit = write("junit.xml", "an earlier run's");
  EXPECT_EQ(call({write("s.yaml", "{name: calm, duration: 1s, expect: [{service: nobody, count: {min: 0}}]}"),
                  "--junit", junit}),
            65);
  EXPECT_THAT(read(junit), HasSubstr("<testsuite name=\"calm\" tests=\"1\" failures=\"1\""));
  EXPECT_THAT(read(junit), HasSubstr("the node knows no service default/nobody"));

  EXPECT_EQ(call({write("s.yaml", "{name: calm}"), "--junit", junit}), 65);
  EXPECT_THAT(read(junit), HasSubstr("expect: required field is missing"));
  EXPECT_EQ(call({node_.folder() + "/none.yaml", "--junit", junit}), 65);
  EXPECT_THAT(read(junit), HasSubstr("none.yaml"));
  EXPECT_EQ(call({write("s.yaml",
                        "{name: calm, duration: 1s, steps: [{name: x, run: 'true'}], expect: [{service: web, "
                        "count: {min: 0}}]}"),
                  "--junit", junit}),
            65);
  EXPECT_THAT(read(junit), HasSubstr("give --allow-commands"));
}

TEST_F(Calls, ThatOnlyCheckWriteNothing) {
  const std::string junit = write("junit.xml", "an earlier run's");
  EXPECT_EQ(call({write("s.yaml", "{name: calm}"), "--check", "--junit", junit}), 65);
  EXPECT_EQ(read(junit), "an earlier run's");
}

TEST(InterruptedCall, HasAnExitCodeOfItsOwn) {
  FakeNode node([](const std::string&) -> std::optional<std::string> {
    kill(getpid(), SIGINT);
    return "";
  });
  const std::string file = node.folder() + "/s.yaml";
  std::ofstream(file) << "{name: calm, duration: 1s, expect: [{service: web, count: {min: 0}}]}";
  EXPECT_EQ(run_scenario({"--socket", node.socket(), "fault", "run", file}), 130);
}

}  // namespace
}  // namespace weft::rehearsal
