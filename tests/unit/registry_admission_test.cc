// SPDX-License-Identifier: Apache-2.0
/// @file What of a key-value store is in force: bad keys hurt nobody else, the outcome does not depend on arrival, and
/// a mass of leases that end at once is held.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <ctime>
#include <functional>
#include <random>

#include "registry-sync/admission.h"
#include "registry_fixture.h"

namespace weft::registry {
namespace {

using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

std::string key_of_service(const std::string& name) {
  return "/weft/v1/resources/Service/default/" + name;
}
std::string json_service(const std::string& name, const std::string& vip,
                         const std::string& ports = R"([{"port":80}])") {
  return R"({"apiVersion":"v1","kind":"Service","metadata":{"name":")" + name + R"("},"spec":{"clusterIP":")" + vip +
         R"(","ports":)" + ports + "}}";
}
std::string key_of_instance(const std::string& service, const std::string& id) {
  return "/weft/v1/endpoints/default/" + service + "/" + id;
}
std::string json_instance(const std::string& address, int port = 8080, const std::string& more = "") {
  return R"({"addresses":[")" + address + R"("],"port":)" + std::to_string(port) + more + "}";
}

struct AdmissionTest : ::testing::Test {
  Inventory inventory;
  Admission admission{inventory, {}, {.percent = 50, .least = 4, .window = seconds(30)}};
  Time now{};
  int64_t revision = 1;
  std::map<std::string, int64_t> created_at;
  std::set<std::string> seen;

  KeyEdit edit(const std::string& key, const std::string& value, int64_t lease = 0, int64_t created = 0) {
    return {.key = key,
            .value = value,
            .created = created == 0 ? ++revision : created,
            .lease = lease,
            .reading = read_value(key, value)};
  }
  void apply(std::vector<KeyEdit> edits, bool whole = false) {
    for (const KeyEdit& each : edits) {
      seen.insert(each.key);
    }
    admission.apply({.whole = whole, .revision = revision, .edits = std::move(edits)}, now);
    check();
  }
  void accept() {
    admission.accept();
    check();
  }
  /// The inventory agrees with itself, and holds exactly what the admission says is in force.
  void check() {
    EXPECT_TRUE(inventory.clean()) << ::testing::PrintToString(lines(inventory.errors()));
    std::vector<std::string> found;
    for (const std::string& key : seen) {
      if (inventory.find(key) != nullptr) {
        found.push_back(key.substr(kKeyPrefix.size()));
      }
    }
    EXPECT_EQ(found, in_force());
  }
  /// As etcd does: the revision of its creation stays a key's while it is there.
  void put(const std::string& key, const std::string& value, int64_t lease = 0) {
    int64_t& created = created_at[key];
    created = created == 0 ? ++revision : created;
    apply({edit(key, value, lease, created)});
  }
  void remove(const std::string& key, bool by_lease = false) {
    created_at.erase(key);
    apply({{.key = key, .gone = true, .by_lease = by_lease, .value = {}, .reading = {}}});
  }
  std::vector<std::string> refused() { return lines(admission.status().messages); }
  std::vector<std::string> in_force() {
    std::vector<std::string> keys;
    for (const KeyEdit& each : admission.in_force()) {
      keys.push_back(each.key.substr(kKeyPrefix.size()));
    }
    return keys;
  }
};

TEST_F(AdmissionTest, AdmitsWhatIsGood) {
  put(key_of_service("web"), json_service("web", "10.96.0.1"));
  put(key_of_instance("web", "a"), json_instance("10.0.0.1"), 7);
  put(key_of_instance("web", "b"), R"({"addresses":["10.0.0.2","fd00::2"],"ports":[{"port":8080}],"weight":3,"zone":"z",
    "conditions":{"ready":true},"nodeName":"n","hostname":"b"})");
  EXPECT_THAT(refused(), IsEmpty());
  EXPECT_EQ(inventory.endpoints(), 2U);
  const Documents slices = inventory.find(key_of_instance("web", "b"));
  ASSERT_EQ(slices->slices.size(), 2U);
  EXPECT_EQ(slices->slices[1]->family, lb::Family::ipv6);
  EXPECT_EQ(slices->slices[1]->weight, 3U);
  EXPECT_EQ(slices->slices[1]->endpoints[0].zone, "z");
}

