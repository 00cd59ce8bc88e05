// SPDX-License-Identifier: Apache-2.0
#include "lb/name_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <random>

namespace weft::lb {
namespace {

using Shared = std::shared_ptr<const NamedService>;

Shared named(const std::string& service, const std::string& name_space,
             const std::vector<std::string>& addresses = {}) {
  NamedService result{.name = wire_name(service, name_space)};
  for (const std::string& address : addresses) {
    result.ipv4.push_back(parse_ipv4(address).value());
  }
  std::sort(result.ipv4.begin(), result.ipv4.end());
  return std::make_shared<const NamedService>(std::move(result));
}

TEST(NameTable, FindsByWholeNames) {
  const auto table = NameTable().with({{nullptr, named("web", "default")}, {nullptr, named("web", "shop")}});

  ASSERT_NE(table->find("\3web\7default"), nullptr);
  EXPECT_EQ(table->find("\3web\7default")->name, "\3web\7default");
  EXPECT_EQ(table->find("\3web\4shop")->name, "\3web\4shop");
  EXPECT_EQ(table->find("\3web"), nullptr);
  EXPECT_EQ(table->find("\4shop"), nullptr);
  EXPECT_EQ(table->find("\3wef\4shop"), nullptr);
  EXPECT_EQ(table->services(), 2U);
  EXPECT_EQ(NameTable().find("\3web\7default"), nullptr);
}

TEST(NameTable, KnowsNamespacesAsLongAsAnyServiceLivesThere) {
  const Shared web = named("web", "shop");
  const Shared db = named("db", "shop");
  const auto both = NameTable().with({{nullptr, web}, {nullptr, db}});
  const auto one = both->with({{web, nullptr}});
  const auto none = one->with({{db, nullptr}});

  EXPECT_TRUE(both->has_namespace("\4shop"));
  EXPECT_TRUE(one->has_namespace("\4shop"));
  EXPECT_FALSE(none->has_namespace("\4shop"));
  EXPECT_FALSE(both->has_namespace("\3web"));
  EXPECT_TRUE(both->has_namespace("\4shop")) << "a table changed that was made before";
}

TEST(NameTable, SharesWhatDidNotChange) {
  const Shared before = named("web", "default", {"10.0.0.1"});
  const auto first = NameTable().with({{nullptr, before}, {nullptr, named("db", "data")}});
  const Shared after = named("web", "default", {"10.0.0.2"});
  const auto second = first->with({{before, after}});

  EXPECT_EQ(second->find("\3web\7default"), after.get());
  EXPECT_EQ(first->find("\3web\7default"), before.get());
  EXPECT_EQ(second->find("\2db\4data"), first->find("\2db\4data"));
  EXPECT_EQ(second->services(), 2U);
}

TEST(NameTable, TellsWhoHasAnAddressAndOfSeveralTheFirstByName) {
  const Address shared = parse_address("10.0.0.1").value();
  const Shared b = named("b", "x", {"10.0.0.1"});
  const Shared a = named("a", "x", {"10.0.0.1", "10.0.0.9"});
  const auto both = NameTable().with({{nullptr, b}, {nullptr, a}});

  EXPECT_EQ(both->owner_of(shared), a.get());
  EXPECT_EQ(both->owner_of(parse_address("10.0.0.9").value()), a.get());
  EXPECT_EQ(both->owner_of(parse_address("10.0.0.2").value()), nullptr);
  EXPECT_EQ(both->with({{a, nullptr}})->owner_of(shared), b.get());
  EXPECT_EQ(both->with({{a, named("a", "x", {"10.0.0.9"})}})->owner_of(shared), b.get());
}

TEST(NameTable, AddressesThatStayFollowTheirService) {
  const Shared before = named("web", "x", {"10.0.0.1", "10.0.0.2"});
  const Shared after = named("web", "x", {"10.0.0.1", "10.0.0.3"});
  const auto table = NameTable(9).with({{nullptr, before}})->with({{before, after}});

  EXPECT_EQ(table->owner_of(parse_address("10.0.0.1").value()), after.get());
  EXPECT_EQ(table->owner_of(parse_address("10.0.0.2").value()), nullptr);
  EXPECT_EQ(table->owner_of(parse_address("10.0.0.3").value()), after.get());
  EXPECT_EQ(table->with({{after, before}})->owner_of(parse_address("10.0.0.2").value()), before.get());
}

/// Whatever edits came, in whatever batches, the table says what a map says.
TEST(NameTable, IsWhatItsEditsSayInWhateverBatches) {
  std::mt19937 random(7);
  std::map<std::string, Shared> model;
  auto table = std::make_shared<const NameTable>(0xfeed);
  const auto pick = [&](uint32_t below) { return random() % below; };
  for (int round = 0; round < 300; ++round) {
    std::map<std::string, NameTable::Edit> edits;
    for (uint32_t n = pick(20) + 1; n > 0; --n) {
      const std::string service = "s" + std::to_string(pick(60));
      const std::string name_space = "n" + std::to_string(pick(5));
      const std::string name = wire_name(service, name_space);
      const Shared before = model.contains(name) ? model[name] : nullptr;
      if (edits.contains(name)) {
        continue;
      }
      const Shared after = pick(3) == 0 && before != nullptr
                               ? nullptr
                               : named(service, name_space, {"10.0.0." + std::to_string(pick(50)), "10.0.1.1"});
      edits[name] = {before, after};
      if (after == nullptr) {
        model.erase(name);
      } else {
        model[name] = after;
      }
    }
    std::vector<NameTable::Edit> batch;
    for (const auto& [name, edit] : edits) {
      batch.push_back(edit);
    }
    table = table->with(batch);

    ASSERT_EQ(table->services(), model.size());
    for (int i = 0; i < 60; ++i) {
      for (int n = 0; n < 5; ++n) {
        const std::string name = wire_name("s" + std::to_string(i), "n" + std::to_string(n));
        const auto known = model.find(name);
        ASSERT_EQ(table->find(name), known == model.end() ? nullptr : known->second.get());
      }
    }
    for (int n = 0; n < 5; ++n) {
      const std::string label = "\2n" + std::to_string(n);
      ASSERT_EQ(table->has_namespace(label),
                std::any_of(model.begin(), model.end(), [&](const auto& each) { return each.first.ends_with(label); }));
    }
    for (int last = 0; last < 50; ++last) {
      const Address address = parse_address("10.0.0." + std::to_string(last)).value();
      const auto owner =
          std::find_if(model.begin(), model.end(), [&](const auto& each) { return each.second->has(address); });
      ASSERT_EQ(table->owner_of(address), owner == model.end() ? nullptr : owner->second.get());
    }
  }
}

}  // namespace
}  // namespace weft::lb
