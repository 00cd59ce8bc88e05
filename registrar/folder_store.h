// SPDX-License-Identifier: Apache-2.0
/// @file Resources in a folder of files: what is new gets a file of its own, KIND.NAMESPACE.NAME.yaml.
///
/// A resource that is alone in a file, whatever that is called, is replaced and removed there. One that shares its file
/// is left alone, with an error: the file is somebody's own work, with comments and an order. So is one with anything
/// in it that is no resource. While a file of the folder can't be read, nobody knows what it has: all is refused, with
/// the file's name.
///
/// Files are there whole or not at all. Those who write at once by this class write one after another.
#pragma once

#include <set>

#include "registrar/store.h"

namespace weft::registrar {

class FolderStore : public Store {
 public:
  explicit FolderStore(std::filesystem::path folder) : folder_(std::move(folder)) {}

  Result<std::optional<Document>> get(const DocumentName& name) override;
  Result<std::vector<Document>> list(const std::string& kind) override;
  Result<void> put(const Document& document) override;
  Result<bool> remove(const DocumentName& name) override;
  Result<std::vector<File>> files() override;

 private:
  struct Found {
    std::filesystem::path file;
    size_t documents_there = 0;  ///< in the file, whatever they are
    Document document;
  };

  Result<std::vector<Found>> all();
  /// The error: it is there, and not alone.
  Result<std::optional<Found>> find_alone(const DocumentName& name);
  /// Locked against others who write; -1 and errno if it can't be opened.
  int open_folder() const;

  std::filesystem::path folder_;
};

}  // namespace weft::registrar