struct BadKey {
  std::string key;
  std::string value;
  std::string message;
};
class BadKeyTest : public AdmissionTest, public ::testing::WithParamInterface<BadKey> {};

TEST_P(BadKeyTest, IsRefusedAloneAndByName) {
  put(key_of_service("web"), json_service("web", "10.96.0.1"));
  put(key_of_service("two"), json_service("two", "10.96.0.2", R"([{"name":"a","port":80},{"name":"b","port":81}])"));
  put(key_of_instance("web", "good"), json_instance("10.0.0.1"));
  const std::vector<std::string> before = in_force();
  put(GetParam().key, GetParam().value);
  EXPECT_THAT(refused(), ElementsAre(::testing::HasSubstr(GetParam().message)));
  EXPECT_THAT(refused(), ElementsAre(::testing::StartsWith(GetParam().key.substr(0, 64))));
  EXPECT_EQ(admission.status().refused, 1U);
  EXPECT_EQ(in_force(), before);
  remove(GetParam().key);
  EXPECT_THAT(refused(), IsEmpty());
}

const BadKey kBadKeys[] = {
    {"/weft/v1/resources/Service/default/x", "no json", ""},
    {"/weft/v1/resources/Service/default/x", "[]", ""},
    {"/weft/v1/resources/Gateway/default/x", json_service("x", "10.96.0.9"),
     R"(kind: expected "Gateway", as the key says)"},
    {"/weft/v1/resources/Service/default/x", json_service("y", "10.96.0.9"),
     R"(metadata.name: expected "x", as the key says, got "y")"},
    {"/weft/v1/resources/Service/other/x", json_service("x", "10.96.0.9"),
     R"(metadata.namespace: expected "other", as the key says, got "default")"},
    {"/weft/v1/resources/Service/De_fault/x", json_service("x", "10.96.0.9"), "key: namespace: expected up to 63"},
    {"/weft/v1/resources/Service/default/" + std::string(254, 'x'), "{}", "key: name: expected a DNS name"},
    {"/weft/v1/endpoints/default/" + std::string(64, 'x') + "/a", "{}", "key: service: expected up to 63"},
    {"/weft/v1/endpoints/default/web/a/b", "{}", "key: expected /weft/v1/resources/KIND/NAMESPACE/NAME"},
    {"/weft/v1/resources/Service/default/" + std::string(1024, 'x'), "{}", "key: expected up to 1024 bytes, got 1059"},
    {"/weft/v1/elsewhere", "{}", "key: expected /weft/v1/resources/KIND/NAMESPACE/NAME"},
    {"/weft/v1/resources/Service/default/x", std::string(size_t{10} << 20, ' '),
     "value: a resource may have at most 1048576 bytes"},
    {"/weft/v1/resources/Service/default/x", json_service("x", "10.96.0.1"), "spec.clusterIP: 10.96.0.1:80/tcp"},
    {"/weft/v1/endpoints/default/web/x", json_instance("10.0.0.1"),
     "addresses: instance default/web 10.0.0.1:8080/tcp is registered at"},
    {"/weft/v1/endpoints/default/web/x", json_instance("10.96.0.2"), "10.96.0.2 is the virtual address of"},
    {"/weft/v1/endpoints/default/none/x", json_instance("10.0.0.2"), "key: there is no service default/none"},
    {"/weft/v1/endpoints/default/two/x", json_instance("10.0.0.2"), "port: service default/two has 2 ports"},
    {"/weft/v1/endpoints/default/web/x", json_instance("10.0.0.2", 0), "port: "},
    {"/weft/v1/endpoints/default/web/x", json_instance("10.0.0.2", 80, R"(,"ports":[{"port":80}])"), "not both"},
    {"/weft/v1/endpoints/default/web/x", json_instance("224.0.0.1"), "multicast"},
    {"/weft/v1/endpoints/default/web/x", json_instance("nowhere"), "addresses: expected IPv4 or IPv6"},
    {"/weft/v1/endpoints/default/web/x", R"({"addresses":[],"port":80})", "addresses: expected at least one"},
    {"/weft/v1/endpoints/default/web/x", R"({"addresses":["10.0.0.2","10.0.0.3"],"port":80})",
     "one address of a family"},
    {"/weft/v1/endpoints/default/web/x", R"({"addresses":["10.0.0.2"]})", "ports: expected at least one, or port"},
    {"/weft/v1/endpoints/default/web/x", json_instance("10.0.0.2", 80, R"(,"weigth":1)"), "weigth: unknown field"},
    {"/weft/v1/endpoints/default/web/x", json_instance("10.0.0.2", 80, R"(,"weight":-1)"), "weight: "},
    {"/weft/v1/endpoints/default/web/x", std::string(20000, ' '),
     "value: an instance's value may have at most 16384 bytes"},
};
INSTANTIATE_TEST_SUITE_P(Admission, BadKeyTest, ::testing::ValuesIn(kBadKeys));

