// SPDX-License-Identifier: Apache-2.0
/// @file Which packets eBPF brings to the workers, as edits: by what they are sent to, or by whom.
///
/// Pods implements it on the kernel's maps; who decides what is to stand there (node/steering.h) is tested without
/// them.
#pragma once

#include <compare>
#include <string>
#include <tl/expected.hpp>
#include <vector>

#include "lb/address.h"

namespace weft::pods {

/// An endpoint of a service, here or elsewhere: packets from it are replies.
struct Endpoint {
  lb::Address address;
  lb::Port port{};
  lb::Protocol protocol{};

  auto operator<=>(const Endpoint&) const = default;
};

/// An endpoint that gets packets for a VIP in a tunnel, and answers their clients itself, from the VIP.
struct DirectEndpoint {
  lb::Address address;
  lb::Address vip;

  auto operator<=>(const DirectEndpoint&) const = default;
};

struct Steered {
  std::vector<lb::Address> vips;       ///< packets for these are requests
  std::vector<Endpoint> endpoints;     ///< replies of these are brought to the workers
  std::vector<DirectEndpoint> direct;  ///< the local pods among these may unpack and answer
};

class SteeringMaps {
 public:
  virtual ~SteeringMaps() = default;

  /// Each goes on after an error and returns the first; call it again with the same, and it does what is left. What is
  /// there already, or gone already, is no error. What an edit costs does not depend on what else the maps hold.
  virtual tl::expected<void, std::string> add(const Steered& what) = 0;
  virtual tl::expected<void, std::string> erase(const Steered& what) = 0;

  /// All that stands there: what a weftd left that crashed.
  virtual Steered steered() const = 0;
};

}  // namespace weft::pods
