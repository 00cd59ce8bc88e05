// SPDX-License-Identifier: Apache-2.0
/// @file Resources in etcd: a key each, whose value is the document in JSON.
#pragma once

#include "etcd/client.h"
#include "registrar/store.h"

namespace weft::registrar {

/// "etcd: unavailable: ..." for a person.
std::string to_string(const etcd::Error& error);
/// @returns whether it was there
etcd::Result<bool> remove_key(etcd::Client& client, const std::string& key);

class EtcdStore : public Store {
 public:
  explicit EtcdStore(std::unique_ptr<etcd::Client> client) : client_(std::move(client)) {}

  Result<std::optional<Document>> get(const DocumentName& name) override;
  Result<std::vector<Document>> list(const std::string& kind) override;
  Result<void> put(const Document& document) override;
  Result<bool> remove(const DocumentName& name) override;

 private:
  std::unique_ptr<etcd::Client> client_;
};

}  // namespace weft::registrar
