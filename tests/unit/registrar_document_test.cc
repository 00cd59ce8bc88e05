// SPDX-License-Identifier: Apache-2.0
/// @file Documents that weftctl passes on: nothing is lost from YAML to JSON and back, and instances are as weftd reads
/// them.
#include "registrar/document.h"

#include <gtest/gtest.h>

#include <random>

#include "registrar/instance.h"

namespace weft::registrar {
namespace {

/// Texts that a careless writer would turn into something else.
const std::vector<std::string> kTexts = {
    "",      "true",   "no",      "null", "~",        "1",   "0x1f", "1e3", "-1",         ".5",    "10.96.0.1",
    "1.5",   "web",    "a b",     "a: b", "# x",      "- x", "[x]",  "{x}", "\"q\"",      "it's",  "line\nline",
    " lead", "trail ", "*anchor", "&x",   "!tag",     "%x",  "@x",   "`x`", "2001-01-01", "12:30", "a#b",
    "a,b",   "/path",  "x.y/z",   "\x01", "\xc3\xa4", "---", "...",  "Yes", "OFF",        "inf",   ".nan"};

Json any_value(std::mt19937_64& random, int depth) {
  const auto one_of = [&](uint64_t most) { return std::uniform_int_distribution<uint64_t>(0, most - 1)(random); };
  switch (depth == 0 ? one_of(4) : one_of(6)) {
    case 0:
      return kTexts[one_of(kTexts.size())];
    case 1:
      return static_cast<int64_t>(one_of(100'000)) - 50'000;
    case 2:
      return one_of(2) == 0;
    case 3:
      return nullptr;
    case 4: {
      Json list = Json::array();
      for (uint64_t more = one_of(4); more > 0; --more) {
        list.push_back(any_value(random, depth - 1));
      }
      return list;
    }
    default:
      break;
  }
  Json mapping = Json::object();
  for (uint64_t more = one_of(4); more > 0; --more) {
    mapping[kTexts[one_of(kTexts.size())]] = any_value(random, depth - 1);
  }
  return mapping;
}

TEST(RegistrarDocument, WhatIsWrittenAsYamlIsReadAsTheSame) {
  std::mt19937_64 random(1);
  for (int round = 0; round < 3000; ++round) {
    Json content = {{"kind", "Service"}, {"metadata", {{"name", "web"}}}};
    content["spec"] = any_value(random, 4);
    const std::string yaml = as_yaml(content);
    const auto read = documents_in("f.yaml", yaml);
    ASSERT_TRUE(read && read->documents.size() == 1) << yaml;
    ASSERT_EQ(read->documents[0].content, content) << yaml;
  }
}

TEST(RegistrarDocument, ListsAreTakenApartAndNamesCompleted) {
  const auto documents = documents_in(
      "f.yaml",
      "{kind: List, apiVersion: v1, items: [{kind: Service, metadata: {name: a}}, {kind: Service, metadata: "
      "{name: b, namespace: shop}}]}\n---\n{kind: Service}\n");
  ASSERT_TRUE(documents && documents->documents.size() == 2);
  EXPECT_EQ(to_string(documents->documents[0].id), "Service default/a");
  EXPECT_EQ(to_string(documents->documents[1].id), "Service shop/b");
  EXPECT_EQ(documents->unnamed, 1U);
}

TEST(RegistrarDocument, KindsAreCalledAsPeopleCallThem) {
  for (const char* word : {"HTTPRoute", "httproute", "httproutes"}) {
    EXPECT_EQ(kind_called(word), "HTTPRoute");
  }
  EXPECT_EQ(kind_called("gatewayclasses"), "GatewayClass");
  EXPECT_EQ(kind_called("servicepolicies"), "ServicePolicy");
  EXPECT_EQ(kind_called("pods").error().substr(0, 45), "unknown kind \"pods\"; expected one of Service,");
}

std::string flag_error(Instance instance) {
  const auto done = checked(std::move(instance));
  return done ? "" : done.error().substr(0, done.error().find(':'));
}

TEST(RegistrarInstance, IsReadAsWeftdWillReadIt) {
  const Instance good{
      .service = "web", .id = {}, .addresses = {"10.1.0.7"}, .ports = {"8080"}, .zone = {}, .host_name = {}};
  const Instance whole = checked(good).value();
  EXPECT_EQ(key_of(whole), "/weft/v1/endpoints/default/web/i-10.1.0.7-8080");
  EXPECT_EQ(value_of(whole, {}),
            R"({"addresses":["10.1.0.7"],"port":8080,"weight":1,"conditions":{"ready":true,"serving":true,)"
            R"("terminating":false}})");
  const auto with = [&](auto change) {
    Instance other = good;
    change(other);
    return flag_error(std::move(other));
  };
  EXPECT_EQ(with([](Instance& i) { i.service = "a/b/c"; }), "--service");
  EXPECT_EQ(with([](Instance& i) { i.addresses = {"web"}; }), "--address");
  EXPECT_EQ(with([](Instance& i) { i.addresses = {"224.0.0.1"}; }), "--address");
  EXPECT_EQ(with([](Instance& i) { i.ports = {"0"}; }), "--port");
  EXPECT_EQ(with([](Instance& i) { i.ports = {"80", "81"}; }), "--port");
  EXPECT_EQ(with([](Instance& i) { i.ports = {"dns:53/SCTP"}; }), "--port");
  EXPECT_EQ(with([](Instance& i) { i.id = "Not DNS"; }), "--id");
  EXPECT_EQ(with([](Instance& i) { i.addresses = {"10.1.0.7", "10.1.0.8"}; }), "the instance");
  EXPECT_EQ(with([](Instance& i) { i.addresses = {"fd00::1"}; }), "");
  EXPECT_EQ(with([](Instance& i) { i.ports = {"http:8080", "dns:53/UDP"}; }), "");
}

}  // namespace
}  // namespace weft::registrar
