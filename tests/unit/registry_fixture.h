// SPDX-License-Identifier: Apache-2.0
/// @file What the tests of registry-sync share: documents in one line each, and a folder that goes with the test.
#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "registry-sync/inventory.h"
#include "registry-sync/parse.h"

namespace weft::registry {

inline std::vector<std::string> lines(const std::vector<Diagnostic>& diagnostics) {
  std::vector<std::string> result;
  for (const Diagnostic& diagnostic : diagnostics) {
    result.push_back(to_string(diagnostic));
  }
  return result;
}

/// Of a text without errors.
inline std::shared_ptr<const ResourceSet> parsed(const std::string& text, const std::string& file = "f.yaml") {
  ParsedFile read = parse_file(file, text);
  EXPECT_EQ(lines(read.errors), std::vector<std::string>());
  return std::make_shared<ResourceSet>(std::move(read.resources));
}

/// What all of a text says together.
inline Validation validated(const std::shared_ptr<const ResourceSet>& documents) {
  Inventory inventory;
  inventory.set("f.yaml", documents);
  EXPECT_EQ(inventory.clean(), inventory.errors().empty());
  return {.errors = inventory.errors(), .warnings = inventory.warnings(), .endpoints = inventory.endpoints()};
}
inline Validation validated(const std::string& text) {
  return validated(parsed(text));
}

/// What a text says of one service.
inline ServiceResources about(const std::string& text, const std::string& service = "default/web") {
  Inventory inventory;
  inventory.set("f.yaml", parsed(text));
  return inventory.take_changes()[service];
}

inline std::string service(const std::string& name, const std::string& vip, const std::string& ports = "[{port: 80}]",
                           const std::string& table_size = "65537") {
  return "{apiVersion: v1, kind: Service, metadata: {name: " + name + ", annotations: {weft.dev/maglev-table-size: '" +
         table_size + "'}}, spec: {clusterIP: " + vip + ", ports: " + ports + "}}\n---\n";
}

inline std::string slice(const std::string& name, const std::string& of, const std::string& endpoints,
                         const std::string& ports = "[{port: 8080}]", const std::string& weight = "1") {
  return "{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {name: " + name +
         ", annotations: {weft.dev/weight: '" + weight + "'}, labels: {kubernetes.io/service-name: " + of +
         "}}, addressType: IPv4, ports: " + ports + ", endpoints: " + endpoints + "}\n---\n";
}

/// @param spec such as "forwarding: {mode: dsr}"
inline std::string policy(const std::string& name, const std::string& of, const std::string& spec,
                          const std::string& port = "") {
  return "{apiVersion: weft.dev/v1, kind: ServicePolicy, metadata: {name: " + name +
         "}, spec: {targetRef: {kind: Service, name: " + of + (port.empty() ? "" : ", sectionName: " + port) + "}, " +
         spec + "}}\n---\n";
}

/// [{addresses: [10.1.0.FIRST]}, ...] with pods pod-FIRST and so on.
inline std::string endpoints(int first, int last) {
  std::string text = "[";
  for (int i = first; i <= last; ++i) {
    const std::string number = std::to_string(i);
    text += "{addresses: [10.1.0." + number + "], targetRef: {name: pod-" + number + "}}, ";
  }
  return text + "]";
}

/// A fresh folder `registry` in a temporary one, so that it can be moved away as well.
class TempFolder {
 public:
  TempFolder() {
    std::string name = std::filesystem::temp_directory_path() / "weft-test-XXXXXX";
    base_ = mkdtemp(name.data());
    std::filesystem::create_directory(path());
  }
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;
  ~TempFolder() { std::filesystem::remove_all(base_); }

  const std::filesystem::path& base() const { return base_; }
  std::filesystem::path path() const { return base_ / "registry"; }
  std::string at(const std::string& name) const { return path() / name; }
  /// In one step, so that no reader sees half of it.
  void write(const std::string& name, const std::string& text) const {
    std::ofstream(base_ / "new") << text;
    std::filesystem::rename(base_ / "new", path() / name);
  }
  void remove(const std::string& name) const { std::filesystem::remove(path() / name); }

 private:
  std::filesystem::path base_;
};

}  // namespace weft::registry
