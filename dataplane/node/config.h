// SPDX-License-Identifier: Apache-2.0
/// @file What a node is told at start: one YAML file, read whole and validated before anything is touched.
///
/// Every field, with its default, is in docs/configuration.md; an unknown one is an error.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <tl/expected.hpp>
#include <vector>

#include "flow/state.h"
#include "l4/egress.h"
#include "pods/pods.h"
#include "registry-sync/diagnostic.h"
#include "runtime/idle.h"
#include "runtime/port.h"

namespace weft::node {

struct NetworkConfig {
  uint32_t prefix = 0;  ///< host order
  uint32_t mask = 0;    ///< host order
};

struct UplinkConfig {
  runtime::PortConfig port;
  runtime::MacAddress next_hop = {};    ///< whom all frames that leave here are addressed to
  std::vector<NetworkConfig> networks;  ///< endpoints in these are reached through this port
};

struct Config {
  std::string node;
  uint64_t seed = 0;
  std::string socket = "/run/weft/weft.sock";
  std::filesystem::path registry;
  std::vector<uint32_t> cores;  ///< one worker each
  runtime::IdleBounds idle;
  bool huge_pages = false;
  uint32_t megabytes = 256;
  uint32_t buffers = 16384;
  uint32_t flow_capacity = 262144;
  flow::Timeouts timeouts;
  uint32_t max_services = 4096;
  uint32_t max_endpoints = 65536;
  std::optional<pods::Config> pods;
  std::vector<UplinkConfig> ports;
  std::string log_level = "info";
};

/// All that is wrong, or the configuration.
tl::expected<Config, std::vector<registry::Diagnostic>> load_config(const std::filesystem::path& file);
/// The same of a text. @param file what diagnostics call it
tl::expected<Config, std::vector<registry::Diagnostic>> parse_config(const std::string& file, std::string_view text);

}  // namespace weft::node
