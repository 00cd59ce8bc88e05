// SPDX-License-Identifier: Apache-2.0
#include "registry-sync/check_source.h"

#include <unistd.h>

#include <system_error>

#include "registry-sync/cache_file.h"
#include "registry-sync/source_section.h"

namespace weft::registry {
namespace {

/// Why no file can be made at `path`; empty if one can.
std::string why_unwritable(const std::filesystem::path& path) {
  std::error_code error;
  // Folders that are missing are made; so the first that is there decides.
  std::filesystem::path folder = path.parent_path();
  while (!std::filesystem::exists(folder, error) && folder.has_relative_path()) {
    folder = folder.parent_path();
  }
  if (!std::filesystem::is_directory(folder, error)) {
    return in_quotes(folder.native()) + " is no folder";
  }
  if (access(folder.c_str(), W_OK | X_OK) != 0) {
    return in_quotes(folder.native()) + " can't be written to by this user";
  }
  return "";
}

}  // namespace

SourceReport check_source(const std::string& file, const etcd::Options& options,
                          const std::filesystem::path& password_file, const std::filesystem::path& cache) {
  SourceReport report;
  if (const auto fit = etcd::check(options); !fit) {
    report.errors.push_back(
        {.file = file, .field = "registry.etcd." + fit.error().option, .message = fit.error().message});
  }
  if (!password_file.empty()) {
    const auto password = read_password(password_file);
    if (!password || password->empty()) {
      report.errors.push_back(
          {.file = file,
           .field = "registry.etcd.password_file",
           .message = password ? in_quotes(password_file.native()) + " begins with an empty line" : password.error()});
    }
  }
  if (cache.empty()) {
    return report;
  }
  const auto warn = [&](const std::string& message) {
    report.warnings.push_back({.file = file, .field = "registry.cache", .message = message});
  };
  if (const std::string why = why_unwritable(cache); !why.empty()) {
    warn(why + ": nothing will be kept there");
  } else if (const auto contents = read_cache(cache); !contents) {
    warn(contents.error() + ": weftd would ignore it");
  }
  return report;
}

}  // namespace weft::registry