TEST_F(AdmissionTest, KeepsTheLastGoodOfAKeyThatTurnsBad) {
  put(key_of_service("web"), json_service("web", "10.96.0.1"));
  put(key_of_instance("web", "a"), json_instance("10.0.0.1"));
  const Documents good = inventory.find(key_of_service("web"));
  put(key_of_service("web"), "{");
  put(key_of_instance("web", "a"), "{");
  EXPECT_EQ(admission.status().refused, 2U);
  EXPECT_EQ(inventory.find(key_of_service("web")), good);
  EXPECT_EQ(inventory.endpoints(), 1U);
  EXPECT_EQ(admission.in_force()[0].value, json_instance("10.0.0.1"));
  put(key_of_instance("web", "a"), json_instance("10.0.0.2"));
  put(key_of_service("web"), json_service("web", "10.96.0.2"));
  EXPECT_THAT(refused(), IsEmpty());
  EXPECT_EQ(inventory.endpoints(), 1U);
}

TEST_F(AdmissionTest, NeverPutsInForceWhatWasReplacedBeforeItWas) {
  put(key_of_service("web"), json_service("web", "10.96.0.1"));
  put(key_of_instance("web", "a"), json_instance("10.0.0.1"));
  put(key_of_instance("web", "b"), json_instance("10.0.0.2"));
  // Refused, as the address is taken; then nothing that can be read.
  put(key_of_instance("web", "b"), json_instance("10.0.0.1"));
  put(key_of_instance("web", "b"), "{");
  put(key_of_instance("web", "c"), json_instance("10.0.0.1"));
  put(key_of_instance("web", "c"), "{");
  remove(key_of_instance("web", "a"));
  EXPECT_THAT(in_force(), ElementsAre("endpoints/default/web/b", "resources/Service/default/web"));
  EXPECT_EQ(to_string(inventory.find(key_of_instance("web", "b"))->slices[0]->endpoints[0].address), "10.0.0.2");
  EXPECT_EQ(admission.in_force()[0].value, json_instance("10.0.0.2"));
}

TEST_F(AdmissionTest, InstancesFollowTheServiceThatIsInForce) {
  put(key_of_service("rival"), json_service("rival", "10.96.0.2"));  // who was there first keeps its address
  put(key_of_service("web"), json_service("web", "10.96.0.1", R"([{"name":"http","port":80}])"));
  put(key_of_instance("web", "a"), json_instance("10.0.0.1"));
  EXPECT_EQ(inventory.endpoints(), 1U);
  // Refused for its address: its new port's name must not reach the instance either.
  put(key_of_service("web"), json_service("web", "10.96.0.2", R"([{"name":"api","port":80}])"));
  EXPECT_THAT(refused(), ElementsAre(::testing::HasSubstr("spec.clusterIP: 10.96.0.2:80/tcp")));
  EXPECT_EQ(inventory.find(key_of_instance("web", "a"))->slices[0]->ports[0].name, "http");
  EXPECT_EQ(inventory.endpoints(), 1U);
  // Later it comes into force by itself, and the instance goes with it.
  remove(key_of_service("rival"));
  EXPECT_THAT(refused(), IsEmpty());
  EXPECT_EQ(inventory.endpoints(), 1U);
  EXPECT_EQ(inventory.find(key_of_instance("web", "a"))->slices[0]->ports[0].name, "api");
}

