// SPDX-License-Identifier: Apache-2.0
#include "http/ascii_set.h"
#include "http/fields.h"

namespace weft::http {
namespace {

/// 2^63 - 1: as far as every reader's arithmetic goes, signed or not.
constexpr uint64_t kMaxLength = ~uint64_t{0} >> 1;

/// RFC 9110, section 8.6: digits, and no list of them, which a recipient may refuse.
bool read_length(std::string_view value, uint64_t& length) {
  if (value.empty() || value.size() > 19) {
    return false;
  }
  length = 0;
  for (const char c : value) {
    if (c < '0' || c > '9') {
      return false;
    }
    length = length * 10 + static_cast<uint64_t>(c - '0');  // 19 digits are less than 2^64
  }
  return length <= kMaxLength;
}

/// Is there a HTAB behind the value? It is white space to RFC 9110, section 5.6.3, and to some readers, such as llhttp,
/// a part of the value, which then is another length or coding.
bool has_tab_behind(std::string_view value) {
  const char* at = value.data() + value.size();  // the line ends with CR
  while (*at == ' ') {
    ++at;
  }
  return *at == '\t';
}

/// Why codings are refused that are not "chunked" alone. Only those that chunked ends could be known to somebody (501);
/// others leave the end of the message to guess (RFC 9112, section 6.3).
[[gnu::cold]] Defect wrong_codings(const Fields& fields) {
  size_t codings = 0;
  size_t chunked = 0;
  bool is_last = false;
  for (size_t i = 0; i < fields.size(); ++i) {
    if (fields.name(i) != Name::transfer_encoding) {
      continue;
    }
    std::string_view list = fields[i].value;
    do {
      const std::string_view coding = take_element(list);
      if (coding.empty() || !kToken.holds(coding)) {
        return Defect::transfer_encoding;
      }
      is_last = is_word(coding, "chunked");
      chunked += is_last ? 1 : 0;
      ++codings;
    } while (!list.empty());
  }
  return is_last && chunked == 1 && codings > 1 ? Defect::transfer_coding : Defect::transfer_encoding;
}

}  // namespace

Defect read_framing(const Fields& fields, uint64_t repeated, uint8_t minor_version, Framing& framing) {
  framing = {};
  if (fields.has(Name::transfer_encoding)) {
    if (fields.has(Name::content_length)) {
      return Defect::ambiguous_length;
    }
    if (minor_version == 0) {  // RFC 9112, section 6.1: faulty framing
      return Defect::transfer_encoding;
    }
    const std::string_view codings = fields.find(Name::transfer_encoding)->value;
    if ((repeated & bit_of(Name::transfer_encoding)) != 0 || !is_word(codings, "chunked")) {
      return wrong_codings(fields);
    }
    if (has_tab_behind(codings)) {
      return Defect::transfer_encoding;
    }
    framing.kind = Framing::Kind::chunked;
  } else if (fields.has(Name::content_length)) {
    // Two that agree could be taken for one (RFC 9110, section 8.6); whoever sends them is better told.
    const std::string_view length = fields.find(Name::content_length)->value;
    if ((repeated & bit_of(Name::content_length)) != 0 || !read_length(length, framing.length) ||
        has_tab_behind(length)) {
      return Defect::content_length;
    }
    framing.kind = Framing::Kind::length;
  }
  return Defect::none;
}

Framing framing_of(const ResponseHead& response, Method of_request) {
  const bool is_tunnel = of_request == Method::connect && response.status / 100 == 2;
  return of_request == Method::head || is_tunnel ? Framing{} : response.body;
}

}  // namespace weft::http
