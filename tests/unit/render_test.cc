// SPDX-License-Identifier: Apache-2.0
#include "ops/render.h"

#include <gtest/gtest.h>

namespace weft::ops {
namespace {

TEST(Render, AListOfObjectsIsATable) {
  const Json rows = {{{"service", "default/web"}, {"active_flows", 7}}, {{"service", ""}, {"active_flows", 12345}}};
  EXPECT_EQ(as_text(rows),
            "SERVICE      ACTIVE FLOWS\n"
            "default/web             7\n"
            "-                   12345\n");
}

TEST(Render, AnObjectIsALineAField) {
  const Json answer = {{"epoch", 3}, {"up", true}, {"share_percent", 33.333}, {"errors", Json::array()}};
  EXPECT_EQ(as_text(answer),
            "epoch:          3\n"
            "up:             yes\n"
            "share percent:  33.3\n"
            "errors:         -\n");
}

TEST(Render, SentencesInAnObjectAreALineEach) {
  const Json answer = {{"names", {"a", "b"}}, {"errors", {"a: expected one, two or three", "b: none"}}};
  EXPECT_EQ(as_text(answer),
            "names:   a,b\n"
            "errors:  a: expected one, two or three\n"
            "         b: none\n");
}

TEST(Render, TablesInAnObjectStandUnderTheirNames) {
  const Json answer = {{"received", 1}, {"workers", {{{"name", "request"}, {"packets", 1}}}}};
  EXPECT_EQ(as_text(answer),
            "received:  1\n"
            "workers:\n"
            "  NAME     PACKETS\n"
            "  request        1\n");
}

TEST(Render, ATableTooWideForATerminalLiesOnItsSide) {
  Json row = Json::object();
  for (int i = 0; i < 20; ++i) {
    row["a_rather_long_name_" + std::to_string(i)] = i;
  }
  const std::string text = as_text(Json::array({row, row}));
  EXPECT_TRUE(text.starts_with("A RATHER LONG NAME 0   0   0\n")) << text;
}

TEST(Render, NothingIsSaidToBeNothing) {
  EXPECT_EQ(as_text(Json::array()), "none\n");
}

TEST(Render, ObjectsInCellsAreShort) {
  const Json rows = {{{"burst_sizes", {{"0", 10}, {"32", 4}}}}};
  EXPECT_EQ(as_text(rows), "BURST SIZES\n0:10 32:4\n");
}

TEST(Render, ALineIsALineWhateverIsInIt) {
  EXPECT_EQ(as_line({{"path", "/a\xff\n"}, {"status", nullptr}}), "{\"path\":\"/a\xef\xbf\xbd\\n\",\"status\":null}\n");
}

}  // namespace
}  // namespace weft::ops