TEST_F(AdmissionTest, AServiceThatFallsBackWinsAgainstAnInstance) {
  put(key_of_service("first"), json_service("first", "10.96.0.1"));
  put(key_of_service("web"), json_service("web", "10.96.0.2"));
  put(key_of_service("other"), json_service("other", "10.96.0.3"));
  put(key_of_instance("other", "a"), json_instance("10.0.0.1"));
  // In one batch: web asks for an address that is taken, and an instance registers at the one that web has.
  apply({edit(key_of_service("web"), json_service("web", "10.96.0.1"), 0, created_at[key_of_service("web")]),
         edit(key_of_instance("other", "b"), json_instance("10.96.0.2"))});
  EXPECT_THAT(in_force(), ElementsAre("endpoints/default/other/a", "resources/Service/default/first",
                                      "resources/Service/default/other", "resources/Service/default/web"));
  EXPECT_EQ(admission.status().refused, 2U);
  put(key_of_instance("other", "a"), json_instance("10.0.0.3"));
  EXPECT_EQ(admission.status().refused, 2U);
  EXPECT_THAT(in_force(), ::testing::Contains("resources/Service/default/web"));
}

/// CPU seconds that `act` takes: whatever else the machine does.
template <typename Act>
double cost_of(Act act) {
  const std::clock_t start = std::clock();
  act();
  return static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
}

/// What n instances at one address cost.
double cost_of_rivals(int n) {
  Inventory inventory;
  Admission admission(inventory, {}, {});
  const auto edit = [](const std::string& key, const std::string& value, int64_t created) {
    return KeyEdit{.key = key, .value = value, .created = created, .reading = read_value(key, value)};
  };
  KeyBatch batch{.whole = true, .edits = {edit(key_of_service("web"), json_service("web", "10.96.0.1"), 1)}};
  for (int i = 0; i < n; ++i) {
    batch.edits.push_back(edit(key_of_instance("web", "i" + std::to_string(i)), json_instance("10.0.0.1"), i + 2));
  }
  const double cost = cost_of([&] { admission.apply(std::move(batch), {}); });
  EXPECT_EQ(admission.status().refused, static_cast<size_t>(n - 1));
  EXPECT_THAT(admission.status().messages.at(0).message,
              ::testing::HasSubstr("is registered at " + key_of_instance("web", "i0")));
  return cost;
}

TEST(AdmissionCost, OfManyThatContradictIsLittleMoreThanInProportion) {
  EXPECT_LT(cost_of_rivals(2000), 10 * cost_of_rivals(500) + 0.1) << "16 times as much, if each looked at all";
}

/// What 200 edits of a service cost in which two contradict each other, beside n others.
double cost_of_edits_beside(int n) {
  Inventory inventory;
  Admission admission(inventory, {}, {});
  int64_t created = 0;
  const auto edit = [&](const std::string& key, const std::string& value) {
    return KeyEdit{.key = key, .value = value, .created = ++created, .reading = read_value(key, value)};
  };
  KeyBatch batch{.whole = true, .edits = {edit(key_of_service("web"), json_service("web", "10.96.0.1"))}};
  for (int i = 0; i < n; ++i) {
    const std::string name = "s" + std::to_string(i);
    batch.edits.push_back(edit(key_of_service(name), json_service(name, "10.97." + std::to_string(i / 250) + "." +
                                                                            std::to_string(i % 250 + 1))));
  }
  batch.edits.push_back(edit(key_of_instance("web", "a"), json_instance("10.0.0.1")));
  batch.edits.push_back(edit(key_of_instance("web", "b"), json_instance("10.0.0.1")));
  admission.apply(std::move(batch), {});
  const std::string key = key_of_instance("web", "c");
  const double cost = cost_of([&] {
    for (int i = 0; i < 200; ++i) {
      const std::string value = json_instance("10.0.1.1", 8080 + i % 2);
      admission.apply({.edits = {{.key = key, .value = value, .created = 1 << 20, .reading = read_value(key, value)}}},
                      {});
    }
  });
  EXPECT_EQ(admission.status().refused, 1U);
  EXPECT_EQ(inventory.endpoints(), 2U);
  return cost;
}

TEST(AdmissionCost, OfAnEditDoesNotGrowWithTheRegistryThoughAConflictStays) {
  EXPECT_LT(cost_of_edits_beside(4000), 6 * cost_of_edits_beside(200) + 0.1);
}

TEST_F(AdmissionTest, SharesWhatDidNotChange) {
  const KeyEdit service = edit(key_of_service("web"), json_service("web", "10.96.0.1"));
  const KeyEdit instance = edit(key_of_instance("web", "a"), json_instance("10.0.0.1"));
  apply({service, instance});
  const Documents before = inventory.find(key_of_instance("web", "a"));
  inventory.take_changes();
  apply({service, instance}, true);
  EXPECT_EQ(inventory.find(key_of_instance("web", "a")), before);
  EXPECT_THAT(inventory.take_changes(), IsEmpty());
}

