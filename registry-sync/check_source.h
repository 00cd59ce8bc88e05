// SPDX-License-Identifier: Apache-2.0
/// @file Can a registry in etcd be followed by what a configuration says of it? As far as that can be told without
/// asking etcd: endpoints, the files of TLS and of the password, the place of the cache. What `weftd --check` asks.
#pragma once

#include <filesystem>

#include "etcd/types.h"
#include "registry-sync/diagnostic.h"

namespace weft::registry {

struct SourceReport {
  std::vector<Diagnostic> errors;    ///< weftd would not start
  std::vector<Diagnostic> warnings;  ///< it would, without the cache
};

/// @param file the configuration's, for diagnostics; fields are named as there: registry.etcd.key
/// @param password_file, cache as in SourceSection
SourceReport check_source(const std::string& file, const etcd::Options& options,
                          const std::filesystem::path& password_file, const std::filesystem::path& cache);

}  // namespace weft::registry
