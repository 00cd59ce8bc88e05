// SPDX-License-Identifier: Apache-2.0
#include "lb/host_table.h"

namespace weft::lb {

HostTable::HostTable(const std::vector<std::string>& names) : names_(2, names.size()) {
  for (uint32_t i = 0; i < names.size(); ++i) {
    const std::string_view name = names[i];
    const bool wildcard = name.starts_with("*.");
    names_.add(wildcard ? kWildcard : kExact, wildcard ? name.substr(1) : name, i + 1);
  }
  next_.push_back(kNone);
  for (const std::string_view name : names) {
    // Of a wildcard, what matches its suffix with one more label in front, but not itself.
    next_.push_back(find_wildcard(name.starts_with("*.") ? name.substr(2) : name));
  }
}

uint32_t HostTable::find_suffix(std::string_view host) const {
  for (size_t dot = host.find('.', 1); dot < host.size(); dot = host.find('.', dot + 1)) {
    const uint32_t number = names_.find(kWildcard, host.substr(dot));
    if (number != kNone) {
      return number;
    }
  }
  return kAny;
}

}  // namespace weft::lb