TEST_F(AdmissionTest, LooksAgainAtWhatWasRefusedWhenWhatItMetChanges) {
  put(key_of_instance("web", "a"), json_instance("10.0.0.1"));
  EXPECT_THAT(in_force(), IsEmpty());
  put(key_of_service("web"), json_service("web", "10.96.0.1"));
  EXPECT_THAT(in_force(), UnorderedElementsAre("endpoints/default/web/a", "resources/Service/default/web"));
  put(key_of_service("rival"), json_service("rival", "10.96.0.1"));
  put(key_of_instance("web", "b"), json_instance("10.0.0.1"));
  EXPECT_EQ(admission.status().refused, 2U);
  put(key_of_service("web"), json_service("web", "10.96.0.2"));
  EXPECT_EQ(admission.status().refused, 1U);
  remove(key_of_instance("web", "a"));
  EXPECT_THAT(refused(), IsEmpty());
  remove(key_of_service("web"));
  EXPECT_THAT(in_force(), ElementsAre("resources/Service/default/rival"));
  EXPECT_EQ(admission.status().refused, 1U);
}

TEST_F(AdmissionTest, AsksWhoCameFirstAndNotWhoWasSeenFirst) {
  const KeyEdit first = edit(key_of_service("z"), json_service("z", "10.96.0.1"));
  const KeyEdit second = edit(key_of_service("a"), json_service("a", "10.96.0.1"));
  apply({second});
  apply({first});
  EXPECT_THAT(in_force(), ElementsAre("resources/Service/default/z"));
  remove(key_of_service("z"));
  EXPECT_THAT(in_force(), ElementsAre("resources/Service/default/a"));
}

TEST_F(AdmissionTest, CountsWhatIsBeyondItsBounds) {
  Inventory small;
  Admission bounded(small, {}, {}, {.keys = 3, .bytes = 4096});
  std::vector<KeyEdit> edits = {edit(key_of_service("web"), json_service("web", "10.96.0.1"))};
  for (int i = 1; i <= 9; ++i) {
    edits.push_back(
        edit(key_of_instance("web", "i" + std::to_string(i)), json_instance("10.0.0." + std::to_string(i))));
  }
  bounded.apply({.whole = true, .edits = edits}, now);
  EXPECT_EQ(small.endpoints(), 2U);
  EXPECT_EQ(bounded.status().keys, 3U);
  EXPECT_EQ(bounded.status().refused, 7U);
  EXPECT_THAT(lines(bounded.status().messages),
              ElementsAre(::testing::HasSubstr("7 keys are beyond the bounds of 3 keys")));
  // One goes, and there is room for another; a value that would be too much is not taken.
  bounded.apply({.edits = {{.key = edits[1].key, .gone = true, .value = {}, .reading = {}}, edits[9]}}, now);
  EXPECT_EQ(small.endpoints(), 2U);
  bounded.apply({.edits = {{.key = edits[2].key, .gone = true, .value = {}, .reading = {}},
                           edit(key_of_service("huge"), std::string(4000, ' '))}},
                now);
  EXPECT_EQ(bounded.status().keys, 2U);
  // Of what is refused for its size, nothing is kept.
  bounded.apply({.edits = {edit(key_of_service("huge"), std::string(size_t{2} << 20, ' '))}}, now);
  EXPECT_EQ(bounded.status().keys, 3U);
}

TEST_F(AdmissionTest, PutsResourcesBeforeInstances) {
  put(key_of_service("web"), json_service("web", "10.96.0.1"));
  put(key_of_instance("web", "a"), json_instance("10.0.0.1"));
  put(key_of_service("late"), json_service("late", "10.0.0.1"));
  EXPECT_THAT(refused(), ElementsAre(::testing::HasSubstr("web/a: endpoints[0].addresses: 10.0.0.1 is the virtual")));
  remove(key_of_service("late"));
  EXPECT_THAT(refused(), IsEmpty());
}

std::vector<std::string> keys_in_force(const Admission& admission) {
  std::vector<std::string> keys;
  for (const KeyEdit& each : admission.in_force()) {
    keys.push_back(each.key);
  }
  return keys;
}

