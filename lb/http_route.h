// SPDX-License-Identifier: Apache-2.0
/// @file Rules by which HTTP requests are routed, as values: Gateway API's HTTPRoute (v1), cut down to what decides.
///
/// registry-sync makes them of checked resources; RouteTable compiles them. Names and meanings are HTTPRoute's.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "lb/address.h"

namespace weft::lb {

enum class MatchType : uint8_t {
  exact,
  prefix,              ///< of whole segments; of paths only
  regular_expression,  ///< of the whole value (RE2's and Hyperscan's common syntax)
};

struct PathMatch {
  MatchType type = MatchType::prefix;
  std::string value = "/";

  bool operator==(const PathMatch&) const = default;
};

/// Of a header or a query parameter: exact or regular_expression. Of a header that is there more than once, its values
/// joined by ", " (RFC 9110, section 5.3); of such a query parameter, the first.
struct ValueMatch {
  std::string name;  ///< of a header: in lower case
  MatchType type = MatchType::exact;
  std::string value;

  bool operator==(const ValueMatch&) const = default;
};

/// All of it must hold.
struct HttpMatch {
  PathMatch path;
  std::vector<ValueMatch> headers;
  std::vector<ValueMatch> query;
  std::string method;  ///< empty: any

  bool operator==(const HttpMatch&) const = default;
};

struct HeaderValue {
  std::string name;
  std::string value;

  bool operator==(const HeaderValue&) const = default;
};

/// In this order: set, add, remove. No name is in two of them.
struct HeaderEdits {
  std::vector<HeaderValue> set;
  std::vector<HeaderValue> add;
  std::vector<std::string> remove;

  bool empty() const { return set.empty() && add.empty() && remove.empty(); }
  bool operator==(const HeaderEdits&) const = default;
};

struct PathEdit {
  enum class Kind : uint8_t {
    none,
    full,    ///< the whole path, the query stays
    prefix,  ///< the prefix that the match named
  };
  Kind kind = Kind::none;
  std::string value;

  bool operator==(const PathEdit&) const = default;
};

struct Redirect {
  std::string scheme;  ///< empty: the request's
  std::string host;    ///< empty: the request's
  PathEdit path;
  uint16_t port = 0;  ///< 0: the scheme's well-known one if there is a scheme, else the listener's
  uint16_t status = 302;

  bool operator==(const Redirect&) const = default;
};

struct Rewrite {
  std::string host;  ///< empty: the request's
  PathEdit path;

  bool operator==(const Rewrite&) const = default;
};

/// GEP-1767.
struct Cors {
  std::vector<std::string>
      origins;  ///< "*", or scheme://host[:port], in which one "*" may stand for the leftmost labels
  std::vector<std::string> methods;  ///< "*": any
  std::vector<std::string> headers;
  std::vector<std::string> exposed;
  bool credentials = false;
  std::chrono::seconds max_age{5};

  bool operator==(const Cors&) const = default;
};

/// A service's port that requests go to, or why they can't.
struct BackendPort {
  static constexpr uint32_t kNone = UINT32_MAX;

  std::string service;  ///< "namespace/name"
  Port port{};
  /// Slots of the service's port by the family of its virtual address (ipv4, ipv6): which one a client's requests are
  /// balanced by goes by the client's own family, or by the only one.
  std::array<uint32_t, 2> slots = {kNone, kNone};

  bool is_valid() const { return slots[0] != kNone || slots[1] != kNone; }
  /// Of a client's family, else of the other.
  uint32_t slot_for(Family family) const {
    const bool is_ipv6 = family == Family::ipv6;
    return slots[is_ipv6] != kNone ? slots[is_ipv6] : slots[!is_ipv6];
  }
  bool operator==(const BackendPort&) const = default;
};

/// Of requests, so many of so many.
struct Fraction {
  uint32_t numerator = 1;
  uint32_t denominator = 1;

  bool operator==(const Fraction&) const = default;
};

struct Mirror {
  BackendPort backend;
  Fraction fraction;

  bool operator==(const Mirror&) const = default;
};

struct HttpFilters {
  HeaderEdits request;
  HeaderEdits response;
  std::optional<Redirect> redirect;
  std::optional<Rewrite> rewrite;
  std::optional<Cors> cors;
  std::vector<Mirror> mirrors;

  bool operator==(const HttpFilters&) const = default;
};

struct HttpBackend {
  BackendPort port;
  uint32_t weight = 1;
  HttpFilters filters;  ///< after the rule's

  bool operator==(const HttpBackend&) const = default;
};

/// GEP-1731.
struct HttpRetry {
  uint32_t attempts = 0;                       ///< beside the first; 0: none
  std::vector<uint16_t> codes;                 ///< of responses, 400 to 599, that are tried again
  std::chrono::milliseconds backoff{0};        ///< base of what attempts wait for by chance; 0: nothing
  std::chrono::milliseconds least_backoff{0};  ///< what they wait for at any rate

  bool operator==(const HttpRetry&) const = default;
};

/// GEP-1619.
struct SessionPersistence {
  enum class Kind : uint8_t { cookie, header };
  Kind kind = Kind::cookie;
  std::string name;
  bool permanent = false;                    ///< of a cookie: with Max-Age; else it goes with the browser's session
  std::chrono::seconds absolute_timeout{0};  ///< 0: none
  std::chrono::seconds idle_timeout{0};      ///< 0: none

  bool operator==(const SessionPersistence&) const = default;
};

struct HttpRule {
  std::string route;    ///< "namespace/name"; empty: the rule that a service has by itself, all to its own endpoints
  std::string name;     ///< may be empty
  uint32_t number = 0;  ///< in its route, from 0
  HttpFilters filters;
  std::vector<HttpBackend> backends;
  std::chrono::milliseconds request_timeout{0};  ///< 0: the default; kNoTimeout: none
  std::chrono::milliseconds backend_timeout{0};
  static constexpr std::chrono::milliseconds kNoTimeout{-1};
  std::optional<HttpRetry> retry;
  std::optional<SessionPersistence> session;

  bool operator==(const HttpRule&) const = default;
};

/// Matches of one rule: any of them will do.
struct MatchedRule {
  std::vector<HttpMatch> matches;  ///< never empty
  std::shared_ptr<const HttpRule> rule;
};

struct HttpRoute {
  std::string key;                     ///< "namespace/name"
  int64_t created = 0;                 ///< seconds since 1970: of routes that match alike the older wins
  std::vector<std::string> hostnames;  ///< in lower case, "*." in front stands for one label or more; empty: any
  std::vector<MatchedRule> rules;
};

}  // namespace weft::lb
