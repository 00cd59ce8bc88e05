// SPDX-License-Identifier: Apache-2.0
/// @file A registry that resources are put into: etcd, or a folder of files.
///
/// The two are one by their interface, as whoever uses it does not care: this is no path of packets.
#pragma once

#include <memory>
#include <optional>

#include "registrar/document.h"
#include "registrar/place.h"

namespace weft::registrar {

class Store {
 public:
  template <typename T>
  using Result = tl::expected<T, std::string>;

  static Result<std::unique_ptr<Store>> open(const Place& place);
  virtual ~Store() = default;

  /// No value if there is none. One that is there and can't be read has no content, and Document::problem.
  virtual Result<std::optional<Document>> get(const DocumentName& name) = 0;
  /// In the order of namespaces and names. Also those that can't be read, as get() has them.
  virtual Result<std::vector<Document>> list(const std::string& kind) = 0;
  virtual Result<void> put(const Document& document) = 0;
  /// @returns whether there was one
  virtual Result<bool> remove(const DocumentName& name) = 0;

  struct File {
    std::string name;  ///< as diagnostics call it
    std::string text;
  };
  /// Of a registry whose resources are in force together or not at all: its files. None of one that is decided key by
  /// key.
  virtual Result<std::vector<File>> files() { return std::vector<File>(); }
};

}  // namespace weft::registrar
