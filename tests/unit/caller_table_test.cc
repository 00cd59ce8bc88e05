// SPDX-License-Identifier: Apache-2.0
#include "lb/caller_table.h"

#include <gtest/gtest.h>

#include <map>
#include <random>

namespace weft::lb {
namespace {

TEST(CallerTable, KnowsWhoIsThere) {
  const Address here = *parse_address("10.0.0.1");
  const CallerTable none;
  EXPECT_EQ(none.find(here), nullptr);
  const auto one = none.with({{here, std::make_shared<const Caller>(Caller{{"shop"}, {"a"}})}});
  ASSERT_NE(one->find(here), nullptr);
  EXPECT_EQ(one->find(here)->namespaces, std::vector<std::string>{"shop"});
  EXPECT_EQ(one->find(*parse_address("10.0.0.2")), nullptr);
  EXPECT_GT(one->revision(), none.revision());
  const auto gone = one->with({{here, nullptr}});
  EXPECT_EQ(gone->find(here), nullptr);
  EXPECT_NE(one->find(here), nullptr) << "an edit changed the table that it was made of";
}

TEST(CallerTable, IsAsAMapIsAfterManyEdits) {
  std::mt19937_64 random(7);
  std::map<Address, std::shared_ptr<const Caller>> model;
  auto table = std::make_shared<const CallerTable>();
  for (int round = 0; round < 200; ++round) {
    std::vector<CallerTable::Edit> edits;
    for (int i = 0; i < 40; ++i) {
      const Address address = address_from_host(0x0a000000 + static_cast<uint32_t>(random() % 3000));
      auto caller =
          random() % 3 == 0 ? nullptr : std::make_shared<const Caller>(Caller{{std::to_string(random() % 5)}, {}});
      edits.push_back({address, caller});
      model[address] = caller;
    }
    table = table->with(edits);
    for (const auto& [address, caller] : model) {
      ASSERT_EQ(table->find(address), caller.get());
    }
  }
}

}  // namespace
}  // namespace weft::lb
