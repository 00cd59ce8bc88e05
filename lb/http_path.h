// SPDX-License-Identifier: Apache-2.0
/// @file One spelling for each path, so that no other spelling slips around a rule.
///
/// What routing compares, and what goes on to the endpoint, is the normal form: an endpoint that decodes more than weft
/// did must not see another path than the rules did. Levels are Envoy's and Istio's (BASE, MERGE_SLASHES).
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace weft::lb {

enum class Slashes : uint8_t {
  keep,   ///< "//" is not "/" (RFC 3986 knows empty segments)
  merge,  ///< runs of "/" are one, as nginx has it
};

/// RFC 3986, section 6.2.2: encodings of unreserved characters are decoded, others get capital digits, and segments "."
/// and ".." are removed ("/.." is "/"). An encoded slash stays encoded: it is a character of a segment.
///
/// Refused, with nothing returned:
/// - a "%" without two hexadecimal digits, and "%00";
/// - "." or ".." between separators of which one is "\", "%2F" or "%5C": some endpoints take these for "/", so that
///   "/public/..%2fadmin" is "/admin" to them;
/// - "." or ".." with parameters ("/public/..;/admin"): servlet containers drop these before they remove dots;
/// - what does not begin with "/", but for "*" and "" (RFC 9112, section 3.2), which are returned as they are.
///
/// Returned is `path` itself if it is normal, else a view into `buffer`, which must have its length: the normal form is
/// never longer. Too small a buffer refuses.
std::optional<std::string_view> normalize_path(std::string_view path, std::span<char> buffer,
                                               Slashes slashes = Slashes::keep);

}  // namespace weft::lb
