// SPDX-License-Identifier: Apache-2.0
#include "lb/asked_names.h"

#include <array>

namespace weft::lb {

AskedNames::AskedNames(const std::vector<Name>& names) : names_(2, names.size()), size_(names.size()) {
  for (uint32_t i = 0; i < names.size(); ++i) {
    names_.add(names[i].is_header ? kHeader : kQuery, names[i].text, i);
  }
}

uint32_t AskedNames::find_header(std::string_view name) const {
  if (!names_.may_have(kHeader, name.size()) || name.size() > kMaxHeaderName) {
    return kNone;
  }
  std::array<char, kMaxHeaderName> lower;  // NOLINT: written as far as it is read
  for (size_t i = 0; i < name.size(); ++i) {
    lower[i] = to_lower(name[i]);
  }
  return names_.find(kHeader, {lower.data(), name.size()});
}

}  // namespace weft::lb
