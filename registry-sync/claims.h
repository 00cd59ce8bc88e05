// SPDX-License-Identifier: Apache-2.0
/// @file What documents claim for themselves among all documents: their names, virtual addresses, the address and port
/// of an instance; and who contradicts whom in that.
///
/// Each claim knows who makes it, so that a conflict costs what it touches and not what there is.
///
/// One thread. Documents are known by their metadata's address: they must live as long as they are in here. Memory:
/// about 100 bytes a claim.
#pragma once

#include <memory>
#include <set>
#include <string>
#include <unordered_map>
#include <unordered_set>

#include "lb/address_hash.h"
#include "registry-sync/resources.h"

namespace weft::registry {

class Claims {
 public:
  /// Adds (or with a sign of -1 takes away) what a document claims.
  void change(const Service& service, int sign);
  void change(const EndpointSlice& slice, int sign);
  void change(const ServicePolicy& policy, int sign);
  void change(const HttpRoute& route, int sign);
  void change(const DestinationRule& rule, int sign);
  void change(const Gateway& gateway, int sign);
  void change(const ReferenceGrant& grant, int sign);
  void change(const GrpcRoute& route, int sign);
  void change(const AuthorizationPolicy& policy, int sign);
  void change(const FaultInjection& fault, int sign);
  void change(const InspectionPolicy& policy, int sign);

  bool in_conflict() const { return !contested_names_.empty() || !contested_addresses_.empty(); }
  /// Of all documents that contradict another one.
  std::set<std::string> files_in_conflict() const;

 private:
  /// Nearly always one.
  class Claimants {
   public:
    void change(const Metadata* who, int sign);
    bool empty() const { return one_ == nullptr; }
    bool several() const { return more_ != nullptr && !more_->empty(); }
    void add_files(std::set<std::string>& files) const;

   private:
    const Metadata* one_ = nullptr;
    std::unique_ptr<std::unordered_set<const Metadata*>> more_;  ///< others; only if there is one_
  };
  struct AddressUses {
    Claimants vips;
    Claimants endpoints;

    bool in_conflict() const { return !vips.empty() && !endpoints.empty(); }
  };

  void change(const std::string& name, const Metadata& who, int sign);
  void change(const lb::Address& address, Claimants AddressUses::*use, const Metadata& who, int sign);
  void change_front(const std::vector<lb::Address>& addresses, const std::vector<ServicePort>& ports,
                    const Metadata& who, int sign);

  /// "EndpointSlice default/web-1"; not of Services, which validate() looks at. "10.96.0.1:80/tcp" of virtual
  /// addresses. And "instance default/web 10.0.0.1:80/tcp" of those that registered themselves.
  std::unordered_map<std::string, Claimants> names_;
  std::unordered_map<lb::Address, AddressUses, lb::HashOfAddress> addresses_;
  std::unordered_set<std::string> contested_names_;  ///< that several claim
  std::unordered_set<lb::Address, lb::HashOfAddress> contested_addresses_;
};

}  // namespace weft::registry