/// @param pick a number up to another
void apply_in_parts(Admission& admission, const std::vector<KeyEdit>& edits,
                    const std::function<size_t(size_t)>& pick) {
  for (size_t from = 0, to = 0; from < edits.size(); from = to) {
    to = std::min(edits.size(), from + 1 + pick(5));
    const auto begin = edits.begin();
    admission.apply({.whole = true,
                     .begins = from == 0,
                     .ends = to == edits.size(),
                     .revision = 1,
                     .edits = {begin + static_cast<std::ptrdiff_t>(from), begin + static_cast<std::ptrdiff_t>(to)}},
                    {});
    EXPECT_EQ(admission.is_within_list(), to < edits.size());
  }
}

TEST_F(AdmissionTest, ComesToTheSameWhateverTheOrder) {
  for (unsigned seed = 0; seed < 300; ++seed) {
    std::mt19937 random(seed);
    const auto pick = [&](int most) { return std::uniform_int_distribution<int>(0, most)(random); };
    std::vector<KeyEdit> edits;
    for (int i = 0; i < 5; ++i) {
      const std::string name(1, static_cast<char>('a' + i));
      edits.push_back(edit(key_of_service(name), json_service(name, "10.96.0." + std::to_string(1 + pick(3)))));
    }
    for (int i = 0; i < 12; ++i) {
      const std::string service(1, static_cast<char>('a' + pick(5)));
      const std::string address =
          pick(4) == 0 ? "10.96.0." + std::to_string(1 + pick(3)) : "10.0.0." + std::to_string(1 + pick(4));
      edits.push_back(edit(key_of_instance(service, "i" + std::to_string(i)), json_instance(address)));
    }
    std::shuffle(edits.begin(), edits.end(), random);
    Inventory at_once;
    Admission reference(at_once, {}, {});
    reference.apply({.whole = true, .revision = 1, .edits = edits}, {});
    Inventory other;
    Admission one_by_one(other, {}, {});
    for (const KeyEdit& each : edits) {
      one_by_one.apply({.whole = false, .revision = 1, .edits = {each}}, {});
    }
    // What came and went leaves nothing behind, either.
    const std::string passing = key_of_service("passing");
    one_by_one.apply({.edits = {{.key = passing,
                                 .value = "x",
                                 .created = 1,
                                 .reading = read_value(passing, json_service("passing", "10.96.0.2"))}}},
                     {});
    one_by_one.apply({.edits = {{.key = passing, .gone = true, .value = {}, .reading = {}}}}, {});
    Inventory third;
    Admission in_parts(third, {}, {});
    apply_in_parts(in_parts, edits, [&](size_t most) { return static_cast<size_t>(pick(static_cast<int>(most))); });
    for (const Admission* each : {&one_by_one, &in_parts}) {
      ASSERT_EQ(keys_in_force(*each), keys_in_force(reference)) << "seed " << seed;
      ASSERT_EQ(lines(each->status().messages), lines(reference.status().messages)) << "seed " << seed;
    }
    ASSERT_TRUE(other.clean() && third.clean());
  }
}

KeyBatch first_part(std::vector<KeyEdit> edits) {
  return {.whole = true, .ends = false, .edits = std::move(edits)};
}
KeyBatch last_part(std::vector<KeyEdit> edits) {
  return {.whole = true, .begins = false, .edits = std::move(edits)};
}

TEST_F(AdmissionTest, BeginsAnewWithAListThatWasBrokenOff) {
  const std::string web = key_of_service("web");
  admission.apply(first_part({edit(web, json_service("web", "10.96.0.1")),
                              edit(key_of_instance("web", "a"), json_instance("10.0.0.1"), 7)}),
                  now);
  EXPECT_TRUE(admission.is_within_list());
  admission.apply(first_part({edit(key_of_service("other"), json_service("other", "10.96.0.1"))}), now);
  admission.apply(last_part({edit(web, json_service("web", "10.96.0.2"))}), now);
  EXPECT_FALSE(admission.is_within_list());
  EXPECT_EQ(keys_in_force(admission), (std::vector<std::string>{key_of_service("other"), web}));
  EXPECT_EQ(admission.status().held, 0U) << "what was never in force is not missed";
}

