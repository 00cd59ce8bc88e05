// SPDX-License-Identifier: Apache-2.0
#include "proxy/inspected_body.h"

#include <algorithm>

namespace weft::proxy {

std::string_view lines_of(const http::Fields& fields) {
  if (fields.size() == 0) {
    return {};
  }
  const char* const begin = fields[0].name.data();
  const std::string_view last = fields[fields.size() - 1].value;
  return {begin, static_cast<size_t>(last.data() + last.size() - begin)};
}

InspectedBody::State InspectedBody::look(size_t worker, std::string_view bytes, lb::Finding& finding) {
  using Framed = http::Framing::Kind;
  using Part = http::ChunkedReader::Part;
  while (!bytes.empty()) {
    std::string_view data = bytes;
    bool is_over = false;
    bool has_more = false;
    if (kind == Framed::length) {
      data = bytes.substr(0, left);
      left -= data.size();
      is_over = left == 0;
      bytes = {};
      seen += data.size();
    } else if (kind == Framed::chunked) {
      const Part part = chunks.next(bytes);
      if (part.kind == Part::Kind::defect) {
        return State::over;  // whoever moves it meets it too
      }
      data = part.kind == Part::Kind::data ? bytes.substr(0, part.bytes) : std::string_view();
      is_over = part.kind == Part::Kind::end;
      has_more = is_over && chunks.had_trailers();
      bytes.remove_prefix(part.bytes);
      seen += part.bytes;
    } else {
      bytes = {};
      seen += data.size();
    }
    if (!data.empty()) {
      const bool is_all = inspection->scan_body(worker, body, data, finding);
      if (finding.denied()) {
        return State::found;
      }
      if (!is_all) {
        return State::blind;
      }
    }
    if (is_over) {
      return has_more ? State::trailed : State::over;
    }
  }
  return State::more;
}

}  // namespace weft::proxy
