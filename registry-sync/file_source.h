// SPDX-License-Identifier: Apache-2.0
/// @file A folder of registry files: *.yaml, *.yml and *.json, without those whose names start with a dot.
///
/// All files are read each time, and those are parsed whose content changed: a time stamp would miss a second write
/// within its grain, and reading is cheap beside parsing. A file that turns invalid or unreadable goes on with its last
/// good resources; a file that is deleted is gone. Of a file that changed, documents that did not are the same objects
/// as before.
///
/// One thread.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "registry-sync/inventory.h"
#include "registry-sync/parse.h"

namespace weft::registry {

inline constexpr size_t kMaxFiles = 10000;

/// What a folder holds now.
struct FolderReading {
  std::string folder_error;  ///< why the folder itself can't be read; then the rest is empty
  size_t files = 0;
  size_t documents = 0;            ///< of the resources
  Inventory::Files resources;      ///< by file name
  std::vector<Diagnostic> errors;  ///< of the files
};

/// Is it one that is read, by its name in the folder?
bool is_registry_file(const std::filesystem::path& name);

class FileSource {
 public:
  explicit FileSource(std::filesystem::path folder) : folder_(std::move(folder)) {}

  FolderReading read();

  const std::filesystem::path& folder() const { return folder_; }
  /// Files parsed since construction.
  size_t parsed() const { return parsed_; }

 private:
  struct File {
    uint64_t digest = 0;  ///< of the content that `errors` is about
    bool read = false;    ///< is `digest` of any content?
    std::shared_ptr<const ResourceSet> good = std::make_shared<ResourceSet>();  ///< of the last content without errors
    size_t documents = 0;
    std::vector<Diagnostic> errors;
  };

  /// False if the file is gone.
  bool refresh(const std::filesystem::path& path, File& file);

  std::filesystem::path folder_;
  std::map<std::string, File> files_;
  size_t parsed_ = 0;
};

}  // namespace weft::registry
