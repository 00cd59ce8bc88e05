// SPDX-License-Identifier: Apache-2.0
#include "registry-sync/claims.h"

#include "registry-sync/validate.h"

namespace weft::registry {

void Claims::Claimants::change(const Metadata* who, int sign) {
  if (sign > 0) {
    if (one_ == nullptr) {
      one_ = who;
    } else if (one_ != who) {
      more_ = more_ == nullptr ? std::make_unique<std::unordered_set<const Metadata*>>() : std::move(more_);
      more_->insert(who);
    }
    return;
  }
  if (one_ != who) {
    if (more_ != nullptr) {
      more_->erase(who);
    }
    return;
  }
  one_ = several() ? more_->extract(more_->begin()).value() : nullptr;
  if (!several()) {
    more_ = nullptr;
  }
}

void Claims::Claimants::add_files(std::set<std::string>& files) const {
  if (one_ != nullptr) {
    files.insert(one_->file);
  }
  if (more_ != nullptr) {
    for (const Metadata* who : *more_) {
      files.insert(who->file);
    }
  }
}

void Claims::change(const std::string& name, const Metadata& who, int sign) {
  const auto known = names_.try_emplace(name).first;
  known->second.change(&who, sign);
  if (known->second.several()) {
    contested_names_.insert(name);
  } else {
    contested_names_.erase(name);
  }
  if (known->second.empty()) {
    names_.erase(known);
  }
}

void Claims::change(const lb::Address& address, Claimants AddressUses::*use, const Metadata& who, int sign) {
  const auto known = addresses_.try_emplace(address).first;
  AddressUses& uses = known->second;
  (uses.*use).change(&who, sign);
  if (uses.in_conflict()) {
    contested_addresses_.insert(address);
  } else {
    contested_addresses_.erase(address);
  }
  if (uses.vips.empty() && uses.endpoints.empty()) {
    addresses_.erase(known);
  }
}

void Claims::change_front(const std::vector<lb::Address>& addresses, const std::vector<ServicePort>& ports,
                          const Metadata& who, int sign) {
  for (const lb::Address& address : addresses) {
    change(address, &AddressUses::vips, who, sign);
    for (const ServicePort& port : ports) {
      change(to_string(address, port.port) + "/" + std::string(lb::to_string(port.protocol)), who, sign);
    }
  }
}

void Claims::change(const Service& service, int sign) {
  change_front(service.addresses, service.ports, service.metadata, sign);
}

void Claims::change(const EndpointSlice& slice, int sign) {
  change("EndpointSlice " + slice.metadata.key(), slice.metadata, sign);
  for (const SliceEndpoint& endpoint : slice.endpoints) {
    change(endpoint.address, &AddressUses::endpoints, slice.metadata, sign);
  }
  for (const std::string& name : instance_names(slice)) {
    change(name, slice.metadata, sign);
  }
}

void Claims::change(const ServicePolicy& policy, int sign) {
  change("ServicePolicy " + policy.metadata.key(), policy.metadata, sign);
}

void Claims::change(const HttpRoute& route, int sign) {
  change("HTTPRoute " + route.metadata.key(), route.metadata, sign);
}

void Claims::change(const DestinationRule& rule, int sign) {
  change("DestinationRule " + rule.metadata.key(), rule.metadata, sign);
}

void Claims::change(const Gateway& gateway, int sign) {
  change("Gateway " + gateway.metadata.key(), gateway.metadata, sign);
  change_front(gateway.addresses, gateway.ports, gateway.metadata, sign);
}

void Claims::change(const ReferenceGrant& grant, int sign) {
  change("ReferenceGrant " + grant.metadata.key(), grant.metadata, sign);
}

void Claims::change(const GrpcRoute& route, int sign) {
  change("GRPCRoute " + route.metadata.key(), route.metadata, sign);
}

void Claims::change(const AuthorizationPolicy& policy, int sign) {
  change("AuthorizationPolicy " + policy.metadata.key(), policy.metadata, sign);
}

void Claims::change(const FaultInjection& fault, int sign) {
  change("FaultInjection " + fault.metadata.key(), fault.metadata, sign);
}

void Claims::change(const InspectionPolicy& policy, int sign) {
  change("InspectionPolicy " + policy.metadata.key(), policy.metadata, sign);
}

std::set<std::string> Claims::files_in_conflict() const {
  std::set<std::string> files;
  for (const std::string& name : contested_names_) {
    names_.at(name).add_files(files);
  }
  for (const lb::Address& address : contested_addresses_) {
    const AddressUses& uses = addresses_.at(address);
    uses.vips.add_files(files);
    uses.endpoints.add_files(files);
  }
  return files;
}

}  // namespace weft::registry
