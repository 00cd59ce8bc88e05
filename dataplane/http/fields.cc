// SPDX-License-Identifier: Apache-2.0
#include "http/fields.h"

#include "http/name.h"

namespace weft::http {
namespace {

/// A line whose name does not end in a colon.
[[gnu::cold]] Defect wrong_name(std::string_view line) {
  return !line.empty() && is_blank(line[0]) ? Defect::folded : Defect::field_name;
}

}  // namespace

Defect read_fields(std::string_view bytes, Lines& lines, size_t from, const Limits& limits, Fields& fields,
                   uint64_t& repeated) {
  const size_t end = bytes.size() - 2;  // of the last field: where the empty line begins
  const size_t most = std::min<size_t>(limits.fields, kMaxFields);
  uint64_t seen = 0;
  uint64_t again = 0;
  for (size_t at = from; at < end;) {
    const size_t next = lines.next() + 1;
    const std::string_view line{bytes.data() + at, next - 2 - at};
    const size_t length = kToken.span(line, bytes);
    if (length == 0 || length == line.size() || line[length] != ':') [[unlikely]] {
      return wrong_name(line);
    }
    if (fields.size() == most) [[unlikely]] {
      return Defect::too_many_fields;
    }
    const std::string_view field{line.data(), length};
    const Name name = name_of(field, bytes);
    size_t first = length + 1;
    size_t last = line.size();
    while (first < last && is_blank(line[first])) {
      ++first;
    }
    while (last > first && is_blank(line[last - 1])) {
      --last;
    }
    fields.add(name, field, {line.data() + first, last - first});
    again |= seen & bit_of(name);
    seen |= bit_of(name);
    at = next;
  }
  repeated = again;
  return Defect::none;
}

}  // namespace weft::http
