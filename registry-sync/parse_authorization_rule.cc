// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "registry-sync/parse_authorization.h"
#include "registry-sync/parse_http_values.h"

namespace weft::registry {
namespace {

constexpr size_t kMostOfRule = 512;    ///< of from, to and when, each
constexpr size_t kMostValues = 1024;   ///< of one field
constexpr size_t kMostPattern = 2048;  ///< characters

/// The segments' own rules: a template's operators are whole segments, and nothing but literals follows "{**}".
std::string template_problem(std::string_view path) {
  const bool is_template = path.find("{*}") != path.npos || path.find("{**}") != path.npos;
  const auto is_literal = [](std::string_view segment) {
    return std::all_of(segment.begin(), segment.end(), [](char c) {
      return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
             std::string_view("-._~%!$&'()+,;:@=").find(c) != std::string_view::npos;
    });
  };
  bool any = false;
  while (!path.empty()) {
    const size_t slash = std::min(path.find('/'), path.size());
    const std::string_view segment = path.substr(0, slash);
    path.remove_prefix(std::min(slash + 1, path.size()));
    if (segment == "{*}" || segment == "{**}") {
      if (any) {
        return "{**} is not the last operator";
      }
      any = segment == "{**}";
    } else if (segment.find_first_of("{}") != segment.npos) {
      return "braces stand for {*} and {**} alone, as whole segments";
    } else if (is_template && !is_literal(segment)) {
      return "beside {*} and {**}, segments have no wildcards, and characters of paths alone";
    }
  }
  return "";
}

/// A "*" elsewhere would be one of the text itself, which nobody means: refused.
std::optional<TextPattern> parse_pattern(Fields& fields, std::string_view key, std::string text) {
  if (text.empty()) {
    fields.error(key, "expected values that are not empty, got \"\"");
    return std::nullopt;
  }
  check_length(fields, key, text, kMostPattern);
  if (text == "*") {
    return TextPattern{.kind = TextPattern::Kind::any, .text = ""};
  }
  TextPattern pattern{.kind = TextPattern::Kind::exact, .text = text};
  if (text.front() == '*') {
    pattern = {.kind = TextPattern::Kind::suffix, .text = text.substr(1)};
  } else if (text.back() == '*') {
    pattern = {.kind = TextPattern::Kind::prefix, .text = text.substr(0, text.size() - 1)};
  }
  if (pattern.text.find('*') != std::string::npos) {
    fields.error(key, "expected one \"*\", at the beginning or at the end, got " + in_quotes(text));
  }
  return pattern;
}

std::optional<TextPattern> parse_path_pattern(Fields& fields, std::string_view key, std::string text) {
  if (text.find_first_of("{}") == std::string::npos) {
    return parse_pattern(fields, key, std::move(text));
  }
  check_length(fields, key, text, kMostPattern);
  if (const std::string problem = template_problem(text); !problem.empty()) {
    fields.error(key, "expected a path such as /a/{*}/b/{**}, got " + in_quotes(text) + ": " + problem);
  }
  return TextPattern{.kind = TextPattern::Kind::path_template, .text = std::move(text)};
}

using PatternParser = std::optional<TextPattern> (*)(Fields&, std::string_view, std::string);

/// An empty list reads as if nobody were meant, and would mean everybody.
void check_values(Fields& fields, std::string_view key, size_t count) {
  check_count(fields, key, count, kMostValues);
  if (fields.is_empty_list(key)) {
    fields.error(key, "expected at least one value, or no field");
  }
}

std::vector<std::string> parse_values_of(Fields& fields, std::string_view key) {
  std::vector<std::string> values = fields.strings(key);
  check_values(fields, key, values.size());
  return values;
}

std::vector<TextPattern> parse_patterns(Fields& fields, std::string_view key, PatternParser parse) {
  std::vector<TextPattern> patterns;
  for (std::string& value : parse_values_of(fields, key)) {
    if (std::optional<TextPattern> pattern = parse(fields, key, std::move(value))) {
      patterns.push_back(std::move(*pattern));
    }
  }
  return patterns;
}

TextCondition parse_texts(Fields& fields, std::string_view key, std::string_view not_key,
                          PatternParser parse = parse_pattern) {
  return {.is = parse_patterns(fields, key, parse), .is_not = parse_patterns(fields, not_key, parse)};
}

std::vector<lb::Prefix> parse_blocks(Fields& fields, std::string_view key) {
  std::vector<lb::Prefix> blocks = fields.prefixes(key);
  check_values(fields, key, blocks.size());
  return blocks;
}

AddressCondition parse_addresses_of(Fields& fields, std::string_view key, std::string_view not_key) {
  return {.is = parse_blocks(fields, key), .is_not = parse_blocks(fields, not_key)};
}

/// Istio has them as strings.
std::vector<uint16_t> parse_ports_of(Fields& fields, std::string_view key) {
  std::vector<uint16_t> ports;
  for (const std::string& value : parse_values_of(fields, key)) {
    const std::optional<int64_t> port = parse_integer(value, 0, 65535);
    if (!port) {
      fields.error(key, "expected ports from 0 to 65535, got " + in_quotes(value));
    }
    ports.push_back(static_cast<uint16_t>(port.value_or(0)));
  }
  return ports;
}

PortCondition parse_ports(Fields& fields, std::string_view key, std::string_view not_key) {
  return {.is = parse_ports_of(fields, key), .is_not = parse_ports_of(fields, not_key)};
}

/// Of a source or an operation, all of whose fields are lists.
void check_any(Fields& fields, std::string_view first) {
  const std::vector<std::string> keys = fields.keys();
  if (std::none_of(keys.begin(), keys.end(), [&](const std::string& key) { return fields.has(key); })) {
    fields.error(first, "expected at least one field, such as this");
  }
}

AuthorizationSource parse_source(Fields source) {
  AuthorizationSource result;
  if (!source) {
    return result;
  }
  result.principals = parse_texts(source, "principals", "notPrincipals");
  result.namespaces = parse_texts(source, "namespaces", "notNamespaces");
  result.ip_blocks = parse_addresses_of(source, "ipBlocks", "notIpBlocks");
  result.remote_ip_blocks = parse_addresses_of(source, "remoteIpBlocks", "notRemoteIpBlocks");
  check_any(source, "principals");
  source.unimplemented({"requestPrincipals", "notRequestPrincipals", "serviceAccounts", "notServiceAccounts"});
  source.finish();
  return result;
}

AuthorizationOperation parse_operation(Fields operation) {
  AuthorizationOperation result;
  if (!operation) {
    return result;
  }
  result.hosts = parse_texts(operation, "hosts", "notHosts");
  for (std::vector<TextPattern>* patterns : {&result.hosts.is, &result.hosts.is_not}) {
    for (TextPattern& pattern : *patterns) {
      pattern.text = in_lower_case(std::move(pattern.text));
      // Else a policy that denies it would deny nothing. An IPv6 address has brackets, and no port behind them.
      if (const size_t colon = pattern.text.rfind(':'); colon != std::string::npos &&
                                                        pattern.kind != TextPattern::Kind::prefix &&
                                                        pattern.text.find(']', colon) == std::string::npos) {
        operation.error(patterns == &result.hosts.is ? "hosts" : "notHosts",
                        "expected hosts without a port, as they are compared, got " + in_quotes(pattern.text));
      }
    }
  }
  result.ports = parse_ports(operation, "ports", "notPorts");
  result.methods = parse_texts(operation, "methods", "notMethods");
  result.paths = parse_texts(operation, "paths", "notPaths", parse_path_pattern);
  check_any(operation, "paths");
  operation.finish();
  return result;
}

struct WhenKey {
  std::string_view name;
  AuthorizationWhen::Key key;
};
constexpr WhenKey kWhenKeys[] = {
    {"source.ip", AuthorizationWhen::Key::source_ip},
    {"remote.ip", AuthorizationWhen::Key::remote_ip},
    {"source.namespace", AuthorizationWhen::Key::source_namespace},
    {"source.principal", AuthorizationWhen::Key::source_principal},
    {"destination.ip", AuthorizationWhen::Key::destination_ip},
    {"destination.port", AuthorizationWhen::Key::destination_port},
};
/// Istio's, by their beginnings. Of TLS weft reads nothing, not even whom it is for.
constexpr std::string_view kForeignKeys[] = {"request.auth.", "request.experimental.", "experimental.",
                                             "source.serviceAccount", "connection.sni"};

/// The values are read as what the key says that they are.
void parse_key(Fields& item, const std::string& key, AuthorizationWhen& when) {
  constexpr std::string_view kHeaders = "request.headers";
  if (key.starts_with(kHeaders)) {
    const size_t open = kHeaders.size();
    if (key.size() < open + 3 || key[open] != '[' || key.back() != ']') {
      item.error("key", "expected request.headers[name], got " + in_quotes(key));
      return;
    }
    when.header = in_lower_case(key.substr(open + 1, key.size() - open - 2));
    check_field_name(item, "key", when.header);
    return;
  }
  for (const WhenKey& known : kWhenKeys) {
    if (key == known.name) {
      when.key = known.key;
      return;
    }
  }
  const bool is_foreign = std::any_of(std::begin(kForeignKeys), std::end(kForeignKeys),
                                      [&](std::string_view beginning) { return key.starts_with(beginning); });
  item.error("key", (is_foreign ? "weft does not implement " + escaped(key) + "; expected " : "expected ") +
                        "request.headers[name], source.ip, remote.ip, source.namespace, source.principal, "
                        "destination.ip or destination.port" +
                        (is_foreign ? "" : ", got " + in_quotes(key)));
}

AuthorizationWhen parse_when(Fields& item) {
  AuthorizationWhen when;
  const std::string key = item.required_string("key");
  if (item.has("key") && key.empty()) {
    item.error("key", "required field is empty");
  } else if (!key.empty()) {
    parse_key(item, key, when);
  }
  switch (when.key) {
    case AuthorizationWhen::Key::source_ip:
    case AuthorizationWhen::Key::remote_ip:
    case AuthorizationWhen::Key::destination_ip:
      when.addresses = parse_addresses_of(item, "values", "notValues");
      break;
    case AuthorizationWhen::Key::destination_port:
      when.ports = parse_ports(item, "values", "notValues");
      break;
    case AuthorizationWhen::Key::header:
    case AuthorizationWhen::Key::source_namespace:
    case AuthorizationWhen::Key::source_principal:
      when.texts = parse_texts(item, "values", "notValues");
      break;
  }
  if (item && !item.has("values") && !item.has("notValues")) {
    item.error("values", "expected values or notValues, or both");
  }
  item.finish();
  return when;
}

/// A list that is there has items: an empty one reads as if nobody were meant, and means everybody.
std::vector<Fields> parse_items(Fields& rule, std::string_view key) {
  std::vector<Fields> items = rule.mappings(key);
  check_count(rule, key, items.size(), kMostOfRule);
  if (rule.has(key) && items.empty()) {
    rule.error(key, "expected at least one item, or no field for all");
  }
  return items;
}

}  // namespace

std::vector<AuthorizationSource> parse_sources(Fields& rule) {
  std::vector<AuthorizationSource> sources;
  for (Fields& item : parse_items(rule, "from")) {
    sources.push_back(parse_source(item.required_mapping("source")));
    item.finish();
  }
  return sources;
}

AuthorizationRule parse_authorization_rule(Fields& rule) {
  AuthorizationRule result;
  result.from = parse_sources(rule);
  for (Fields& item : parse_items(rule, "to")) {
    result.to.push_back(parse_operation(item.required_mapping("operation")));
    item.finish();
  }
  for (Fields& item : parse_items(rule, "when")) {
    result.when.push_back(parse_when(item));
  }
  rule.finish();
  return result;
}

}  // namespace weft::registry
