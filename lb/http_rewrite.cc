// SPDX-License-Identifier: Apache-2.0
#include "lb/http_rewrite.h"

#include "lb/text_writer.h"

namespace weft::lb {
namespace {

std::string_view without_last_slash(std::string_view path) {
  path.remove_suffix(path.ends_with('/') ? 1 : 0);
  return path;
}

/// In two parts, which follow one another.
struct Parts {
  std::string_view first;
  std::string_view second;
  bool has_slash = true;  ///< or one is missing in front
};

/// HTTPPathModifier. A prefix is replaced by whole segments, last slashes of prefix and replacement ignored; what would
/// be empty is "/". What has no path ("*", and CONNECT's) stays, and so it does if the match is of no prefix.
Parts edited(const PathEdit& edit, const HttpMatch& match, std::string_view path) {
  if (!path.starts_with('/') || edit.kind == PathEdit::Kind::none) {
    return {.first = path};
  }
  if (edit.kind == PathEdit::Kind::full) {
    return {.first = edit.value, .has_slash = edit.value.starts_with('/')};
  }
  const std::string_view prefix = without_last_slash(match.path.value);
  if (match.path.type != MatchType::prefix || !path.starts_with(prefix)) {
    return {.first = path};
  }
  const std::string_view replacement = without_last_slash(edit.value);
  const std::string_view rest = path.substr(prefix.size());
  return {.first = replacement,
          .second = rest,
          .has_slash = replacement.starts_with('/') || (replacement.empty() && rest.starts_with('/'))};
}

void write_path(TextWriter& out, const Parts& path) {
  out << (path.has_slash || path.first == "*" ? "" : "/") << path.first << path.second;
}

void write_query(TextWriter& out, const HttpRequest& request) {
  if (request.has_query) {
    out << "?" << request.query;
  }
}

}  // namespace

std::optional<std::string_view> redirect_location(const Redirect& redirect, const HttpMatch& match,
                                                  const HttpRequest& request, const Listener& listener,
                                                  std::span<char> buffer) {
  const std::string_view scheme = redirect.scheme.empty() ? listener.scheme : redirect.scheme;
  const std::string_view host = redirect.host.empty() ? request.host : redirect.host;
  const uint16_t well_known = scheme == "http" ? 80 : scheme == "https" ? 443 : 0;
  uint16_t port = redirect.port;
  if (port == 0) {
    // "If redirect scheme is not-empty, the redirect port MUST be the well-known port associated with the redirect
    // scheme"; "If redirect scheme is empty, the redirect port MUST be the Gateway Listener port."
    port = redirect.scheme.empty() || well_known == 0 ? listener.port : well_known;
  }
  const Parts path = edited(redirect.path, match, request.path);
  TextWriter out(buffer);
  if (!host.empty()) {
    out << scheme << "://" << host;
    if (port != well_known) {
      out << ":" << uint32_t{port};
    }
  } else if ((path.first.empty() ? path.second : path.first).starts_with("//")) {
    out << "/.";  // else it would name a host (RFC 3986, section 4.2)
  }
  if (!request.path.starts_with('/') && redirect.path.kind == PathEdit::Kind::none) {
    out << "/";  // of OPTIONS *, which no URI has a form for
  } else {
    write_path(out, path);
  }
  write_query(out, request);
  return out.text();
}

std::optional<std::string_view> rewritten_target(const Rewrite& rewrite, const HttpMatch& match,
                                                 const HttpRequest& request, std::span<char> buffer) {
  TextWriter out(buffer);
  write_path(out, edited(rewrite.path, match, request.path));
  write_query(out, request);
  return out.text();
}

}  // namespace weft::lb
