// SPDX-License-Identifier: Apache-2.0
#include "lb/http_cors.h"

#include <algorithm>

#include "lb/bytes.h"
#include "lb/text_writer.h"

namespace weft::lb {
namespace {

/// Of a header that must not be repeated: more than one is none.
std::optional<std::string_view> only(const HttpRequest& request, std::string_view name) {
  std::optional<std::string_view> found;
  for (const HttpField& field : request.fields) {
    if (same_name(field.name, name)) {
      if (found) {
        return std::nullopt;
      }
      found = field.value;
    }
  }
  return found;
}

struct Origin {
  std::string_view scheme;
  std::string_view host;
  std::string_view port;
};

std::optional<Origin> split(std::string_view text) {
  const size_t colon = text.find("://");
  if (colon == std::string_view::npos) {
    return std::nullopt;
  }
  Origin origin{.scheme = text.substr(0, colon), .host = text.substr(colon + 3)};
  // Not one within the brackets of an IPv6 address.
  const size_t port = origin.host.rfind(':');
  if (port != std::string_view::npos && origin.host.find(']', port) == std::string_view::npos) {
    origin.port = origin.host.substr(port + 1);
    origin.host = origin.host.substr(0, port);
  } else {
    origin.port = same_name(origin.scheme, "https") ? "443" : same_name(origin.scheme, "http") ? "80" : "";
  }
  return origin;
}

bool has(const std::vector<std::string>& list, std::string_view value) {
  return std::find(list.begin(), list.end(), value) != list.end();
}

/// A list as a header has it. With credentials "*" is no wildcard to the client (Fetch), so what it asked for stands in
/// its place.
std::string_view listed(const std::vector<std::string>& list, bool credentials,
                        const std::optional<std::string_view>& asked, TextWriter& out) {
  if (has(list, "*") && (!credentials || asked)) {
    return credentials ? *asked : "*";
  }
  const size_t begin = out.size();
  for (const std::string& value : list) {
    if (value != "*") {
      out << (out.size() == begin ? "" : ", ") << value;
    }
  }
  return out.text(begin).value_or("");
}

}  // namespace

bool origin_matches(std::string_view pattern, std::string_view origin) {
  if (pattern == "*") {
    return true;
  }
  const std::optional<Origin> wanted = split(pattern);
  const std::optional<Origin> given = split(origin);
  if (!wanted || !given || !same_name(wanted->scheme, given->scheme) || wanted->port != given->port) {
    return false;
  }
  if (!wanted->host.starts_with('*')) {
    return same_name(wanted->host, given->host);
  }
  const std::string_view suffix = wanted->host.substr(1);
  return given->host.size() > suffix.size() &&
         same_name(given->host.substr(given->host.size() - suffix.size()), suffix);
}

CorsAnswer cors_answer(const Cors& cors, const HttpRequest& request, std::span<char> buffer) {
  const bool any_origin = has(cors.origins, "*");
  CorsAnswer answer{.vary_by_origin = !any_origin || cors.credentials};
  const std::optional<std::string_view> origin = only(request, "origin");
  const std::optional<std::string_view> asked_method = only(request, "access-control-request-method");
  answer.is_preflight = origin && asked_method && request.method == "OPTIONS";
  if (!origin || origin->empty() ||
      std::none_of(cors.origins.begin(), cors.origins.end(),
                   [&](const std::string& pattern) { return origin_matches(pattern, *origin); })) {
    return answer;
  }
  TextWriter out(buffer);
  CorsAnswer allowed = answer;
  allowed.is_allowed = true;
  allowed.allow_origin = answer.vary_by_origin ? *origin : "*";
  allowed.credentials = cors.credentials;
  if (answer.is_preflight) {
    allowed.allow_methods = listed(cors.methods, cors.credentials, asked_method, out);
    allowed.allow_headers =
        listed(cors.headers, cors.credentials, only(request, "access-control-request-headers"), out);
    allowed.max_age = cors.max_age;
  } else {
    allowed.expose_headers = listed(cors.exposed, cors.credentials, std::nullopt, out);
  }
  return out.is_full() ? answer : allowed;
}

}  // namespace weft::lb
