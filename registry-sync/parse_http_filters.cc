// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <map>
#include <set>

#include "registry-sync/parse_http.h"
#include "registry-sync/parse_http_values.h"

namespace weft::registry {
namespace {

constexpr size_t kMostFilters = 16;
constexpr size_t kMostEdits = 16;

/// What frames a message, or is between two neighbours alone: weft writes these itself (RFC 9110, section 7.6.1; RFC
/// 9112, section 6). An edit of theirs could make one request two.
constexpr std::string_view kOwnFields[] = {"connection", "content-length", "keep-alive",        "proxy-connection",
                                           "te",         "trailer",        "transfer-encoding", "upgrade"};

void check_edited(Fields& fields, std::string_view key, const std::string& name, bool of_request,
                  std::set<std::string>& names) {
  check_field_name(fields, key, name);
  const std::string lower = in_lower_case(name);
  if (std::find(std::begin(kOwnFields), std::end(kOwnFields), lower) != std::end(kOwnFields)) {
    fields.error(key, "weft writes " + lower + " itself: it can't be edited");
  } else if (of_request && lower == "host") {
    fields.error(key, "the host is edited by filter URLRewrite, field hostname");
  }
  if (!lower.empty() && !names.insert(lower).second) {
    fields.error(key, "expected one action a header, got another one for " + in_quotes(name));
  }
}

std::vector<lb::HeaderValue> parse_headers(Fields& edits, std::string_view key, bool of_request,
                                           std::set<std::string>& names) {
  std::vector<lb::HeaderValue> values;
  std::vector<Fields> items = edits.mappings(key);
  check_count(edits, key, items.size(), kMostEdits);
  for (Fields& item : items) {
    lb::HeaderValue value{.name = item.required_string("name"), .value = item.required_string("value")};
    for (const std::string_view each : {"name", "value"}) {
      if (item.has(each) && item.text(each).empty()) {
        item.error(each, "required field is empty");
      }
    }
    check_edited(item, "name", value.name, of_request, names);
    check_field_value(item, "value", value.value);
    item.finish();
    values.push_back(std::move(value));
  }
  return values;
}

lb::HeaderEdits parse_edits(Fields edits, bool of_request) {
  lb::HeaderEdits result;
  std::set<std::string> names;
  result.set = parse_headers(edits, "set", of_request, names);
  result.add = parse_headers(edits, "add", of_request, names);
  result.remove = edits.strings("remove");
  check_count(edits, "remove", result.remove.size(), kMostEdits);
  for (const std::string& name : result.remove) {
    if (name.empty()) {
      edits.error("remove", "expected names of headers, got \"\"");
    }
    check_edited(edits, "remove", name, of_request, names);
  }
  edits.finish();
  return result;
}

lb::PathEdit parse_path_edit(Fields path) {
  lb::PathEdit edit;
  if (!path) {
    return edit;
  }
  const std::string type = path.required_word("type", {"ReplaceFullPath", "ReplacePrefixMatch"});
  const bool full = type == "ReplaceFullPath";
  edit.kind = full ? lb::PathEdit::Kind::full : lb::PathEdit::Kind::prefix;
  const std::string_view key = full ? "replaceFullPath" : "replacePrefixMatch";
  const std::string_view other = full ? "replacePrefixMatch" : "replaceFullPath";
  path.string(other);
  if (!type.empty()) {
    edit.value = path.required_string(key);
    if (path.has(other)) {
      path.error(other, "expected no " + std::string(other) + " with type: " + type);
    }
    // "/" and nothing at all both leave the rest of the path.
    if (!(edit.value.empty() && (!full || !path.has(key)))) {
      check_path(path, key, edit.value);
    }
  }
  path.finish();
  return edit;
}

std::string parse_precise_hostname(Fields& fields) {
  const std::optional<std::string> name = fields.string("hostname");
  if (name) {
    check_hostname(fields, "hostname", *name, Wildcard::refused);
  }
  return name.value_or("");
}

lb::Redirect parse_redirect(Fields redirect) {
  lb::Redirect result;
  result.scheme = redirect.word("scheme", {"http", "https"}).value_or("");
  result.host = parse_precise_hostname(redirect);
  result.path = parse_path_edit(redirect.mapping("path"));
  result.port = static_cast<uint16_t>(redirect.integer("port", 1, 65535).value_or(0));
  const int64_t status = redirect.integer("statusCode", 300, 399).value_or(302);
  if (status != 301 && status != 302 && status != 303 && status != 307 && status != 308) {
    redirect.error("statusCode", "expected 301, 302, 303, 307 or 308, got " + std::to_string(status));
  }
  result.status = static_cast<uint16_t>(status);
  redirect.finish();
  return result;
}

lb::Rewrite parse_rewrite(Fields rewrite) {
  lb::Rewrite result{.host = parse_precise_hostname(rewrite), .path = parse_path_edit(rewrite.mapping("path"))};
  rewrite.finish();
  return result;
}

lb::Mirror parse_mirror(Fields mirror, const std::string& name_space) {
  lb::Mirror result;
  Fields ref = mirror.required_mapping("backendRef");
  result.backend = parse_backend_ref(ref, name_space);
  ref.finish();
  if (const std::optional<int64_t> percent = mirror.integer("percent", 0, 100)) {
    result.fraction = {.numerator = static_cast<uint32_t>(*percent), .denominator = 100};
  }
  if (Fields fraction = mirror.mapping("fraction")) {
    const int64_t numerator = fraction.required_integer("numerator", 0, INT32_MAX);
    const int64_t denominator = fraction.integer("denominator", 1, INT32_MAX).value_or(100);
    if (numerator > denominator) {
      fraction.error("numerator", "expected at most the denominator, " + std::to_string(denominator) + ", got " +
                                      std::to_string(numerator));
    }
    fraction.finish();
    result.fraction = {.numerator = static_cast<uint32_t>(numerator),
                       .denominator = static_cast<uint32_t>(denominator)};
    if (mirror.has("percent")) {
      mirror.error("fraction", "expected percent or fraction, got both");
    }
  }
  mirror.finish();
  return result;
}

/// scheme://host[:port], in which the host may begin with "*.", or be "*".
bool is_origin(std::string_view origin) {
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (!origin.starts_with(scheme)) {
      continue;
    }
    origin.remove_prefix(scheme.size());
    if (const size_t colon = origin.find(':'); colon != std::string_view::npos) {
      if (!parse_integer(origin.substr(colon + 1), 1, 65535)) {
        return false;
      }
      origin = origin.substr(0, colon);
    }
    origin.remove_prefix(origin.starts_with("*.") ? 2 : 0);
    const auto is_host = [](char c) {
      return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.';
    };
    return origin == "*" || (!origin.empty() && std::all_of(origin.begin(), origin.end(), is_host) &&
                             origin.front() != '.' && origin.back() != '.' && origin.find("..") == origin.npos);
  }
  return false;
}

void check_alone(Fields& fields, std::string_view key, const std::vector<std::string>& values, size_t most) {
  check_count(fields, key, values.size(), most);
  std::set<std::string> seen;
  for (const std::string& value : values) {
    if (value == "*" && values.size() > 1) {
      fields.error(key, "expected \"*\" alone");
    } else if (!seen.insert(value).second) {
      fields.error(key, "duplicate " + in_quotes(value));
    }
  }
}

lb::Cors parse_cors(Fields cors) {
  lb::Cors result;
  for (const std::string& origin : cors.strings("allowOrigins")) {
    result.origins.push_back(in_lower_case(origin));
    if (origin != "*" && !is_origin(result.origins.back())) {
      cors.error("allowOrigins",
                 R"(expected "*" or scheme://host[:port] with http or https, got )" + in_quotes(origin));
    }
  }
  check_alone(cors, "allowOrigins", result.origins, 64);
  result.credentials = cors.boolean("allowCredentials").value_or(false);
  result.methods = cors.strings("allowMethods");
  check_alone(cors, "allowMethods", result.methods, 9);
  for (const std::string& method : result.methods) {
    static const std::set<std::string_view> kMethods = {"GET",     "HEAD",    "POST",  "PUT",   "DELETE",
                                                        "CONNECT", "OPTIONS", "TRACE", "PATCH", "*"};
    if (!kMethods.contains(method)) {
      cors.error("allowMethods", "expected a method in upper case or \"*\", got " + in_quotes(method));
    }
  }
  result.headers = cors.strings("allowHeaders");
  check_alone(cors, "allowHeaders", result.headers, 64);
  result.exposed = cors.strings("exposeHeaders");
  check_count(cors, "exposeHeaders", result.exposed.size(), 64);
  for (const auto& [key, names] : {std::pair("allowHeaders", &result.headers), {"exposeHeaders", &result.exposed}}) {
    for (const std::string& name : *names) {
      if (name.empty()) {
        cors.error(key, "expected names of headers, got \"\"");
      }
      check_field_name(cors, key, name);
    }
  }
  result.max_age = std::chrono::seconds(cors.integer("maxAge", 1, INT32_MAX).value_or(5));
  cors.finish();
  return result;
}

struct FilterType {
  std::string_view type;
  std::string_view field;
};
constexpr FilterType kTypes[] = {{"RequestHeaderModifier", "requestHeaderModifier"},
                                 {"ResponseHeaderModifier", "responseHeaderModifier"},
                                 {"RequestRedirect", "requestRedirect"},
                                 {"URLRewrite", "urlRewrite"},
                                 {"RequestMirror", "requestMirror"},
                                 {"CORS", "cors"}};

/// Those that a GRPCRoute has too.
constexpr std::string_view kGrpcTypes[] = {"RequestHeaderModifier", "ResponseHeaderModifier", "RequestMirror"};

enum class RouteKind : uint8_t { http, grpc };

bool knows(RouteKind kind, std::string_view type) {
  return kind == RouteKind::http ||
         std::find(std::begin(kGrpcTypes), std::end(kGrpcTypes), type) != std::end(kGrpcTypes);
}

/// The field that has the filter's own name; the others must not be there.
std::string_view field_of(Fields& filter, RouteKind kind, const std::string& type) {
  std::string_view own;
  for (const FilterType& known : kTypes) {
    if (known.type == type) {
      own = known.field;
      continue;
    }
    if (!knows(kind, known.type)) {
      continue;
    }
    filter.ignore({known.field});
    if (!type.empty() && filter.has(known.field)) {
      filter.error(known.field, "expected no " + std::string(known.field) + " with type: " + type);
    }
  }
  return own;
}

void parse_filter(Fields& filter, const std::string& type, std::string_view field, const std::string& name_space,
                  lb::HttpFilters& filters) {
  Fields own = filter.required_mapping(field);
  if (type == "RequestHeaderModifier") {
    filters.request = parse_edits(std::move(own), true);
  } else if (type == "ResponseHeaderModifier") {
    filters.response = parse_edits(std::move(own), false);
  } else if (type == "RequestRedirect") {
    filters.redirect = parse_redirect(std::move(own));
  } else if (type == "URLRewrite") {
    filters.rewrite = parse_rewrite(std::move(own));
  } else if (type == "RequestMirror") {
    filters.mirrors.push_back(parse_mirror(std::move(own), name_space));
  } else {
    filters.cors = parse_cors(std::move(own));
  }
}

lb::HttpFilters parse_filters(Fields& parent, RouteKind kind, const std::string& name_space) {
  lb::HttpFilters filters;
  std::set<std::string> seen;
  std::vector<Fields> items = parent.mappings("filters");
  check_count(parent, "filters", items.size(), kMostFilters);
  for (Fields& filter : items) {
    const std::string type =
        kind == RouteKind::http
            ? filter.required_word("type",
                                   {"RequestHeaderModifier", "ResponseHeaderModifier", "RequestRedirect", "URLRewrite",
                                    "RequestMirror", "CORS"},
                                   {"ExtensionRef", "ExternalAuth"})
            : filter.required_word("type", {"RequestHeaderModifier", "ResponseHeaderModifier", "RequestMirror"},
                                   {"ExtensionRef"});
    const std::string_view field = field_of(filter, kind, type);
    filter.ignore({"extensionRef"});
    if (kind == RouteKind::http) {
      filter.ignore({"externalAuth"});
    }
    if (type.empty()) {
      continue;
    }
    for (const std::string_view refused : {"extensionRef", "externalAuth"}) {
      if (filter.has(refused) && (kind == RouteKind::http || refused == "extensionRef")) {
        filter.error(refused, "weft does not implement this field");
      }
    }
    if (!seen.insert(type).second && type != "RequestMirror") {
      filter.error("type", "expected one filter " + type + " at most, got another one");
    }
    parse_filter(filter, type, field, name_space, filters);
    filter.finish();
  }
  if (filters.redirect && filters.rewrite) {
    parent.error("filters", "expected RequestRedirect or URLRewrite, got both");
  }
  return filters;
}

}  // namespace

lb::HttpFilters parse_http_filters(Fields& parent, const std::string& name_space) {
  return parse_filters(parent, RouteKind::http, name_space);
}

lb::HttpFilters parse_grpc_filters(Fields& parent, const std::string& name_space) {
  return parse_filters(parent, RouteKind::grpc, name_space);
}

}  // namespace weft::registry
