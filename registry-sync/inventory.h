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

  /// Is there no error?
  bool clean() const { return conflicts_ == 0 && errors_.empty(); }
  /// At most kMaxDiagnostics each, in the order of files and lines.
  std::vector<Diagnostic> errors() const;
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

  void put(const ResourceSet& documents, const ResourceSet* but, int sign, std::set<std::string>& touched);
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

  Counts names_;  ///< "EndpointSlice default/web-1"; not of Services, which validate() looks at
  Counts vips_;   ///< "address:port/protocol"
  std::unordered_map<lb::Address, AddressUses, lb::HashOfAddress> addresses_;
  size_t conflicts_ = 0;  ///< names, virtual addresses and addresses that are in conflict
};

}  // namespace weft::registry
