// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <set>

#include "registry-sync/parse_http.h"
#include "registry-sync/parse_http_values.h"
#include "registry-sync/parse_kinds.h"

namespace weft::registry {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr size_t kMostMatchesOfRule = 64;
constexpr size_t kMostBackends = 16;

void parse_timeouts(Fields timeouts, lb::HttpRule& rule) {
  // 0s means none (GEP-1742).
  const auto said = [](std::optional<milliseconds> value) {
    return !value ? milliseconds(0) : *value == milliseconds(0) ? lb::HttpRule::kNoTimeout : *value;
  };
  rule.request_timeout = said(duration(timeouts, "request"));
  rule.backend_timeout = said(duration(timeouts, "backendRequest"));
  if (rule.request_timeout > milliseconds(0) && rule.backend_timeout > rule.request_timeout) {
    timeouts.error("backendRequest", "expected at most request, " + timeouts.text("request") + ", got " +
                                         timeouts.text("backendRequest"));
  }
  timeouts.finish();
}

/// Without attempts one more is made, as most others do; without a backoff it waits for as long as Envoy does.
std::optional<lb::HttpRetry> parse_retry(Fields retry) {
  constexpr int64_t kMostAttempts = 100;
  if (!retry) {
    return std::nullopt;
  }
  lb::HttpRetry result;
  std::set<int64_t> seen;
  for (const int64_t code : retry.integers("codes", 400, 599)) {
    if (!seen.insert(code).second) {
      retry.error("codes", "duplicate " + std::to_string(code));
    }
    result.codes.push_back(static_cast<uint16_t>(code));
  }
  result.attempts = static_cast<uint32_t>(retry.integer("attempts", 0, kMostAttempts).value_or(1));
  // What is said is the least (HTTPRouteRetry: "the minimum duration a Gateway should wait").
  result.least_backoff = duration(retry, "backoff").value_or(milliseconds(0));
  result.backoff = retry.has("backoff") ? result.least_backoff : milliseconds(25);
  retry.finish();
  return result;
}

/// In whole seconds, as cookies count.
seconds session_timeout(Fields& session, std::string_view key) {
  const std::optional<milliseconds> value = duration(session, key);
  if (value && (*value < seconds(1) || *value % seconds(1) != milliseconds(0))) {
    session.error(key, "expected whole seconds, at least one, got " + in_quotes(session.text(key)));
  }
  return std::chrono::floor<seconds>(value.value_or(milliseconds(0)));
}

bool edits_prefix(const lb::HttpFilters& filters) {
  return (filters.redirect && filters.redirect->path.kind == lb::PathEdit::Kind::prefix) ||
         (filters.rewrite && filters.rewrite->path.kind == lb::PathEdit::Kind::prefix);
}

void check_combinations(Fields& fields, const HttpRouteRule& parsed) {
  const lb::HttpRule& rule = parsed.rule;
  if (rule.filters.redirect && !rule.backends.empty()) {
    fields.error("backendRefs", "expected no backendRefs beside filter RequestRedirect");
  }
  const bool prefix = edits_prefix(rule.filters) ||
                      std::any_of(rule.backends.begin(), rule.backends.end(),
                                  [](const lb::HttpBackend& backend) { return edits_prefix(backend.filters); });
  if (prefix && (parsed.matches.size() != 1 || parsed.matches[0].path.type != lb::MatchType::prefix)) {
    fields.error(fields.has("matches") ? "matches" : "filters",
                 "expected exactly one match, by PathPrefix: a filter has ReplacePrefixMatch");
  }
}

}  // namespace

