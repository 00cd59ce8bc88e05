// SPDX-License-Identifier: Apache-2.0
/// @file All documents of the registry's files by the service that they speak of, kept up edit by edit. A route speaks
/// of each of its parents, which may be Gateways (http_resources.h has their keys).
///
/// An edit costs what it touches: only services whose documents changed are validated again, and counts tell whether
/// documents of different services contradict each other. Messages about that are made only if they do.
///
/// It says what the files say, whether or not that may be in force: take_changes() is for when it may.
///
/// One thread. Memory: the documents, and about 200 bytes an endpoint address and a document.
#pragma once

#include <map>
#include <set>
#include <string>
#include <unordered_map>

#include "lb/address_hash.h"
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

  /// What set() or apply() last made a file's; null: there is none.
  std::shared_ptr<const ResourceSet> find(const std::string& file) const;

  /// Is there no error?
  bool clean() const { return conflicts_ == 0 && errors_.empty(); }
  /// At most kMaxDiagnostics each, in the order of files and lines.
  std::vector<Diagnostic> errors() const;
  /// Errors within services, and conflicts among the documents of these files alone.
  std::vector<Diagnostic> errors_among(const std::set<std::string>& files) const;
  /// Files that errors could be about: of services with an error, and of whoever is in a conflict. All of the rest
  /// agrees, whatever becomes of these. Documents' files must be those that they were set() with. Looks at all there
  /// is.
  std::set<std::string> contested() const;
  const std::vector<Diagnostic>& warnings();
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
  struct AddressUses {
    uint32_t vips = 0;
    uint32_t endpoints = 0;

    bool conflict() const { return vips > 0 && endpoints > 0; }
  };
  using Counts = std::unordered_map<std::string, uint32_t>;

  void replace_one(const std::string& file, std::shared_ptr<const ResourceSet> documents,
                   std::set<std::string>& touched);
  void put(const ResourceSet& documents, const ResourceSet* but, int sign, std::set<std::string>& touched);
  bool in_conflict(const ResourceSet& documents) const;
  void revalidate(const std::set<std::string>& touched);
  /// Adds (or with a sign of -1 takes away) what a document claims for itself among all documents.
  void claim(const Service& service, int sign);
  void claim(const EndpointSlice& slice, int sign);
  void claim(const ServicePolicy& policy, int sign);
  void claim(const HttpRoute& route, int sign);
  void claim(const DestinationRule& rule, int sign);
  void claim(const Gateway& gateway, int sign);
  void claim(const ReferenceGrant& grant, int sign);
  void claim(const GrpcRoute& route, int sign);
  void claim(const AuthorizationPolicy& policy, int sign);
  void claim(const std::vector<lb::Address>& addresses, const std::vector<ServicePort>& ports, int sign);
  void count(Counts& counts, const std::string& name, int sign);
  void count(const lb::Address& address, uint32_t AddressUses::*use, int sign);

  Files files_;
  std::map<std::string, Entry> entries_;  ///< by service, Gateway, or namespace that grants or authorizes
  std::set<std::string> changed_;         ///< since take_changes()
  std::map<std::string, std::vector<Diagnostic>> errors_;
  Abilities abilities_;
  std::map<std::string, std::vector<Diagnostic>> warnings_;
  std::vector<Diagnostic> ordered_warnings_;
  bool warnings_changed_ = false;
  size_t endpoints_ = 0;

  /// "EndpointSlice default/web-1"; not of Services, which validate() looks at. And "instance
  /// default/web 10.0.0.1:80/TCP" of those that registered themselves.
  Counts names_;
  Counts vips_;  ///< "address:port/protocol"
  std::unordered_map<lb::Address, AddressUses, lb::HashOfAddress> addresses_;
  size_t conflicts_ = 0;  ///< names, virtual addresses and addresses that are in conflict
};

/// What documents may contradict others in: the services, Gateways and namespaces that they speak of, and addresses.
std::set<std::string> subjects_of(const ResourceSet& documents);

}  // namespace weft::registry
