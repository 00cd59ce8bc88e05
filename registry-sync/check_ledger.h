// SPDX-License-Identifier: Apache-2.0
/// @file Whom health checks are for, and who failed them: between the builder, which knows the endpoints, and whoever
/// checks, who knows the results.
///
/// One thread. About 200 bytes a target.
#pragma once

#include <optional>
#include <set>
#include <unordered_map>

#include "registry-sync/health_check.h"
#include "registry-sync/resolve.h"

namespace weft::registry {

class CheckLedger {
 public:
  /// Makes the endpoints of these ports the service's targets, and lowers those that failed.
  void apply(const std::string& service, std::vector<ResolvedPort>& ports);
  /// @returns the service whose endpoints apply() is to see again; none if it changes nothing, or is of a target that
  ///   went meanwhile
  std::optional<std::string> judge(const CheckVerdict& verdict);
  CheckChanges take_changes();

 private:
  struct Key {
    std::string port_name;  ///< of the service
    lb::Address address;
    lb::Port port{};

    auto operator<=>(const Key&) const = default;
  };
  struct Entry {
    CheckTarget target;
    bool failed = false;
  };
  using Targets = std::map<Key, Entry>;

  std::map<std::string, Targets> services_;
  std::unordered_map<uint64_t, std::pair<std::string, Key>> places_;  ///< by id
  std::set<std::string> changed_;                                     ///< services, since take_changes()
  uint64_t last_id_ = 0;
};

}  // namespace weft::registry
