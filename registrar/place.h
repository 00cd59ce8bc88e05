// SPDX-License-Identifier: Apache-2.0
/// @file Which registry weftctl works on: that of flags, else that of the node's configuration.
#pragma once

#include <CLI/CLI.hpp>
#include <filesystem>
#include <optional>
#include <string>
#include <tl/expected.hpp>

#include "etcd/types.h"

namespace weft::registrar {

/// One of both.
struct Place {
  std::optional<etcd::Options> etcd;
  std::filesystem::path folder;
};

struct PlaceFlags {
  std::vector<std::string> etcd;
  std::string ca, certificate, key, user, password_file;
  std::string folder;
  std::string config = "/etc/weft/node.yaml";
};

void add_place_flags(CLI::App& app, PlaceFlags& flags);

/// Reads the password's file, or the configuration's section `registry`. The error names the flag, or the file and the
/// field.
tl::expected<Place, std::string> find_place(const PlaceFlags& flags);

}  // namespace weft::registrar
