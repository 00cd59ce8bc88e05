// SPDX-License-Identifier: Apache-2.0
#include "route_reference.h"

#include <algorithm>
#include <map>
#include <regex>
#include <tuple>

#include "lb/http_path.h"

namespace weft::lb {
namespace {

bool matches_regex(const std::string& expression, const std::string& text) {
  static std::map<std::string, std::regex> compiled;
  auto at = compiled.find(expression);
  if (at == compiled.end()) {
    at = compiled.emplace(expression, std::regex(expression)).first;
  }
  return std::regex_match(text, at->second);
}

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? c + 32 : c; });
  return text;
}

/// How specific, by characters of exact and of any name; nothing if none matches.
std::optional<std::pair<size_t, size_t>> host_match(const HttpRoute& route, const std::string& host) {
  if (route.hostnames.empty()) {
    return std::pair<size_t, size_t>();
  }
  std::optional<std::pair<size_t, size_t>> best;
  for (const std::string& name : route.hostnames) {
    if (name == host) {
      best = std::max(best, std::optional(std::pair(name.size(), name.size())));
    } else if (name.starts_with("*.") && host.size() > name.size() - 1 && host.ends_with(name.substr(1))) {
      best = std::max(best, std::optional(std::pair(size_t{0}, name.size())));
    }
  }
  return best;
}

std::string normal(const std::string& path) {
  std::string buffer(path.size(), '\0');
  return std::string(normalize_path(path, buffer).value());
}

bool path_matches(const PathMatch& match, const std::string& path) {
  if (match.type == MatchType::regular_expression) {
    return matches_regex(match.value, path);
  }
  std::string value = normal(match.value);
  if (match.type == MatchType::exact) {
    return value == path;
  }
  if (value == "/") {
    return true;
  }
  value.resize(value.size() - (value.ends_with('/') ? 1 : 0));
  return path == value || path.starts_with(value + "/");
}

/// Larger is better.
std::tuple<int, size_t> path_rank(const PathMatch& match) {
  switch (match.type) {
    case MatchType::exact:
      return {2, 0};
    case MatchType::regular_expression:
      return {1, 0};
    case MatchType::prefix:
      break;
  }
  const std::string value = normal(match.value);
  return {0, value.size() - (value.ends_with('/') ? 1 : 0)};
}

std::string form_decoded(const std::string& text) {
  std::string result;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size() && std::isxdigit(static_cast<unsigned char>(text[i + 1])) != 0 &&
        std::isxdigit(static_cast<unsigned char>(text[i + 2])) != 0) {
      result += static_cast<char>(std::stoi(text.substr(i + 1, 2), nullptr, 16));
      i += 2;
    } else {
      result += text[i] == '+' ? ' ' : text[i];
    }
  }
  return result;
}

std::map<std::string, std::string> headers_of(const HttpRequest& request) {
  std::map<std::string, std::string> result;
  for (const HttpField& field : request.fields) {
    const std::string name = lower(std::string(field.name));
    const auto [at, is_new] = result.emplace(name, field.value);
    if (!is_new) {
      at->second += name == "cookie" ? "; " : ", ";
      at->second += field.value;
    }
  }
  return result;
}

std::map<std::string, std::string> parameters_of(const HttpRequest& request) {
  std::map<std::string, std::string> result;
  std::string query(request.query);
  while (!query.empty()) {
    const std::string part = query.substr(0, query.find('&'));
    query.erase(0, part.size() + 1);
    if (!part.empty()) {
      const size_t equals = part.find('=');
      result.emplace(form_decoded(part.substr(0, equals)),
                     equals == std::string::npos ? "" : form_decoded(part.substr(equals + 1)));
    }
  }
  return result;
}

/// How many names they ask for, if all hold: of several for one name the first is the one.
std::optional<size_t> values_match(const std::vector<ValueMatch>& wanted,
                                   const std::map<std::string, std::string>& values, bool is_header) {
  std::map<std::string, const ValueMatch*> first;
  for (const ValueMatch& match : wanted) {
    first.emplace(is_header ? lower(match.name) : match.name, &match);
  }
  for (const auto& [name, match] : first) {
    const auto value = values.find(name);
    if (value == values.end() || (match->type == MatchType::exact ? value->second != match->value
                                                                  : !matches_regex(match->value, value->second))) {
      return std::nullopt;
    }
  }
  return first.size();
}

}  // namespace

std::optional<ReferenceMatch> find_by_reference(const std::vector<HttpRoute>& routes, const HttpRequest& request) {
  const std::map<std::string, std::string> headers = headers_of(request);
  const std::map<std::string, std::string> parameters = parameters_of(request);
  const std::string path(request.path);
  // Smaller is better: what is better when larger is negative.
  using Key = std::tuple<int64_t, int64_t, int, int64_t, int, int64_t, int64_t, int64_t, std::string, size_t, size_t>;
  std::optional<std::pair<Key, ReferenceMatch>> best;
  for (const HttpRoute& route : routes) {
    const auto host = host_match(route, std::string(request.host));
    for (size_t rule = 0; host && rule < route.rules.size(); ++rule) {
      for (size_t i = 0; i < route.rules[rule].matches.size(); ++i) {
        const HttpMatch& match = route.rules[rule].matches[i];
        const auto header_count = values_match(match.headers, headers, true);
        const auto query_count = values_match(match.query, parameters, false);
        if (!header_count || !query_count || !path_matches(match.path, path) ||
            (!match.method.empty() && match.method != request.method)) {
          continue;
        }
        const auto [type, length] = path_rank(match.path);
        const Key key(-static_cast<int64_t>(host->first), -static_cast<int64_t>(host->second), -type,
                      -static_cast<int64_t>(length), match.method.empty() ? 1 : 0, -static_cast<int64_t>(*header_count),
                      -static_cast<int64_t>(*query_count), route.created, route.key, rule, i);
        if (!best || key < best->first) {
          best = {key, {.route = route.key, .rule = rule, .match = i}};
        }
      }
    }
  }
  return best ? std::optional(best->second) : std::nullopt;
}

}  // namespace weft::lb
