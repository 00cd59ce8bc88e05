// SPDX-License-Identifier: Apache-2.0
#include "registrar/etcd_store.h"

namespace weft::registrar {
namespace {

constexpr std::string_view kResources = "/weft/v1/resources/";

std::string key_of(const DocumentName& name) {
  return std::string(kResources) + name.kind + "/" + name.name_space + "/" + name.name;
}

/// By its key: that counts, whatever the value says.
std::optional<Document> document_of(const etcd::KeyValue& pair) {
  const std::string_view path = std::string_view(pair.key).substr(kResources.size());
  const size_t first = path.find('/');
  const size_t second = path.find('/', first + 1);
  Json content = Json::parse(pair.value, nullptr, false);
  if (first == std::string_view::npos || second == std::string_view::npos || content.is_discarded()) {
    return std::nullopt;
  }
  return Document{.id = {.kind = std::string(path.substr(0, first)),
                         .name_space = std::string(path.substr(first + 1, second - first - 1)),
                         .name = std::string(path.substr(second + 1))},
                  .content = std::move(content)};
}

}  // namespace

std::string to_string(const etcd::Error& error) {
  return "etcd: " + std::string(etcd::to_string(error.kind)) + ": " + error.message;
}

Store::Result<std::optional<Document>> EtcdStore::get(const DocumentName& name) {
  const etcd::Result<etcd::Range> range = client_->range(key_of(name));
  if (!range) {
    return tl::make_unexpected(to_string(range.error()));
  }
  return range->pairs.empty() ? std::nullopt : document_of(range->pairs.front());
}

Store::Result<std::vector<Document>> EtcdStore::list(const std::string& kind) {
  constexpr int64_t kPage = 1000;
  const std::string prefix = std::string(kResources) + kind + "/";
  std::vector<Document> documents;
  std::string from = prefix;
  int64_t revision = 0;
  for (bool more = true; more;) {
    const etcd::Result<etcd::Range> range = client_->range(from, etcd::prefix_end(prefix), kPage, revision);
    if (!range) {
      return tl::make_unexpected(to_string(range.error()));
    }
    for (const etcd::KeyValue& pair : range->pairs) {
      if (std::optional<Document> document = document_of(pair)) {
        documents.push_back(std::move(*document));
      }
    }
    more = range->more && !range->pairs.empty();
    revision = range->revision;
    from = more ? range->pairs.back().key + '\0' : "";
  }
  return documents;
}

Store::Result<void> EtcdStore::put(const Document& document) {
  const etcd::Result<int64_t> done = client_->put(key_of(document.id), document.content.dump());
  if (!done) {
    return tl::make_unexpected(to_string(done.error()));
  }
  return {};
}

Store::Result<bool> EtcdStore::remove(const DocumentName& name) {
  const etcd::Result<int64_t> count = client_->remove(key_of(name));
  if (!count) {
    return tl::make_unexpected(to_string(count.error()));
  }
  return *count > 0;
}

}  // namespace weft::registrar