std::optional<lb::SessionPersistence> parse_session(Fields session) {
  constexpr size_t kMostName = 128;
  if (!session) {
    return std::nullopt;
  }
  lb::SessionPersistence result;
  result.kind = session.word("type", {"Cookie", "Header"}) == "Header" ? lb::SessionPersistence::Kind::header
                                                                       : lb::SessionPersistence::Kind::cookie;
  const bool by_header = result.kind == lb::SessionPersistence::Kind::header;
  const std::optional<std::string> name = session.string("sessionName");
  result.name = name.value_or(by_header ? "x-weft-session" : "weft-session");
  if (name && name->empty()) {
    session.error("sessionName", "expected a name or no field, got \"\"");
  }
  check_field_name(session, "sessionName", result.name);
  check_length(session, "sessionName", result.name, kMostName);
  result.absolute_timeout = session_timeout(session, "absoluteTimeout");
  result.idle_timeout = session_timeout(session, "idleTimeout");
  Fields cookie = session.mapping("cookieConfig");
  result.permanent = cookie.word("lifetimeType", {"Session", "Permanent"}) == "Permanent";
  cookie.finish();
  if (cookie && by_header) {
    session.error("cookieConfig", "expected no cookieConfig with type: Header");
  } else if (result.permanent && !session.has("absoluteTimeout")) {
    session.error("absoluteTimeout", "required field is missing: cookieConfig.lifetimeType is Permanent");
  }
  session.finish();
  return result;
}

std::vector<lb::HttpBackend> parse_backends(Fields& rule, const std::string& name_space,
                                            lb::HttpFilters (*filters)(Fields&, const std::string&)) {
  constexpr int64_t kMostWeight = 1'000'000;
  std::vector<lb::HttpBackend> backends;
  std::vector<Fields> items = rule.mappings("backendRefs");
  check_count(rule, "backendRefs", items.size(), kMostBackends);
  for (Fields& item : items) {
    lb::HttpBackend& backend = backends.emplace_back();
    backend.port = parse_backend_ref(item, name_space);
    backend.weight = static_cast<uint32_t>(item.integer("weight", 0, kMostWeight).value_or(1));
    backend.filters = filters(item, name_space);
    item.finish();
  }
  return backends;
}

lb::BackendPort parse_backend_ref(Fields& ref, const std::string& name_space) {
  lb::BackendPort backend;
  const std::string group = ref.string("group").value_or("");
  const std::string kind = ref.string("kind").value_or("Service");
  const std::string name = ref.required_string("name");
  const std::string of = ref.string("namespace").value_or(name_space);
  const bool is_service = group.empty() && kind == "Service";
  if (ref.has("name") && name.empty()) {
    ref.error("name", "required field is empty");
  }
  check_label(ref, "namespace", of);
  is_service ? check_label(ref, "name", name) : check_length(ref, "name", name, 253);
  check_subdomain(ref, "group", group);
  // What is no Service is no error here: its share of requests is answered with 500, and the status says InvalidKind.
  backend.service = (is_service ? "" : (group.empty() ? "" : group + "/") + kind + " ") + of + "/" + name;
  if (is_service && ref && !ref.has("port")) {
    ref.error("port", "required field is missing: a Service has ports");
  }
  backend.port = lb::port_from_host(static_cast<uint16_t>(ref.integer("port", 1, 65535).value_or(0)));
  return backend;
}

HttpRouteRule parse_http_rule(Fields& rule, const std::string& name_space) {
  HttpRouteRule parsed;
  parsed.rule.name = rule.string("name").value_or("");
  check_subdomain(rule, "name", parsed.rule.name);
  std::vector<Fields> matches = rule.mappings("matches");
  check_count(rule, "matches", matches.size(), kMostMatchesOfRule);
  for (Fields& match : matches) {
    parsed.matches.push_back(parse_http_match(std::move(match)));
  }
  if (parsed.matches.empty()) {
    parsed.matches.emplace_back();
  }
  parsed.rule.filters = parse_http_filters(rule, name_space);
  parsed.rule.backends = parse_backends(rule, name_space, parse_http_filters);
  parse_timeouts(rule.mapping("timeouts"), parsed.rule);
  parsed.rule.retry = parse_retry(rule.mapping("retry"));
  parsed.rule.session = parse_session(rule.mapping("sessionPersistence"));
  check_combinations(rule, parsed);
  rule.finish();
  return parsed;
}

}  // namespace weft::registry
