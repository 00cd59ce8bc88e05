// SPDX-License-Identifier: Apache-2.0
/// @file The section `registry` of a node's configuration: where the registry is. weftd and weftctl read it by this, so
/// that a file which one takes means the same to the other.
#pragma once

#include <filesystem>
#include <optional>

#include "etcd/types.h"
#include "registry-sync/admission.h"
#include "registry-sync/yaml_fields.h"

namespace weft::registry {

struct SourceSection {
  std::filesystem::path folder;       ///< empty: it is in etcd
  std::optional<etcd::Options> etcd;  ///< without the password
  std::filesystem::path password_file;
  Guard guard;                                                   ///< of instances in etcd
  std::filesystem::path cache = "/var/lib/weft/registry.cache";  ///< of etcd; empty: none
};

/// What is wrong is among the errors of `fields`, and of what is returned then nothing is to be used.
SourceSection read_source_section(Fields fields);

/// The password's file: up to its first line's end. The error does not name the field.
tl::expected<std::string, std::string> read_password(const std::filesystem::path& file);

}  // namespace weft::registry
