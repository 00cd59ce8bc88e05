// SPDX-License-Identifier: Apache-2.0
#include "http/ascii_set.h"
#include "http/fields.h"
#include "http/name.h"

namespace weft::http {
namespace {

constexpr char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c | kLower) : c;
}

bool same_token(std::string_view a, std::string_view b) {
  return a.size() == b.size() &&
         std::equal(a.begin(), a.end(), b.begin(), [](char x, char y) { return lower(x) == lower(y); });
}

/// Calls back with each option of each Connection field, until it says true.
template <typename Function>
bool any_option(const Fields& fields, Function function) {
  for (size_t i = 0; i < fields.size(); ++i) {
    if (fields.name(i) == Name::connection) {
      for (std::string_view list = fields[i].value; !list.empty();) {
        if (function(take_element(list))) {
          return true;
        }
      }
    }
  }
  return false;
}

/// Those that only the next hop is meant for whether Connection names them or not (RFC 9110, section 7.6.1).
constexpr uint64_t kAlways = bit_of(Name::connection) | bit_of(Name::keep_alive) | bit_of(Name::proxy_connection) |
                             bit_of(Name::te) | bit_of(Name::transfer_encoding) | bit_of(Name::upgrade);
/// Those that no Connection can take away: the message would end elsewhere for the next hop, or be for someone else.
constexpr uint64_t kNever = bit_of(Name::content_length) | bit_of(Name::host);

}  // namespace

std::string_view take_element(std::string_view& list) {
  const size_t comma = std::min(list.find(','), list.size());
  size_t first = 0;
  size_t last = comma;
  while (first < last && is_blank(list[first])) {
    ++first;
  }
  while (last > first && is_blank(list[last - 1])) {
    --last;
  }
  const std::string_view element = list.substr(first, last - first);
  list.remove_prefix(std::min(comma + 1, list.size()));
  return element;
}

Defect read_connection(const Fields& fields, uint64_t repeated, ConnectionOptions& options) {
  if (!fields.has(Name::connection)) {
    return Defect::none;
  }
  if ((repeated & bit_of(Name::connection)) == 0) {  // what nearly all of them say
    const std::string_view value = fields.find(Name::connection)->value;
    options.keep_alive = is_word(value, "keep-alive");
    options.close = is_word(value, "close");
    if (options.keep_alive || options.close) {
      return Defect::none;
    }
  }
  uint32_t count = 0;
  const bool are_too_many = any_option(fields, [&](std::string_view option) {
    options.close |= is_word(option, "close");
    options.keep_alive |= is_word(option, "keep-alive");
    options.upgrade |= is_word(option, "upgrade");
    return ++count > kMaxOptions;
  });
  return are_too_many ? Defect::connection : Defect::none;
}

bool is_hop_by_hop(const Fields& fields, size_t i) {
  const uint64_t bit = bit_of(fields.name(i));
  if ((bit & (kAlways | kNever)) != 0) {
    return (bit & kAlways) != 0;
  }
  return fields.has(Name::connection) &&
         any_option(fields, [&](std::string_view option) { return same_token(option, fields[i].name); });
}

}  // namespace weft::http
