// SPDX-License-Identifier: Apache-2.0
/// @file What a registry's files would come to with documents put into it.
#include "registrar/agreement.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace weft::registrar {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

std::string service(const std::string& name, const std::string& vip) {
  return "apiVersion: v1\nkind: Service\nmetadata: {name: " + name + "}\nspec:\n  clusterIP: " + vip +
         "\n  ports: [{port: 80}]\n";
}

std::vector<std::string> said(const std::vector<Store::File>& registry, const std::string& text) {
  const auto documents = read_documents("new.yaml", text);
  std::vector<std::string> lines;
  if (documents) {
    for (const registry::Diagnostic& each : disagreements(registry, "new.yaml", text, *documents)) {
      lines.push_back(to_string(each));
    }
  }
  return lines;
}

TEST(Disagreements, OfOneTextWithItself) {
  EXPECT_THAT(said({}, service("a", "10.96.0.1") + "---\n" + service("b", "10.96.0.2")), IsEmpty());
  EXPECT_THAT(said({}, service("a", "10.96.0.1") + "---\n" + service("b", "10.96.0.1")),
              testing::Contains(HasSubstr("10.96.0.1")));
}

TEST(Disagreements, WithWhatIsThere) {
  const std::vector<Store::File> registry = {{"reg/a.yaml", service("a", "10.96.0.1")}};
  EXPECT_THAT(said(registry, service("b", "10.96.0.2")), IsEmpty());
  EXPECT_THAT(said(registry, service("b", "10.96.0.1")), testing::Contains(HasSubstr("reg/a.yaml:1")));
  EXPECT_THAT(said(registry, service("a", "10.96.0.3")), IsEmpty()) << "it takes the other's place";
}

TEST(Disagreements, NotWithWhatWasWrongBefore) {
  const std::vector<Store::File> registry = {{"reg/a.yaml", service("a", "10.96.0.1")},
                                             {"reg/b.yaml", service("b", "10.96.0.1")}};
  EXPECT_THAT(said(registry, service("c", "10.96.0.3")), IsEmpty());
  EXPECT_THAT(said(registry, service("b", "10.96.0.2")), IsEmpty()) << "that mends it";
}

}  // namespace
}  // namespace weft::registrar
