// SPDX-License-Identifier: Apache-2.0
/// @file What every resource is called, and where it was read.
#pragma once

#include <cstdint>
#include <string>

namespace weft::registry {

struct Metadata {
  std::string file;
  uint32_t line = 0;  ///< of the document's first field
  std::string name;
  std::string name_space = "default";

  /// "namespace/name"
  std::string key() const { return name_space + "/" + name; }
  bool operator==(const Metadata&) const = default;
};

}  // namespace weft::registry
