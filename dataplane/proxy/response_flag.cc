// SPDX-License-Identifier: Apache-2.0
#include "proxy/response_flag.h"

#include <array>
#include <string_view>

namespace weft::proxy {

std::string to_string(ResponseFlags flags) {
  static constexpr std::array<std::string_view, 18> kNames = {
      "UH", "UF", "UO", "NR", "URX", "UC", "UT", "UR", "DC", "DPE", "UPE", "SI", "DT", "RBAC", "RL", "DI", "FI", "SIG"};
  std::string names;
  for (size_t i = 0; i < kNames.size(); ++i) {
    if ((flags >> i & 1) != 0) {
      names += (names.empty() ? "" : ",") + std::string(kNames[i]);
    }
  }
  return names.empty() ? "-" : names;
}

}  // namespace weft::proxy
