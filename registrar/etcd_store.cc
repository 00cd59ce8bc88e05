// SPDX-License-Identifier: Apache-2.0
#include "registrar/etcd_store.h"

#include "registry-sync/key.h"

namespace weft::registrar {
namespace {

using registry::kResourcePrefix;

std::string key_of(const DocumentName& name) {
  return std::string(kResourcePrefix) + name.kind + "/" + name.name_space + "/" + name.name;
}

/// By its key: that counts, whatever the value says.
Document document_of(const etcd::KeyValue& pair) {
  const std::string_view path = std::string_view(pair.key).substr(kResourcePrefix.size());
  const size_t first = path.find('/');
  const size_t second = first == std::string_view::npos ? first : path.find('/', first + 1);
  Document document{.id = {.kind = std::string(path.substr(0, first)), .name_space = {}, .name = {}}};
  if (second == std::string_view::npos) {
    document.problem = "key " + registry::in_quotes(pair.key) + ": expected KIND/NAMESPACE/NAME behind " +
                       std::string(kResourcePrefix);
    return document;
  }
  document.id.name_space = path.substr(first + 1, second - first - 1);
  document.id.name = path.substr(second + 1);
  document.content = Json::parse(pair.value, nullptr, false);
  if (document.content.is_discarded()) {
    document.content = nullptr;
    document.problem = "key " + registry::in_quotes(pair.key) + ": expected JSON";
  }
  return document;
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
  return range->pairs.empty() ? std::nullopt : std::optional(document_of(range->pairs.front()));
}

Store::Result<std::vector<Document>> EtcdStore::list(const std::string& kind) {
  constexpr int64_t kPage = 1000;
  const std::string prefix = std::string(kResourcePrefix) + kind + "/";
  std::vector<Document> documents;
  std::string from = prefix;
  int64_t revision = 0;
  for (bool more = true; more;) {
    const etcd::Result<etcd::Range> range = client_->range(from, etcd::prefix_end(prefix), kPage, revision);
    if (!range) {
      return tl::make_unexpected(to_string(range.error()));
    }
    for (const etcd::KeyValue& pair : range->pairs) {
      documents.push_back(document_of(pair));
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
  const etcd::Result<bool> removed = remove_key(*client_, key_of(name));
  return removed ? Result<bool>(*removed) : tl::make_unexpected(to_string(removed.error()));
}

etcd::Result<bool> remove_key(etcd::Client& client, const std::string& key) {
  const etcd::Result<etcd::Range> before = client.range(key);
  if (!before) {
    return tl::make_unexpected(before.error());
  }
  if (before->pairs.empty()) {
    return false;
  }
  // Asked a second time, as the first answer was lost, etcd may say that there is none: it was there.
  return client.remove(key).map([](int64_t) { return true; });
}

}  // namespace weft::registrar
