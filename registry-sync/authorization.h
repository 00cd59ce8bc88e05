// SPDX-License-Identifier: Apache-2.0
/// @file AuthorizationPolicy of Istio (security.istio.io/v1): who may do what at which services. Values only, as in
/// resources.h; names and meanings are Istio's.
///
/// Not enforced yet: see kEnforcesAuthorization.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "lb/prefix.h"
#include "registry-sync/metadata.h"

namespace weft::registry {

/// Does the data plane act on AuthorizationPolicies? While it does not, a policy is refused, since a security policy
/// that is in silence not enforced is worse than none; one that only wants to be tried (istio.io/dry-run) is taken,
/// with a warning. Whoever enforces them sets this, and nothing else in this room.
inline constexpr bool kEnforcesAuthorization = false;

/// On an AuthorizationPolicy: its decisions are told, and not carried out.
inline constexpr std::string_view kDryRunAnnotation = "istio.io/dry-run";

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
  std::vector<lb::Prefix> is;
  std::vector<lb::Prefix> is_not;

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
  AddressCondition remote_ip_blocks;  ///< of the first client, as proxies in front say

  bool empty() const {
    return principals.empty() && namespaces.empty() && ip_blocks.empty() && remote_ip_blocks.empty();
  }
  bool operator==(const AuthorizationSource&) const = default;
};

/// What for: all of it must hold.
struct AuthorizationOperation {
  TextCondition hosts;  ///< in lower case
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
    sni,  ///< connection.sni
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

struct AuthorizationPolicy {
  enum class Action : uint8_t { allow, deny };

  Metadata metadata;
  Action action = Action::allow;
  bool dry_run = false;
  std::vector<std::string> services;          ///< "namespace/name", the namespace is its own
  std::map<std::string, std::string> labels;  ///< of workloads; if neither is there, all of the namespace is meant
  std::vector<AuthorizationRule> rules;       ///< none: nothing is allowed

  bool operator==(const AuthorizationPolicy&) const = default;
};

/// Under which all policies of a namespace that name no service are known where services are by "namespace/name".
inline std::string authorization_key(const std::string& name_space) {
  return "authorization " + name_space;
}

}  // namespace weft::registry
