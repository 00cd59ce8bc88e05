// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "registry-sync/check.h"
#include "registry-sync/registry.h"
#include "registry_fixture.h"

namespace weft::registry {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

std::vector<std::string> services(const Registry& registry) {
  std::vector<std::string> names;
  for (const lb::Service& service : registry.snapshot()->services()) {
    names.push_back(service.name + ":" + std::to_string(service.endpoints.size()));
  }
  return names;
}

Moment at(int second) {
  return {.wall = Status::Time{std::chrono::seconds{second}}, .steady = Time{std::chrono::seconds{second}}};
}

struct RegistryTest : ::testing::Test {
  TempFolder folder;
  std::set<uint32_t> used;
  Registry registry{{.folder = folder.path(), .seed = 1, .limits = {.services = 100, .endpoints = 100}},
                    {.services = {}, .endpoints = [this](uint32_t slot) { return used.contains(slot); }}};
};

TEST_F(RegistryTest, LoadsTheFilesOfAFolder) {
  folder.write("a.yaml", service("web", "10.96.0.1"));
  folder.write("b.yml", slice("web-1", "web", endpoints(1, 2)));
  folder.write("c.json", R"({"apiVersion":"v1","kind":"Service","metadata":{"name":"api"},)"
                         R"("spec":{"clusterIP":"10.96.0.2","ports":[{"port":80}]}})");
  folder.write(".hidden.yaml", "not: [valid");
  folder.write("d.yaml~", "not: [valid");
  folder.write("README.md", "not: [valid");
  EXPECT_TRUE(registry.load(at(5)));
  EXPECT_THAT(services(registry), ElementsAre("default/api:0", "default/web:2"));
  const Status& status = registry.status();
  EXPECT_THAT(lines(status.errors), IsEmpty());
  EXPECT_EQ(status.folder, folder.path());
  EXPECT_EQ(status.epoch, 1U);
  EXPECT_EQ(status.files, 3U);
  EXPECT_EQ(status.documents, 3U);
  EXPECT_EQ(status.last_good, at(5).wall);
  EXPECT_FALSE(status.holding);
}

TEST_F(RegistryTest, ParsesOnlyFilesThatChanged) {
  folder.write("a.yaml", service("web", "10.96.0.1"));
  folder.write("b.yaml", service("api", "10.96.0.2"));
  registry.load(at(1));
  EXPECT_EQ(registry.source().parsed(), 2U);
  EXPECT_FALSE(registry.load(at(2)));
  EXPECT_EQ(registry.source().parsed(), 2U);
  folder.write("b.yaml", service("api", "10.96.0.3"));
  EXPECT_TRUE(registry.load(at(3)));
  EXPECT_EQ(registry.source().parsed(), 3U);
  EXPECT_EQ(registry.status().epoch, 2U);
}

TEST_F(RegistryTest, AnInvalidFileKeepsItsOwnLastGoodResources) {
  folder.write("a.yaml", service("web", "10.96.0.1"));
  folder.write("b.yaml", service("api", "10.96.0.2"));
  registry.load(at(1));
  folder.write("a.yaml", "kind: Service\n");
  folder.write("b.yaml", service("api", "10.96.0.2") + service("dns", "10.96.0.3"));
  EXPECT_TRUE(registry.load(at(2)));
  EXPECT_THAT(services(registry), ElementsAre("default/api:0", "default/dns:0", "default/web:0"));
  EXPECT_THAT(lines(registry.status().errors),
              ElementsAre(folder.at("a.yaml") + ":1: apiVersion: required field is missing"));
  EXPECT_EQ(registry.status().last_good, at(1).wall);
  EXPECT_EQ(registry.status().last_attempt, at(2).wall);

  folder.write("a.yaml", service("shop", "10.96.0.1"));
  EXPECT_TRUE(registry.load(at(3)));
  EXPECT_THAT(services(registry), ElementsAre("default/api:0", "default/dns:0", "default/shop:0"));
  EXPECT_THAT(lines(registry.status().errors), IsEmpty());
  EXPECT_EQ(registry.status().last_good, at(3).wall);
}

TEST_F(RegistryTest, AFileThatIsInvalidFromTheStartIsLeftOut) {
  folder.write("a.yaml", "[");
  folder.write("b.yaml", service("api", "10.96.0.2"));
  registry.load(at(1));
  EXPECT_THAT(services(registry), ElementsAre("default/api:0"));
  EXPECT_THAT(registry.status().errors, SizeIs(1));
}

TEST_F(RegistryTest, AnUnreadableFileKeepsItsLastGoodResources) {
  folder.write("a.yaml", service("web", "10.96.0.1"));
  registry.load(at(1));
  folder.remove("a.yaml");
  ASSERT_EQ(mkfifo(folder.at("a.yaml").c_str(), 0600), 0);
  registry.load(at(2));
  EXPECT_THAT(services(registry), ElementsAre("default/web:0"));
  EXPECT_THAT(lines(registry.status().errors),
              ElementsAre(folder.at("a.yaml") + ": cannot be read: not a regular file"));
}

TEST_F(RegistryTest, ALinkToNothingKeepsItsLastGoodResources) {
  folder.write("target", service("web", "10.96.0.1"));
  std::filesystem::create_symlink("target", folder.at("a.yaml"));
  registry.load(at(1));
  folder.remove("target");
  registry.load(at(2));
  EXPECT_THAT(services(registry), ElementsAre("default/web:0"));
  EXPECT_THAT(registry.status().errors, SizeIs(1));
  folder.remove("a.yaml");
  folder.write("b.yaml", service("api", "10.96.0.2"));
  registry.load(at(3));
  EXPECT_THAT(services(registry), ElementsAre("default/api:0"));
  EXPECT_THAT(registry.status().errors, IsEmpty());
}

TEST_F(RegistryTest, AContradictionKeepsTheWholeLastGoodState) {
  folder.write("a.yaml", service("web", "10.96.0.1"));
  registry.load(at(1));
  folder.write("b.yaml", service("api", "10.96.0.2") + service("web2", "10.96.0.1"));
  EXPECT_FALSE(registry.load(at(2)));
  EXPECT_THAT(services(registry), ElementsAre("default/web:0")) << "not even api, which contradicts nothing";
  EXPECT_TRUE(registry.status().holding);
  EXPECT_EQ(registry.status().epoch, 1U);
  EXPECT_THAT(lines(registry.status().errors),
              ElementsAre(folder.at("b.yaml") +
                          ":3: spec.clusterIP: 10.96.0.1:80/tcp of service default/web2 is that of "
                          "service default/web at " +
                          folder.at("a.yaml") + ":1 too"));
  folder.remove("a.yaml");
  EXPECT_TRUE(registry.load(at(3)));
  EXPECT_FALSE(registry.status().holding);
  EXPECT_THAT(services(registry), ElementsAre("default/api:0", "default/web2:0"));
}

TEST_F(RegistryTest, AFirstLoadWithAContradictionLeavesAnEmptySnapshot) {
  folder.write("a.yaml", service("web", "10.96.0.1") + service("api", "10.96.0.1"));
  EXPECT_TRUE(registry.load(at(1)));
  EXPECT_THAT(services(registry), IsEmpty());
  EXPECT_TRUE(registry.status().holding);
}

TEST_F(RegistryTest, DeletingDocumentsAndFilesIsHonoured) {
  folder.write("a.yaml", service("web", "10.96.0.1") + slice("web-1", "web", endpoints(1, 4)));
  folder.write("b.yaml", service("api", "10.96.0.2") + slice("api-1", "api", endpoints(11, 15)));
  registry.load(at(1));
  folder.write("a.yaml", service("web", "10.96.0.1"));
  EXPECT_TRUE(registry.load(at(2)));
  EXPECT_THAT(services(registry), ElementsAre("default/api:5", "default/web:0"));
  folder.remove("a.yaml");
  EXPECT_TRUE(registry.load(at(3)));
  EXPECT_THAT(services(registry), ElementsAre("default/api:5"));
}

TEST_F(RegistryTest, WhenMostEndpointsVanishAtOnceAllIsHeldUntilAnOperatorAccepts) {
  folder.write("a.yaml", service("web", "10.96.0.1") + slice("web-1", "web", endpoints(1, 4)));
  registry.load(at(1));
  for (const char* what : {"", "# half written\n"}) {
    folder.write("a.yaml", what);
    EXPECT_FALSE(registry.load(at(2)));
    EXPECT_THAT(services(registry), ElementsAre("default/web:4"));
    EXPECT_TRUE(registry.status().holding);
    EXPECT_THAT(lines(registry.status().errors),
                ElementsAre(folder.path().native() + ": 4 of 4 endpoints would vanish at once, so all is kept as it "
                                                     "was; if that is meant: weftctl set registry accept"));
  }
  folder.remove("a.yaml");
  EXPECT_FALSE(registry.load(at(3))) << "nor may the file itself go";
  folder.write("a.yaml", "half: [written");
  EXPECT_FALSE(registry.load(at(4)));
  EXPECT_THAT(services(registry), ElementsAre("default/web:4"));
  folder.remove("a.yaml");
  EXPECT_TRUE(registry.accept(at(5)));
  EXPECT_THAT(services(registry), IsEmpty());
  EXPECT_THAT(lines(registry.status().errors), IsEmpty());
}

TEST_F(RegistryTest, WhatIsHeldIsReleasedWhenTheEndpointsComeBack) {
  folder.write("a.yaml", service("web", "10.96.0.1") + slice("web-1", "web", endpoints(1, 4)));
  registry.load(at(1));
  folder.write("a.yaml", service("web", "10.96.0.1"));
  EXPECT_FALSE(registry.load(at(2)));
  folder.write("a.yaml", service("web", "10.96.0.1") + slice("web-1", "web", endpoints(1, 2)));
  EXPECT_TRUE(registry.load(at(3))) << "half of them are no longer most";
  EXPECT_THAT(services(registry), ElementsAre("default/web:2"));
  EXPECT_FALSE(registry.status().holding);
}

TEST_F(RegistryTest, AFewEndpointsAreNotGuarded) {
  folder.write("a.yaml", service("web", "10.96.0.1") + slice("web-1", "web", endpoints(1, 3)));
  registry.load(at(1));
  folder.remove("a.yaml");
  EXPECT_TRUE(registry.load(at(2)));
  EXPECT_THAT(services(registry), IsEmpty());
}

TEST_F(RegistryTest, AFolderThatVanishesIsHeld) {
  folder.write("a.yaml", service("web", "10.96.0.1"));
  registry.load(at(1));
  std::filesystem::rename(folder.path(), folder.base() / "away");
  EXPECT_FALSE(registry.load(at(2)));
  EXPECT_THAT(services(registry), ElementsAre("default/web:0"));
  EXPECT_THAT(lines(registry.status().errors),
              ElementsAre(folder.path().native() + ": the registry folder can't be read: No such file or directory"));
  std::filesystem::rename(folder.base() / "away", folder.path());
  EXPECT_FALSE(registry.load(at(3)));
  EXPECT_THAT(lines(registry.status().errors), IsEmpty());
}

TEST_F(RegistryTest, SetsEndpointsByNameOrAddress) {
  folder.write("a.yaml", service("web", "10.96.0.1", "[{port: 80}]", "251") + slice("s", "web", endpoints(1, 3)));
  registry.load(at(1));
  const auto states = [&] {
    std::string text;
    for (const lb::Endpoint& endpoint : registry.snapshot()->services()[0].endpoints) {
      text += std::string(lb::to_string(endpoint.state)) + " ";
    }
    return text;
  };
  EXPECT_EQ(registry.set_endpoint("default/web", "pod-2", Override::drain, at(9).steady), true);
  EXPECT_EQ(states(), "ready draining ready ");
  EXPECT_EQ(registry.set_endpoint("default/web", "10.1.0.3", Override::drain, at(9).steady), true);
  EXPECT_EQ(states(), "ready draining draining ");
  EXPECT_EQ(registry.set_endpoint("default/web", "10.1.0.3", Override::drain, at(9).steady), false) << "nothing new";
  EXPECT_EQ(registry.set_endpoint("default/web", "10.1.0.2", Override::ready, at(9).steady), true);
  EXPECT_EQ(states(), "ready ready draining ");
  EXPECT_EQ(registry.status().epoch, 4U);
  EXPECT_THAT(registry.status().drains,
              ElementsAre(Drain{.service = "default/web", .endpoint = *lb::parse_ipv4("10.1.0.3")}));
  EXPECT_FALSE(registry.load(at(2)));
  EXPECT_EQ(states(), "ready ready draining ") << "a reload keeps it";
}

TEST_F(RegistryTest, NamesWhatDoesNotExistAndWhatDoes) {
  registry.load(at(1));
  EXPECT_EQ(registry.set_endpoint("default/web", "x", Override::drain, at(9).steady).error(),
            R"(no service "default/web"; there are no services)");
  std::string many;
  for (int i = 1; i <= 20; ++i) {
    const std::string number = std::to_string(100 + i);
    many += service(std::string("s").append(number), std::string("10.96.1.").append(number), "[{port: 80}]", "251");
  }
  folder.write("a.yaml", many + slice("s", "s101", endpoints(1, 2)));
  registry.load(at(2));
  EXPECT_EQ(registry.set_endpoint("default/web\n", "x", Override::drain, at(9).steady).error(),
            R"(no service "default/web\x0a"; services: default/s101, default/s102, default/s103, default/s104, )"
            "default/s105, default/s106, default/s107, default/s108, default/s109, default/s110, default/s111, "
            "default/s112, default/s113, default/s114, default/s115, default/s116 and 4 more");
  EXPECT_EQ(registry.set_endpoint("default/s101", "x", Override::drain, at(9).steady).error(),
            R"(service default/s101 has no endpoint "x"; endpoints: pod-1, pod-2)");
  EXPECT_EQ(registry.set_endpoint("default/s102", "x", Override::drain, at(9).steady).error(),
            R"(service default/s102 has no endpoint "x"; there are no endpoints)");
}

TEST_F(RegistryTest, PublishesWhenOnlyLingeringEndpointsGo) {
  const std::string web = service("web", "10.96.0.1", "[{port: 80}]", "251");
  folder.write("a.yaml", web + slice("s", "web", endpoints(1, 2)));
  registry.load(at(1));
  EXPECT_FALSE(registry.reclaim(at(9).steady));
  used = {0};
  folder.write("a.yaml", web + slice("s", "web", endpoints(2, 2)));
  registry.load(at(2));
  EXPECT_EQ(registry.status().lingering, 1U);
  EXPECT_THAT(registry.tracked(), SizeIs(2));
  EXPECT_FALSE(registry.reclaim(at(9).steady));
  used.clear();
  const auto before = registry.snapshot();
  EXPECT_TRUE(registry.reclaim(at(9).steady));
  EXPECT_EQ(registry.snapshot(), before);
  EXPECT_THAT(registry.tracked(), SizeIs(1));
  EXPECT_EQ(registry.status().lingering, 0U);
}

TEST_F(RegistryTest, TimeAlonePublishesResetsAndSlowStarts) {
  const std::string web = service("web", "10.96.0.1", "[{port: 80}]", "251") +
                          policy("p", "web",
                                 "endpoints: {slowStart: {seconds: 9}, removal: {action: reset, "
                                 "graceSeconds: 4}}");
  folder.write("a.yaml", web + slice("s", "web", endpoints(1, 3)));
  registry.load(at(100));
  EXPECT_EQ(registry.next_deadline(), std::nullopt);
  used = {0};
  folder.write("a.yaml", web + slice("s", "web", endpoints(2, 4)));
  registry.load(at(200));
  for (int second = 201; second < 209; ++second) {
    const auto before = registry.snapshot();
    EXPECT_EQ(registry.next_deadline(), at(second).steady);
    EXPECT_FALSE(registry.advance(at(second - 1).steady));
    EXPECT_TRUE(registry.advance(at(second).steady));
    EXPECT_EQ(registry.snapshot()->epoch(), before->epoch() + 1);
    EXPECT_EQ(registry.status().epoch, registry.snapshot()->epoch());
    EXPECT_EQ(registry.snapshot()->fate_of(0), second < 204 ? lb::Fate::gone : lb::Fate::reset);
  }
  EXPECT_TRUE(registry.advance(at(300).steady)) << "late, it is warm at once";
  EXPECT_EQ(registry.next_deadline(), std::nullopt);
  EXPECT_FALSE(registry.reclaim(at(301).steady));
  used.clear();
  EXPECT_TRUE(registry.reclaim(at(302).steady));
  EXPECT_FALSE(registry.snapshot()->any_resets()) << "the slot may be another's from now on";
}

TEST_F(RegistryTest, WhatIsHeldDoesNotReachTheSnapshotByTheWay) {
  const std::string web =
      service("web", "10.96.0.1", "[{port: 80}]", "251") + policy("p", "web", "endpoints: {slowStart: {seconds: 9}}");
  folder.write("a.yaml", web + slice("s", "web", endpoints(1, 2)));
  registry.load(at(100));
  folder.write("a.yaml", web + slice("s", "web", endpoints(1, 3)));
  registry.load(at(200));
  folder.write("b.yaml", service("api", "10.96.0.1") + slice("t", "web", endpoints(4, 4)));
  EXPECT_FALSE(registry.load(at(200)));
  EXPECT_TRUE(registry.status().holding);
  EXPECT_TRUE(registry.advance(at(201).steady)) << "the slow start goes on";
  EXPECT_THAT(services(registry), ElementsAre("default/web:3")) << "and endpoint 4 waits";
  folder.write("b.yaml", slice("t", "web", endpoints(4, 4)));
  EXPECT_TRUE(registry.load(at(202)));
  EXPECT_THAT(services(registry), ElementsAre("default/web:4"));
}

TEST_F(RegistryTest, DocumentsOfAChangedFileThatDidNotChangeStayTheSameObjects) {
  const std::string api = service("api", "10.96.0.2", "[{port: 80}]", "251") + slice("t", "api", endpoints(4, 5));
  folder.write("a.yaml", api + service("web", "10.96.0.1", "[{port: 80}]", "251") + slice("s", "web", endpoints(1, 2)));
  FileSource source(folder.path());
  const auto before = source.read().resources.at("a.yaml");
  folder.write("a.yaml", api + service("web", "10.96.0.1", "[{port: 80}]", "251") + slice("s", "web", endpoints(1, 3)));
  const auto after = source.read().resources.at("a.yaml");
  EXPECT_EQ(before->services[0], after->services[0]);
  EXPECT_EQ(before->services[1], after->services[1]);
  EXPECT_EQ(before->slices[0], after->slices[0]);
  EXPECT_NE(before->slices[1], after->slices[1]);
  EXPECT_EQ(source.read().resources.at("a.yaml"), after) << "nor is an unchanged file parsed again";
  EXPECT_EQ(source.parsed(), 2U);
}

TEST_F(RegistryTest, WhatWasLeftOutComesInOnceSlotsAreFree) {
  Registry small({.folder = folder.path(), .seed = 1, .limits = {.services = 2, .endpoints = 2}},
                 {.services = {}, .endpoints = [this](uint32_t slot) { return used.contains(slot); }});
  const std::string web = service("web", "10.96.0.1", "[{port: 80}]", "251");
  folder.write("a.yaml", web + slice("s", "web", endpoints(1, 2)));
  small.load(at(1));
  used = {0, 1};
  folder.write("a.yaml", web + slice("s", "web", endpoints(3, 4)));
  small.load(at(2));
  EXPECT_THAT(services(small), ElementsAre("default/web:0"));
  EXPECT_THAT(small.status().errors, SizeIs(1));
  used = {1};
  EXPECT_TRUE(small.reclaim(at(9).steady));
  EXPECT_THAT(services(small), ElementsAre("default/web:1"));
  used.clear();
  EXPECT_TRUE(small.reclaim(at(9).steady));
  EXPECT_THAT(services(small), ElementsAre("default/web:2"));
  EXPECT_THAT(lines(small.status().errors), IsEmpty());
}

TEST_F(RegistryTest, CheckReportsAndCounts) {
  folder.write("a.yaml", service("web", "10.96.0.1", "[{name: a, port: 80}, {name: b, port: 81}]") +
                             slice("s", "web", endpoints(1, 3), "[{name: a, port: 8080}]") + slice("t", "x", "[]"));
  folder.write("b.yaml", "a: b");
  const CheckReport report = check(folder.path());
  EXPECT_EQ(report.files, 2U);
  EXPECT_EQ(report.documents, 3U);
  EXPECT_EQ(report.services, 2U);
  EXPECT_EQ(report.endpoints, 3U);
  EXPECT_THAT(lines(report.errors), ElementsAre(folder.at("b.yaml") + ":1: apiVersion: required field is missing",
                                                folder.at("b.yaml") + ":1: kind: required field is missing"));
  EXPECT_THAT(lines(report.warnings),
              ElementsAre(folder.at("a.yaml") + ":5: metadata.labels: there is no service default/x (yet)"));
  EXPECT_THAT(lines(check(folder.base() / "none").errors),
              ElementsAre((folder.base() / "none").native() +
                          ": the registry folder can't be read: No such file or directory"));
}

}  // namespace
}  // namespace weft::registry
