// SPDX-License-Identifier: Apache-2.0
#include "node/diagnostic_log.h"

#include <gmock/gmock.h>

namespace weft::node {
namespace {

using registry::Diagnostic;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

const Diagnostic kA{.file = "/weft/v1/a", .message = "unknown field"};
const Diagnostic kB{.file = "/weft/v1/b", .message = "no such service"};
const Diagnostic kOtherB{.file = "/weft/v1/b", .message = "no such port"};

TEST(NewDiagnostics, AreSaidOnceHoweverOftenOthersChange) {
  NewDiagnostics log;
  EXPECT_THAT(log.of({kA}), ElementsAre(kA));
  EXPECT_THAT(log.of({kA, kB}), ElementsAre(kB));
  EXPECT_THAT(log.of({kB, kA}), IsEmpty());
  EXPECT_THAT(log.of({kA, kOtherB}), ElementsAre(kOtherB));
}

TEST(NewDiagnostics, AreNewsAgainOnceTheyWereGone) {
  NewDiagnostics log;
  EXPECT_THAT(log.of({kA, kA}), ElementsAre(kA));
  EXPECT_THAT(log.of({}), IsEmpty());
  EXPECT_THAT(log.of({kA}), ElementsAre(kA));
}

}  // namespace
}  // namespace weft::node
