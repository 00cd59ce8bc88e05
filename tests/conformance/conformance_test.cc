// SPDX-License-Identifier: Apache-2.0
/// @file Each script of scripts/ is a case, by its name: for both address families, and where numbers wrap.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <set>
#include <string>
#include <vector>

#include "runner.h"

namespace weft::conformance {
namespace {

std::vector<std::filesystem::path> scripts() {
  std::vector<std::filesystem::path> found;
  for (const auto& entry : std::filesystem::directory_iterator(SCRIPTS)) {
    if (entry.path().extension() == ".tcp") {
      found.push_back(entry.path());
    }
  }
  std::sort(found.begin(), found.end());
  return found;
}

class Conformance : public ::testing::TestWithParam<std::filesystem::path> {};

bool passes(const Script& script, int family, Start start, const char* name) {
  try {
    Runner(script, family, start).run();
    return true;
  } catch (const Failure& failure) {
    ADD_FAILURE() << "IPv" << family << ", " << name << "\n" << failure.what();
    return false;
  }
}

TEST_P(Conformance, IsAsTheScriptSays) {
  Script script;
  ASSERT_NO_THROW(
      try { script = read_script(GetParam()); } catch (const Failure& failure) {
        ADD_FAILURE() << failure.what();
        throw;
      });
  for (const int family : {4, 6}) {
    if (script.family.value_or(family) == family) {
      // The first that fails says enough.
      ASSERT_TRUE(passes(script, family, Start::plain, "plain"));
      ASSERT_TRUE(passes(script, family, Start::sequences_wrap, "sequence numbers wrap"));
      ASSERT_TRUE(passes(script, family, Start::clock_wraps, "the clock wraps"));
    }
  }
}

/// docs/tcp.md numbers the behaviours: C1 to C12 of connections, D1 to D19 of data. D17 is checksums, which the engine
/// does not see (tests/unit/tcp_wire_test.cc).
TEST(ConformanceScripts, CoverEachBehaviourByItsNumber) {
  std::set<std::string> expected = {"trap"};
  for (int number = 1; number <= 12; ++number) {
    expected.insert("c" + std::to_string(number));
  }
  for (int number = 1; number <= 19; ++number) {
    if (number != 17) {
      expected.insert("d" + std::to_string(number));
    }
  }
  std::set<std::string> found;
  for (const std::filesystem::path& script : scripts()) {
    const std::string name = script.stem().string();
    found.insert(name.substr(0, name.find('-')));
  }
  EXPECT_EQ(found, expected);
}

INSTANTIATE_TEST_SUITE_P(Tcp, Conformance, ::testing::ValuesIn(scripts()), [](const auto& tested) {
  std::string name = tested.param.stem().string();
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
});

}  // namespace
}  // namespace weft::conformance
