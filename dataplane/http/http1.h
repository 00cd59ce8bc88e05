// SPDX-License-Identifier: Apache-2.0
/// @file HTTP/1.1 (RFC 9112): bytes to heads.
///
/// Strict where two readers might disagree about where a message ends, or whom it is for: what this accepts, every
/// other reader frames alike. Pure functions; no allocation.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "http/head.h"

namespace weft::http {

struct Limits {
  uint32_t head = 16 << 10;   ///< bytes, request or status line and fields
  uint32_t target = 8 << 10;  ///< bytes
  uint32_t fields = 100;
};

/// Why a head or a chunk is refused. What an operator sees counted, and the client is told.
enum class Defect : uint8_t {
  none,
  request_line,       ///< 400: not METHOD SP target SP HTTP/1.x CRLF
  status_line,        ///< of a response
  version,            ///< 505: not HTTP/1.0 or HTTP/1.1
  target,             ///< 400: none of the four forms of RFC 9112, section 3.2, or bytes that no target has
  target_too_long,    ///< 414
  line_end,           ///< 400: a CR or a LF by itself
  field_name,         ///< 400: empty, white space before the colon, or bytes that no token has
  field_value,        ///< 400: a control character
  folded,             ///< 400: obs-fold
  too_many_fields,    ///< 431
  head_too_long,      ///< 431
  host,               ///< 400: none in HTTP/1.1, more than one, or malformed
  content_length,     ///< 400: not a number, too large, or more than one
  connection,         ///< 400: more options in Connection than anybody has use for
  transfer_encoding,  ///< 400: "chunked" is not the last, or there twice; with HTTP/1.0
  transfer_coding,    ///< 501: one that weft does not know, in front of "chunked"
  ambiguous_length,   ///< 400: both Content-Length and Transfer-Encoding
  chunk_size,         ///< 400: not hexadecimal digits, or too large
  chunk_extension,    ///< 400: malformed or too long
  chunk_end,          ///< 400: no CRLF behind a chunk's data
  trailer,            ///< 400: malformed, or a field that must not be in one
};
constexpr size_t kDefects = static_cast<size_t>(Defect::trailer) + 1;
uint16_t status_of(Defect defect);
std::string_view to_string(Defect defect);  ///< for people: "both Content-Length and Transfer-Encoding"

/// Where a head ends: behind its empty line; 0: not in these bytes. A line that ends with LF alone counts, for
/// parse_request() to refuse.
/// @param from 0, then where the last search of the same, shorter bytes ended: nothing is searched twice
size_t find_end(std::string_view bytes, size_t& from);

/// Empty lines in front of a request (RFC 9112, section 2.2): how many bytes to skip; one CRLF at most.
size_t leading_blank(std::string_view bytes);

/// May a request begin with this byte? A TLS hello, for one, does not.
bool begins_request(char first);

/// @param bytes a whole head, up to and with its empty line; or one without end that is longer than its limit, to tell
/// why it is refused
/// @param head to be used again and again; of a refused one, nothing may be looked at
Defect parse_request(std::string_view bytes, const Limits& limits, RequestHead& head);
Defect parse_response(std::string_view bytes, const Limits& limits, ResponseHead& head);

/// How the response to a request of this method is framed (RFC 9112, section 6.3).
Framing framing_of(const ResponseHead& response, Method of_request);

/// Is this field for the next hop alone (RFC 9110, section 7.6.1): one of those that always are, or named in
/// Connection?
bool is_hop_by_hop(const Fields& fields, size_t i);

}  // namespace weft::http
