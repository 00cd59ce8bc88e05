// SPDX-License-Identifier: Apache-2.0
/// @file All documents of the registry's files by the service that they speak of, kept up edit by edit. A route speaks
/// of each of its parents, which may be Gateways (http_resources.h has their keys).
///
/// An edit costs what it touches: only services whose documents changed are validated again, and claims.h tells who of
/// different services contradicts whom.
///
/// It says what the files say, whether or not that may be in force: take_changes() is for when it may.
///
/// One thread. Memory: the documents, and about 200 bytes an endpoint address and a document.
#pragma once

#include <map>
#include <set>
#include <string>
#include <unordered_map>

#include "registry-sync/claims.h"
#include "registry-sync/resources.h"
#include "registry-sync/validate.h"

namespace weft::registry {

class Inventory {
 public:
  explicit Inventory(Abilities abilities = {}) : abilities_(std::move(abilities)) {}

  /// What each file holds.
  using Files = std::map<std::string, std::shared_ptr<const ResourceSet>>;

  /// Makes these all the files there are. Documents that are the same objects as before count as unchanged.
  void replace(Files files);
  /// Makes these the documents of one file; null if it is gone.
  void set(const std::string& file, std::shared_ptr<const ResourceSet> documents);
  /// set() of many: each service is validated once. Files that are gone have null.
  using Edits = std::map<std::string, std::shared_ptr<const ResourceSet>>;
  void apply(const Edits& edits);
  /// apply() without validation, for who tries what agrees: until agrees() said yes, or the next apply(), only find(),
  /// contested() and disagreements() may be asked.
  void stage(const Edits& edits);
  /// Is there no error? Services are validated only if no document contradicts another one.
  bool agrees();
  /// Why agrees() said no: contradictions, or, if there are none, errors within services.
  std::vector<Diagnostic> disagreements() const;

  /// What set() or apply() last made a file's; null: there is none.
  std::shared_ptr<const ResourceSet> find(const std::string& file) const;

  /// Is there no error?
  bool clean() const { return !claims_.in_conflict() && errors_.empty(); }
  /// At most kMaxDiagnostics each, in the order of files and lines: those of the first services by name.
  std::vector<Diagnostic> errors() const;
  /// Files that errors could be about: of services with an error, and of whoever is in a conflict. All of the rest
  /// agrees, whatever becomes of these. Documents' files must be those that they were set() with.
  std::set<std::string> contested() const;
  const std::vector<Diagnostic>& warnings();
  /// How many files there are.
  size_t files() const { return files_.size(); }
  /// Each counted at every port of every virtual address.
  size_t endpoints() const { return endpoints_; }

  /// All there is of the services, Gateways and grants whose documents changed since the last call: nothing of those
  /// that are gone.
  std::map<std::string, ServiceResources> take_changes();

 private:
  struct Entry {
    ServiceResources resources;
    size_t endpoints = 0;
  };
  void replace_one(const std::string& file, std::shared_ptr<const ResourceSet> documents,
                   std::set<std::string>& touched);
  void put(const ResourceSet& documents, const ResourceSet* but, int sign, std::set<std::string>& touched);
  std::vector<Diagnostic> contradictions() const;
  void revalidate(std::set<std::string> touched);

  std::unordered_map<std::string, std::shared_ptr<const ResourceSet>> files_;
  std::map<std::string, Entry> entries_;  ///< by service, Gateway, or namespace that grants or authorizes
  std::set<std::string> changed_;         ///< since take_changes()
  std::map<std::string, std::vector<Diagnostic>> errors_;
  Abilities abilities_;
  std::map<std::string, std::vector<Diagnostic>> warnings_;
  std::vector<Diagnostic> ordered_warnings_;
  bool warnings_changed_ = false;
  size_t endpoints_ = 0;
  Claims claims_;
  std::set<std::string> unvalidated_;  ///< services of what was staged
};

/// What documents may contradict others in: the services, Gateways and namespaces that they speak of, and addresses.
std::set<std::string> subjects_of(const ResourceSet& documents);

}  // namespace weft::registry
