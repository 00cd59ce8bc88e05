// SPDX-License-Identifier: Apache-2.0
#include "registrar/store.h"

#include "registrar/etcd_store.h"
#include "registrar/folder_store.h"

namespace weft::registrar {

Store::Result<std::unique_ptr<Store>> Store::open(const Place& place) {
  if (!place.etcd) {
    return std::make_unique<FolderStore>(place.folder);
  }
  auto client = etcd::Client::make(*place.etcd);
  if (!client) {
    return tl::make_unexpected("etcd: " + client.error());
  }
  return std::make_unique<EtcdStore>(std::move(*client));
}

}  // namespace weft::registrar
