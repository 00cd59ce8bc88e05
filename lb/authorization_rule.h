// SPDX-License-Identifier: Apache-2.0
/// @file Rules of who may do what, as values: AuthorizationPolicy of Istio (security.istio.io/v1), cut down to what
/// decides.
///
/// registry-sync makes them of checked resources; Authorization compiles them. Names and meanings are Istio's.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "lb/prefix.h"

namespace weft::lb {

/// A text with Istio's wildcards.
struct TextPattern {
  enum class Kind : uint8_t {
    exact,
    prefix,         ///< "text*"
    suffix,         ///< "*text"
    any,            ///< "*": whatever is there and not empty
    path_template,  ///< of paths: segments, of which "{*}" is any one and "{**}" any number, the last of the two kinds
  };
  Kind kind = Kind::exact;
  std::string text;  ///< without the wildcard, but for a template

  bool operator==(const TextPattern&) const = default;
};

/// One of `is`, if there are any, and none of `is_not`.
struct TextCondition {
  std::vector<TextPattern> is;
  std::vector<TextPattern> is_not;

  bool empty() const { return is.empty() && is_not.empty(); }
  bool operator==(const TextCondition&) const = default;
};
struct AddressCondition {
  std::vector<Prefix> is;
  std::vector<Prefix> is_not;

  bool empty() const { return is.empty() && is_not.empty(); }
  bool operator==(const AddressCondition&) const = default;
};
struct PortCondition {
  std::vector<uint16_t> is;
  std::vector<uint16_t> is_not;

  bool empty() const { return is.empty() && is_not.empty(); }
  bool operator==(const PortCondition&) const = default;
};

/// Who asks: all of it must hold.
struct AuthorizationSource {
  TextCondition principals;  ///< such as cluster.local/ns/shop/sa/web
  TextCondition namespaces;
  AddressCondition ip_blocks;         ///< of the packets' sender
  AddressCondition remote_ip_blocks;  ///< of the first client, as far as it is known: see Authorization

  bool empty() const {
    return principals.empty() && namespaces.empty() && ip_blocks.empty() && remote_ip_blocks.empty();
  }
  bool operator==(const AuthorizationSource&) const = default;
};

/// What for: all of it must hold.
struct AuthorizationOperation {
  TextCondition hosts;  ///< in lower case, without a port
  PortCondition ports;
  TextCondition methods;
  TextCondition paths;

  bool empty() const { return hosts.empty() && ports.empty() && methods.empty() && paths.empty(); }
  /// Is it about requests alone? An opaque connection has none of these.
  bool is_http() const { return !hosts.empty() || !methods.empty() || !paths.empty(); }
  bool operator==(const AuthorizationOperation&) const = default;
};

struct AuthorizationWhen {
  enum class Key : uint8_t {
    header,  ///< request.headers[name]
    source_ip,
    remote_ip,
    source_namespace,
    source_principal,
    destination_ip,
    destination_port,
  };
  Key key = Key::header;
  std::string header;  ///< in lower case
  TextCondition texts;
  AddressCondition addresses;  ///< of source_ip, remote_ip and destination_ip, in place of texts
  PortCondition ports;         ///< of destination_port

  bool operator==(const AuthorizationWhen&) const = default;
};

/// Any of `from`, any of `to`, and all of `when`; what has no entries holds.
struct AuthorizationRule {
  std::vector<AuthorizationSource> from;
  std::vector<AuthorizationOperation> to;
  std::vector<AuthorizationWhen> when;

  bool operator==(const AuthorizationRule&) const = default;
};

/// A policy as it stands at one service.
struct AuthorizationRules {
  std::string name;      ///< "namespace/name"
  bool deny = false;     ///< else it allows
  bool dry_run = false;  ///< decided and told, not carried out
  std::vector<AuthorizationRule> rules;

  bool operator==(const AuthorizationRules&) const = default;
};

}  // namespace weft::lb
