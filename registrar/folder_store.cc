// SPDX-License-Identifier: Apache-2.0
#include "registrar/folder_store.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "registry-sync/yaml_document.h"

namespace weft::registrar {
namespace {

tl::unexpected<std::string> cannot(const std::string& what, const std::filesystem::path& path) {
  const int error = errno;
  return tl::make_unexpected("can't " + what + " " + registry::in_quotes(path.native()) + ": " + std::strerror(error));
}

std::string file_name(const DocumentName& name) {
  std::string text = name.kind + "." + name.name_space + "." + name.name + ".yaml";
  std::transform(text.begin(), text.end(), text.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; });
  return text;
}

/// As FileSource reads them.
bool is_registry_file(const std::filesystem::path& path) {
  const std::string name = path.filename();
  return !name.starts_with('.') && (name.ends_with(".yaml") || name.ends_with(".yml") || name.ends_with(".json"));
}

}  // namespace

Store::Result<std::vector<FolderStore::Found>> FolderStore::all() const {
  std::error_code error;
  std::vector<std::filesystem::path> files;
  for (auto at = std::filesystem::directory_iterator(folder_, error);
       !error && at != std::filesystem::directory_iterator(); at.increment(error)) {
    if (is_registry_file(at->path())) {
      files.push_back(at->path());
    }
  }
  if (error) {
    return tl::make_unexpected("registry folder " + registry::in_quotes(folder_.native()) + ": " + error.message());
  }
  std::sort(files.begin(), files.end());
  std::vector<Found> found;
  for (const std::filesystem::path& file : files) {
    const tl::expected<std::string, registry::ReadFailure> text = registry::read_text_file(file);
    if (!text) {
      continue;  // gone meanwhile, or unreadable: weftd says so
    }
    std::vector<Document> documents = documents_in(file.native(), *text);
    const size_t count = documents.size();
    for (Document& document : documents) {
      found.push_back({.file = file, .documents_there = count, .document = std::move(document)});
    }
  }
  return found;
}

Store::Result<std::optional<FolderStore::Found>> FolderStore::find_alone(const DocumentName& name) const {
  Result<std::vector<Found>> found = all();
  if (!found) {
    return tl::make_unexpected(found.error());
  }
  for (Found& each : *found) {
    if (each.document.id == name) {
      if (each.documents_there > 1) {
        return tl::make_unexpected(to_string(name) + " is one of " + std::to_string(each.documents_there) +
                                   " documents in " + registry::in_quotes(each.file.native()) + ": edit it there");
      }
      return std::optional(std::move(each));
    }
  }
  return std::nullopt;
}

Store::Result<std::optional<Document>> FolderStore::get(const DocumentName& name) {
  Result<std::vector<Document>> documents = list(name.kind);
  if (!documents) {
    return tl::make_unexpected(documents.error());
  }
  const auto at =
      std::find_if(documents->begin(), documents->end(), [&](const Document& each) { return each.id == name; });
  return at == documents->end() ? std::nullopt : std::optional(std::move(*at));
}

Store::Result<std::vector<Document>> FolderStore::list(const std::string& kind) {
  Result<std::vector<Found>> found = all();
  if (!found) {
    return tl::make_unexpected(found.error());
  }
  std::vector<Document> documents;
  for (Found& each : *found) {
    if (each.document.id.kind == kind) {
      documents.push_back(std::move(each.document));
    }
  }
  std::sort(documents.begin(), documents.end(), [](const Document& a, const Document& b) { return a.id < b.id; });
  return documents;
}

Store::Result<void> FolderStore::put(const Document& document) {
  const Result<std::optional<Found>> before = find_alone(document.id);
  if (!before) {
    return tl::make_unexpected(before.error());
  }
  const std::filesystem::path file = *before ? (*before)->file : folder_ / file_name(document.id);
  const std::string text = file.extension() == ".json" ? document.content.dump(2) + "\n" : as_yaml(document.content);
  // With a dot in front nobody reads it.
  std::filesystem::path temporary = folder_ / ("." + file.filename().native() + ".new");
  const int fd = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644);
  if (fd < 0) {
    return cannot("create", temporary);
  }
  const bool written = write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size()) && fsync(fd) == 0;
  const int error = errno;
  close(fd);
  errno = error;
  if (!written || rename(temporary.c_str(), file.c_str()) != 0) {
    Result<void> failed = cannot("write", file);
    unlink(temporary.c_str());
    return failed;
  }
  return sync_folder();
}

Store::Result<bool> FolderStore::remove(const DocumentName& name) {
  const Result<std::optional<Found>> found = find_alone(name);
  if (!found) {
    return tl::make_unexpected(found.error());
  }
  if (!*found) {
    return false;
  }
  if (unlink((*found)->file.c_str()) != 0) {
    return cannot("remove", (*found)->file);
  }
  if (const Result<void> done = sync_folder(); !done) {
    return tl::make_unexpected(done.error());
  }
  return true;
}

Store::Result<void> FolderStore::sync_folder() const {
  const int fd = ::open(folder_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const bool done = fd >= 0 && fsync(fd) == 0;
  if (!done) {
    Result<void> failed = cannot("write folder", folder_);
    close(fd);
    return failed;
  }
  close(fd);
  return {};
}

}  // namespace weft::registrar
