// SPDX-License-Identifier: Apache-2.0
/// @file What weftctl makes of flags and files of `fault start`.
#include "registrar/fault_flags.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

namespace weft::registrar {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using Called = std::vector<std::string>;

TEST(FaultFlags, AreWordsWithDashes) {
  EXPECT_THAT(*with_fault_words({"--json", "fault", "start", "--service", "web", "--delay=1s", "--dead", "for", "5s"}),
              ElementsAre("--json", "fault", "start", "service", "web", "delay", "1s", "dead", "for", "5s"));
  EXPECT_THAT(*with_fault_words({"fault", "stop", "--all", "--json", "--socket", "/s"}),
              ElementsAre("fault", "stop", "all", "--json", "--socket", "/s"));
  EXPECT_THAT(*with_fault_words({"show", "faults", "--x"}), ElementsAre("show", "faults", "--x"));
}

TEST(FaultFlags, AFileIsAWordOfJson) {
  const std::filesystem::path file = std::filesystem::temp_directory_path() / "weft-fault-flags.yaml";
  std::ofstream(file) << "apiVersion: weft.dev/v1\nkind: FaultInjection\nmetadata: {name: f}\n"
                         "spec: {targetRef: {kind: Service, name: web}, headers: [{name: x, exact: a b}], dead: {}}\n";
  const auto words = with_fault_words({"fault", "start", "-f", file, "--for", "5s"});
  ASSERT_TRUE(words) << words.error();
  ASSERT_EQ(words->size(), 6U);
  EXPECT_EQ((*words)[2], "spec");
  EXPECT_EQ((*words)[3].find(' '), std::string::npos);
  EXPECT_EQ(nlohmann::json::parse((*words)[3])["spec"]["headers"][0]["exact"], "a b");
  std::ofstream(file) << "apiVersion: weft.dev/v1\nkind: FaultInjection\nmetadata: {name: f}\nspec: {loss: 5}\n";
  EXPECT_THAT(with_fault_words({"fault", "start", "-f", file}).error(), HasSubstr("spec.targetRef"));
  std::filesystem::remove(file);
  EXPECT_THAT(with_fault_words({"fault", "start", "-f", file}).error(), HasSubstr("can't read"));
  EXPECT_THAT(with_fault_words({"fault", "start", "-f"}).error(), HasSubstr("expected a file behind -f"));
}

}  // namespace
}  // namespace weft::registrar
