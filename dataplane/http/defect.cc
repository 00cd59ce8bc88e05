// SPDX-License-Identifier: Apache-2.0
#include <array>

#include "http/http1.h"

namespace weft::http {
namespace {

struct Words {
  Defect defect;
  uint16_t status;
  std::string_view text;
};

constexpr auto kWords = std::to_array<Words>({
    {Defect::none, 200, "none"},
    {Defect::request_line, 400, "malformed request line"},
    {Defect::status_line, 400, "malformed status line"},
    {Defect::version, 505, "neither HTTP/1.0 nor HTTP/1.1"},
    {Defect::target, 400, "malformed request target"},
    {Defect::target_too_long, 414, "request target too long"},
    {Defect::line_end, 400, "a line that does not end with CR and LF"},
    {Defect::field_name, 400, "malformed field name"},
    {Defect::field_value, 400, "control character in a field"},
    {Defect::folded, 400, "folded field"},
    {Defect::too_many_fields, 431, "too many fields"},
    {Defect::head_too_long, 431, "head too long"},
    {Defect::host, 400, "no Host, more than one, or malformed"},
    {Defect::content_length, 400, "malformed, repeated or forbidden Content-Length"},
    {Defect::connection, 400, "too many options in Connection"},
    {Defect::transfer_encoding, 400, "Transfer-Encoding that does not end a message"},
    {Defect::transfer_coding, 501, "unknown transfer coding"},
    {Defect::ambiguous_length, 400, "both Content-Length and Transfer-Encoding"},
    {Defect::chunk_size, 400, "malformed chunk size"},
    {Defect::chunk_extension, 400, "malformed or too long chunk extension"},
    {Defect::chunk_end, 400, "chunk longer than its size"},
    {Defect::trailer, 400, "malformed or forbidden trailer"},
});

constexpr bool is_in_order() {
  for (size_t i = 0; i < kWords.size(); ++i) {
    if (kWords[i].defect != static_cast<Defect>(i)) {
      return false;
    }
  }
  return kWords.size() == kDefects;
}
static_assert(is_in_order());

}  // namespace

uint16_t status_of(Defect defect) {
  return kWords[static_cast<size_t>(defect)].status;
}

std::string_view to_string(Defect defect) {
  return kWords[static_cast<size_t>(defect)].text;
}

}  // namespace weft::http
