// SPDX-License-Identifier: Apache-2.0
/// @file How the registry is laid out in a key-value store:
///
///     /weft/v1/resources/KIND/NAMESPACE/NAME     a Kubernetes document in JSON
///     /weft/v1/endpoints/NAMESPACE/SERVICE/ID    an instance of a Service, in JSON (instance.h); on a lease, or not
#pragma once

#include <string>
#include <string_view>
#include <tl/expected.hpp>

namespace weft::registry {

inline constexpr std::string_view kKeyPrefix = "/weft/v1/";
inline constexpr std::string_view kResourcePrefix = "/weft/v1/resources/";
inline constexpr std::string_view kInstancePrefix = "/weft/v1/endpoints/";

struct Key {
  bool is_instance = false;
  std::string kind;        ///< of a resource
  std::string name_space;  ///< its own, or its Service's
  std::string service;     ///< of an instance: its Service's name
  std::string name;        ///< a resource's, or an instance's id

  /// "namespace/name" of an instance's Service.
  std::string service_key() const { return name_space + "/" + service; }
};

/// The error says which part of the key is wrong.
tl::expected<Key, std::string> parse_key(std::string_view key);
std::string service_resource_key(const std::string& service_key);

}  // namespace weft::registry
