// SPDX-License-Identifier: Apache-2.0
/// @file What routing and balancing look at in an HTTP request, whatever version it came in.
#pragma once

#include <span>
#include <string_view>

namespace weft::lb {

/// Of a head, as it came but for white space around the value. Names compare without case (RFC 9110, section 5.1).
struct HttpField {
  std::string_view name;
  std::string_view value;
};

/// Views into what the head was read from.
struct HttpRequest {
  std::string_view method;  ///< as it came: methods have case
  std::string_view host;    ///< in lower case, without a port; empty: none was given (HTTP/1.0)
  std::string_view path;    ///< begins with "/", but for OPTIONS *, and CONNECT's, which is empty; not decoded
  std::string_view query;   ///< what follows the first "?"; has_query tells "/?" from "/"
  bool has_query = false;
  std::span<const HttpField> fields;  ///< in their order
};

}  // namespace weft::lb