TEST_F(AdmissionTest, GathersTheNextListUntilItsEnd) {
  const std::string web = key_of_service("web");
  put(web, json_service("web", "10.96.0.1"));
  put(key_of_service("gone"), json_service("gone", "10.96.0.2"));
  put(key_of_service("stays"), json_service("stays", "10.96.0.3"));
  const Documents before = inventory.find(web);
  const KeyEdit changed = edit(web, json_service("web", "10.96.0.4"), 0, created_at[web]);
  const KeyEdit same =
      edit(key_of_service("stays"), json_service("stays", "10.96.0.3"), 0, created_at[key_of_service("stays")]);
  admission.apply(first_part({changed}), now);
  EXPECT_EQ(inventory.find(web), before);
  EXPECT_FALSE(admission.is_within_list()) << "what is in force is whole";
  admission.apply(first_part({}), now);  // broken off
  admission.apply(last_part({changed, same}), now);
  EXPECT_NE(inventory.find(web), before);
  EXPECT_EQ(keys_in_force(admission), (std::vector<std::string>{key_of_service("stays"), web}));
}

struct GuardTest : AdmissionTest {
  GuardTest() {
    put(key_of_service("web"), json_service("web", "10.96.0.1"));
    for (int i = 0; i < 10; ++i) {
      put(id(i), json_instance("10.0.0." + std::to_string(i + 1)), 100 + i);
    }
    // Others, so that it is not all of the mesh.
    put(key_of_service("other"), json_service("other", "10.96.0.2"));
    for (int i = 0; i < 30; ++i) {
      put(key_of_instance("other", "i" + std::to_string(i)), json_instance("10.0.1." + std::to_string(i + 1)), 200 + i);
    }
  }
  static std::string id(int i) { return key_of_instance("web", "i" + std::to_string(i)); }
  size_t endpoints_of_web() { return inventory.endpoints() - 30; }
};

TEST_F(GuardTest, LetsSomeGo) {
  for (int i = 0; i < 5; ++i) {
    remove(id(i), true);
  }
  EXPECT_EQ(endpoints_of_web(), 5U);
  EXPECT_EQ(admission.status().held, 0U);
  now += seconds(31);
  remove(id(5), true);
  EXPECT_EQ(endpoints_of_web(), 4U);
}

TEST_F(GuardTest, HoldsAllOfTheWindowOnceTooManyWent) {
  for (int i = 0; i < 6; ++i) {
    remove(id(i), true);
  }
  EXPECT_EQ(endpoints_of_web(), 10U);
  EXPECT_EQ(admission.status().held, 6U);
  EXPECT_THAT(admission.status().held_of, ElementsAre("default/web"));
  now += seconds(60);
  remove(id(6), true);
  EXPECT_EQ(endpoints_of_web(), 10U);
  EXPECT_EQ(admission.status().held, 7U);
  put(id(0), json_instance("10.0.0.1"), 300);
  EXPECT_EQ(admission.status().held, 6U);
  EXPECT_EQ(admission.status().holds, 7U);
  accept();
  EXPECT_EQ(endpoints_of_web(), 4U);
  EXPECT_EQ(admission.status().held, 0U);
}

TEST_F(GuardTest, LetsGoWhatSomebodyDeleted) {
  for (int i = 0; i < 10; ++i) {
    remove(id(i), false);
  }
  EXPECT_EQ(endpoints_of_web(), 0U);
}

TEST_F(GuardTest, LetsGoWhatSaidThatItTerminates) {
  for (int i = 0; i < 10; ++i) {
    put(id(i), json_instance("10.0.0." + std::to_string(i + 1), 8080, R"(,"conditions":{"terminating":true})"),
        100 + i);
  }
  for (int i = 0; i < 10; ++i) {
    remove(id(i), true);
  }
  EXPECT_EQ(endpoints_of_web(), 0U);
}

TEST_F(GuardTest, GivesWayToWhoRegistersTheAddress) {
  for (int i = 0; i < 10; ++i) {
    remove(id(i), true);
  }
  EXPECT_EQ(admission.status().held, 10U);
  put(key_of_instance("web", "reborn"), json_instance("10.0.0.3"), 400);
  EXPECT_EQ(admission.status().held, 9U);
  EXPECT_EQ(endpoints_of_web(), 10U);
  EXPECT_THAT(refused(), IsEmpty());
  remove(key_of_service("web"));
  EXPECT_EQ(endpoints_of_web(), 0U);
  EXPECT_EQ(admission.status().held, 0U);
}

