// SPDX-License-Identifier: Apache-2.0
#include "registry-sync/file_source.h"

#include <set>
#include <unordered_map>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "registry-sync/yaml_document.h"

namespace weft::registry {
namespace {

struct Listing {
  std::set<std::string> names;
  std::string error;
};

Listing list(const std::filesystem::path& folder) {
  Listing listing;
  std::error_code error;
  std::filesystem::directory_iterator entry(folder, error);
  for (; !error && entry != std::filesystem::directory_iterator(); entry.increment(error)) {
    const std::filesystem::path name = entry->path().filename();
    if (is_registry_file(name)) {
      listing.names.insert(name.native());
    }
    if (listing.names.size() > kMaxFiles) {
      listing.error = "it holds more than " + std::to_string(kMaxFiles) + " files: put documents together";
      return listing;
    }
  }
  listing.error = error ? error.message() : "";
  return listing;
}

template <typename Resource>
void share_unchanged(const std::vector<std::shared_ptr<const Resource>>& before,
                     std::vector<std::shared_ptr<const Resource>>& now) {
  std::unordered_map<std::string, std::shared_ptr<const Resource>> known;
  for (const auto& each : before) {
    known.emplace(each->metadata.key(), each);
  }
  for (auto& each : now) {
    const auto same = known.find(each->metadata.key());
    if (same != known.end() && *same->second == *each) {
      each = same->second;
      known.erase(same);  // a second document of the same content is a duplicate, not the same object
    }
  }
}

void share_unchanged(const ResourceSet& before, ResourceSet& now) {
  share_unchanged(before.services, now.services);
  share_unchanged(before.slices, now.slices);
  share_unchanged(before.policies, now.policies);
  share_unchanged(before.routes, now.routes);
  share_unchanged(before.rules, now.rules);
  share_unchanged(before.gateways, now.gateways);
  share_unchanged(before.grants, now.grants);
  share_unchanged(before.grpc_routes, now.grpc_routes);
  share_unchanged(before.authorizations, now.authorizations);
  share_unchanged(before.faults, now.faults);
  share_unchanged(before.inspections, now.inspections);
}

}  // namespace

bool is_registry_file(const std::filesystem::path& name) {
  const std::filesystem::path extension = name.extension();
  return !name.native().starts_with('.') && (extension == ".yaml" || extension == ".yml" || extension == ".json");
}

bool FileSource::refresh(const std::filesystem::path& path, File& file) {
  const tl::expected<std::string, ReadFailure> text = read_text_file(path);
  if (!text) {
    std::error_code unknown;
    if (text.error().error == ReadError::missing && !std::filesystem::is_symlink(path, unknown)) {
      return false;
    }
    file.read = false;
    file.errors = {{.file = path.native(), .message = text.error().message}};
    return true;
  }
  const uint64_t digest = XXH3_64bits(text->data(), text->size());
  if (file.read && file.digest == digest) {
    return true;
  }
  ++parsed_;
  ParsedFile parsed = parse_file(path.native(), *text);
  file.read = true;
  file.digest = digest;
  file.errors = std::move(parsed.errors);
  if (file.errors.empty()) {
    share_unchanged(*file.good, parsed.resources);
    file.good = std::make_shared<const ResourceSet>(std::move(parsed.resources));
    file.documents = parsed.documents;
  }
  return true;
}

FolderReading FileSource::read() {
  FolderReading reading;
  const Listing listing = list(folder_);
  if (!listing.error.empty()) {
    reading.folder_error = listing.error;
    return reading;
  }
  // An empty folder may be one that is not mounted: what was known of its files is kept until others are there.
  if (listing.names.empty()) {
    return reading;
  }
  std::erase_if(files_, [&](const auto& entry) { return !listing.names.contains(entry.first); });
  for (const std::string& name : listing.names) {
    File& file = files_[name];
    if (!refresh(folder_ / name, file)) {
      files_.erase(name);
      continue;
    }
    ++reading.files;
    reading.documents += file.documents;
    reading.resources.emplace_hint(reading.resources.end(), name, file.good);
    for (const Diagnostic& error : file.errors) {
      report(reading.errors, error);
    }
  }
  return reading;
}

}  // namespace weft::registry
