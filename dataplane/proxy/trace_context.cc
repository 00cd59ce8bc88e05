// SPDX-License-Identifier: Apache-2.0
#include "proxy/trace_context.h"

#include <algorithm>

namespace weft::proxy {
namespace {

bool are_digits(std::string_view text) {  // no capitals
  return std::all_of(text.begin(), text.end(), [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

bool is_zero(std::string_view text) {
  return text.find_first_not_of('0') == std::string_view::npos;
}

}  // namespace

bool is_traceparent(std::string_view text) {
  constexpr size_t kLength = 55;  // 00-<32 digits>-<16 digits>-<2 digits>; later versions may have more behind that
  if (text.size() < kLength || text[2] != '-' || text[35] != '-' || text[52] != '-') {
    return false;
  }
  const std::string_view version = text.substr(0, 2);
  const std::string_view trace = text.substr(3, 32);
  const std::string_view parent = text.substr(36, 16);
  const bool may_end = text.size() == kLength || (version != "00" && text[kLength] == '-');
  return may_end && version != "ff" && are_digits(version) && are_digits(trace) && are_digits(parent) &&
         are_digits(text.substr(53, 2)) && !is_zero(trace) && !is_zero(parent);
}

}  // namespace weft::proxy