TEST_F(GuardTest, CountsWhoCameBackAsThere) {
  for (int round = 0; round < 5; ++round) {
    for (int i = 0; i < 4; ++i) {
      remove(id(i), true);
    }
    for (int i = 0; i < 4; ++i) {
      put(id(i), json_instance("10.0.0." + std::to_string(i + 1)), 500 + round);
    }
  }
  EXPECT_EQ(admission.status().held, 0U);
  EXPECT_EQ(endpoints_of_web(), 10U);
}

TEST_F(GuardTest, HoldsSmallServicesWhenMostOfTheMeshGoes) {
  put(key_of_service("small"), json_service("small", "10.96.0.3"));
  put(key_of_instance("small", "only"), json_instance("10.0.2.1"), 600);
  remove(key_of_instance("small", "only"), true);
  EXPECT_EQ(admission.status().held, 0U);
  for (int i = 0; i < 30; ++i) {
    remove(key_of_instance("other", "i" + std::to_string(i)), true);
  }
  EXPECT_EQ(admission.status().held, 31U);
}

TEST_F(GuardTest, LetsGoOnceOthersAreThereInstead) {
  for (int i = 0; i < 10; ++i) {
    remove(id(i), true);
  }
  ASSERT_EQ(admission.status().held, 10U);
  for (int i = 0; i < 9; ++i) {
    put(key_of_instance("web", "new" + std::to_string(i)), json_instance("10.0.2." + std::to_string(i + 1)), 700 + i);
  }
  // Those that are refused, or terminate, are nobody's replacement.
  put(key_of_instance("web", "bad"), "{", 800);
  put(key_of_instance("web", "twin"), json_instance("10.0.2.1"), 801);
  put(key_of_instance("web", "old"), json_instance("10.0.2.20", 8080, R"(,"conditions":{"terminating":true})"), 802);
  EXPECT_EQ(admission.status().held, 10U);
  put(key_of_instance("web", "new9"), json_instance("10.0.2.10"), 709);
  EXPECT_EQ(admission.status().held, 0U);
  EXPECT_EQ(inventory.find(id(0)), nullptr);
  // Who dies from now on is let go, one by one.
  for (int i = 0; i < 4; ++i) {
    remove(key_of_instance("web", "new" + std::to_string(i)), true);
    EXPECT_EQ(inventory.find(key_of_instance("web", "new" + std::to_string(i))), nullptr);
    now += seconds(31);
  }
  EXPECT_EQ(admission.status().held, 0U);
}

TEST_F(GuardTest, HoldsTheLastGoodOfKeysThatWereBad) {
  put(id(0), "{", 100);
  for (int i = 0; i < 10; ++i) {
    remove(id(i), true);
  }
  EXPECT_EQ(admission.status().held, 10U);
  EXPECT_EQ(endpoints_of_web(), 10U);
  // A Service that they don't fit any more leaves them as other instances: as they were.
  put(key_of_service("web"), json_service("web", "10.96.0.1", R"([{"name":"a","port":80},{"name":"b","port":81}])"));
  EXPECT_EQ(admission.status().held, 10U);
  accept();
  EXPECT_EQ(inventory.find(id(0)), nullptr);
  EXPECT_EQ(endpoints_of_web(), 0U);
  EXPECT_EQ(admission.status().held, 0U);
}

TEST_F(GuardTest, LeasesOfResourcesAreNotItsMatter) {
  for (int i = 0; i < 6; ++i) {
    put(key_of_service("s" + std::to_string(i)), json_service("s" + std::to_string(i), "10.97.0." + std::to_string(i)),
        900 + i);
  }
  for (int i = 0; i < 6; ++i) {
    remove(key_of_service("s" + std::to_string(i)), true);
    EXPECT_EQ(inventory.find(key_of_service("s" + std::to_string(i))), nullptr);
  }
  EXPECT_EQ(admission.status().held, 0U);
  EXPECT_EQ(admission.status().instances, 40U);
  EXPECT_EQ(admission.status().keys, 42U);
}

TEST_F(GuardTest, HoldsWhatAStoreLost) {
  apply({}, true);
  EXPECT_EQ(inventory.endpoints(), 40U);
  EXPECT_EQ(admission.status().held, 42U);
  accept();
  EXPECT_EQ(inventory.endpoints(), 0U);
  EXPECT_EQ(admission.status().keys, 0U);
}

}  // namespace
}  // namespace weft::registry
