// SPDX-License-Identifier: Apache-2.0
/// @file The lines between a head's first and its empty one, for requests and responses alike.
#pragma once

#include <cstring>
#include <type_traits>

#include "http/head.h"
#include "http/http1.h"
#include "http/lines.h"

namespace weft::http {

/// Reads all fields into `fields`.
/// @param bytes a head that Lines::scan() took, ending with its empty line
/// @param lines the first line is behind it
/// @param from where the first field begins
/// @param repeated gets the names that there are more than one of, a bit each
Defect read_fields(std::string_view bytes, Lines& lines, size_t from, const Limits& limits, Fields& fields,
                   uint64_t& repeated);

/// How the body ends by Content-Length and Transfer-Encoding (RFC 9112, section 6): of kind none if neither is there.
Defect read_framing(const Fields& fields, uint64_t repeated, uint8_t minor_version, Framing& framing);

/// What Connection asks for (RFC 9110, section 7.6.1).
struct ConnectionOptions {
  bool close = false;
  bool keep_alive = false;
  bool upgrade = false;

  /// RFC 9112, section 9.3
  bool persists(uint8_t minor_version) const { return !close && (minor_version > 0 || keep_alive); }
};
/// Precondition: `options` say nothing yet. @returns connection: there are more of them than kMaxOptions
Defect read_connection(const Fields& fields, uint64_t repeated, ConnectionOptions& options);
/// As each is looked for at each field that may go on.
constexpr uint32_t kMaxOptions = 16;

constexpr uint64_t bit_of(Name name) {
  return uint64_t{1} << static_cast<unsigned>(name);
}

constexpr bool is_blank(char c) {
  return c == ' ' || c == '\t';
}
/// Is it this word, in any case? Preconditions: no control characters in the value, and of the word, which has 4 to 16
/// bytes, those that setting a bit leaves or makes: lower case, digits, "-".
template <size_t kSize>
bool is_word(std::string_view value, const char (&word)[kSize]) {
  using Part = std::conditional_t<(kSize > 8), uint64_t, uint32_t>;
  constexpr size_t kLength = kSize - 1;
  static_assert(kLength >= sizeof(Part) && kLength <= 2 * sizeof(Part));
  if (value.size() != kLength) {
    return false;
  }
  const auto part = [](const char* at) {
    Part bytes;
    std::memcpy(&bytes, at, sizeof(bytes));
    return bytes | static_cast<Part>(0x2020202020202020);
  };
  constexpr size_t kSecond = kLength - sizeof(Part);
  return part(value.data()) == part(word) && part(value.data() + kSecond) == part(word + kSecond);
}
/// Takes the next element of a list (RFC 9110, section 5.6.1), which may be empty, and the comma behind it.
std::string_view take_element(std::string_view& list);

}  // namespace weft::http
