// SPDX-License-Identifier: Apache-2.0
#include "ops/options.h"

#include <gtest/gtest.h>

namespace weft::ops {
namespace {

std::string service_of(const Words& words) {
  return Options(words).service();
}

TEST(Options, AGatewayIsNamedByTwoWords) {
  EXPECT_EQ(service_of({"web", "count", "1"}), "web");
  EXPECT_EQ(service_of({"gateway", "public", "count", "1"}), "gateway public");
  EXPECT_EQ(service_of({"gateway"}), "gateway") << "a service of this name";
  EXPECT_EQ(service_of({"default/gateway", "failed"}), "default/gateway");
  EXPECT_EQ(service_of({}), "");
}

}  // namespace
}  // namespace weft::ops
