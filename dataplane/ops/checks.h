// SPDX-License-Identifier: Apache-2.0
/// @file What checks of endpoints' health found, and why an endpoint gets no new flows.
#pragma once

#include <map>
#include <string>

#include "node/node.h"

namespace weft::ops {

/// By service, and by the port and address that the endpoint has in it.
class Checks {
 public:
  explicit Checks(node::Node& node);

  /// Null if nobody checks it.
  const registry::CheckState* of(const lb::Service& service, const lb::Endpoint& endpoint) const;

 private:
  std::map<std::string, registry::CheckState> states_;
};

/// The verdict.
std::string_view word_of(const registry::CheckState& state);

/// Why new flows do not go to it; empty if they do, or if its weight is to blame.
/// @param check null: nobody checks it
std::string why_not(const lb::Endpoint& endpoint, const registry::CheckState* check);

}  // namespace weft::ops
