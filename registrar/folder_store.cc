// SPDX-License-Identifier: Apache-2.0
#include "registrar/folder_store.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "registry-sync/file_source.h"
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

/// Closed, and with that unlocked, at the end.
class Opened {
 public:
  explicit Opened(int fd) : fd_(fd) {}
  ~Opened() {
    if (fd_ >= 0) {
      close(fd_);
    }
  }
  Opened(const Opened&) = delete;
  Opened& operator=(const Opened&) = delete;

  int fd() const { return fd_; }

 private:
  int fd_;
};

Store::Result<void> write_all(int fd, std::string_view text, const std::filesystem::path& path) {
  while (!text.empty()) {
    const ssize_t written = write(fd, text.data(), text.size());
    if (written < 0 && errno == EINTR) {
      continue;
    }
    if (written <= 0) {
      return cannot("write", path);
    }
    text.remove_prefix(static_cast<size_t>(written));
  }
  return fsync(fd) == 0 ? Store::Result<void>() : cannot("write", path);
}

/// @param replaces false: nothing of that name may be there
Store::Result<void> write_file(const std::filesystem::path& file, std::string_view text, bool replaces) {
  constexpr mode_t kMode = 0644;
  struct stat before {};
  if (replaces && stat(file.c_str(), &before) != 0) {
    return cannot("read", file);
  }
  // With a dot in front nobody reads it.
  std::string temporary = file.parent_path() / ("." + file.filename().native() + ".XXXXXX");
  const Opened opened(mkostemp(temporary.data(), O_CLOEXEC));
  if (opened.fd() < 0) {
    return cannot("create", temporary);
  }
  Store::Result<void> done = write_all(opened.fd(), text, temporary);
  if (done && fchmod(opened.fd(), replaces ? before.st_mode & 07777 : kMode) != 0) {
    done = cannot("write", temporary);
  }
  if (done && renameat2(AT_FDCWD, temporary.c_str(), AT_FDCWD, file.c_str(), replaces ? 0 : RENAME_NOREPLACE) != 0) {
    done = cannot("write", file);
  }
  if (!done) {
    unlink(temporary.c_str());
  }
  return done;
}

}  // namespace

Store::Result<std::vector<Store::File>> FolderStore::files() {
  std::error_code error;
  std::vector<std::filesystem::path> paths;
  for (auto at = std::filesystem::directory_iterator(folder_, error);
       !error && at != std::filesystem::directory_iterator(); at.increment(error)) {
    if (registry::is_registry_file(at->path().filename())) {
      paths.push_back(at->path());
    }
  }
  if (error) {
    return tl::make_unexpected("registry folder " + registry::in_quotes(folder_.native()) + ": " + error.message());
  }
  std::sort(paths.begin(), paths.end());
  std::vector<File> files;
  for (const std::filesystem::path& path : paths) {
    tl::expected<std::string, registry::ReadFailure> text = registry::read_text_file(path);
    if (!text && text.error().error == registry::ReadError::missing) {
      continue;  // gone meanwhile
    }
    if (!text) {
      return tl::make_unexpected(registry::in_quotes(path.native()) + ": " + text.error().message);
    }
    files.push_back({path.native(), std::move(*text)});
  }
  return files;
}

Store::Result<std::vector<FolderStore::Found>> FolderStore::all() {
  const Result<std::vector<File>> files = this->files();
  if (!files) {
    return tl::make_unexpected(files.error());
  }
  std::vector<Found> found;
  for (const auto& [file, text] : *files) {
    // What can't be read may be any resource, also the one that is asked for.
    tl::expected<DocumentsThere, registry::Diagnostic> there = documents_in(file, text);
    if (!there) {
      return tl::make_unexpected(to_string(there.error()) + "; mend that first");
    }
    const size_t count = there->documents.size() + there->unnamed;
    for (Document& document : there->documents) {
      found.push_back({.file = file, .documents_there = count, .document = std::move(document)});
    }
  }
  return found;
}

Store::Result<std::optional<FolderStore::Found>> FolderStore::find_alone(const DocumentName& name) {
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
  const Opened folder(open_folder());
  if (folder.fd() < 0) {
    return cannot("open folder", folder_);
  }
  const Result<std::optional<Found>> before = find_alone(document.id);
  if (!before) {
    return tl::make_unexpected(before.error());
  }
  const bool replaces = before->has_value();
  const std::filesystem::path file = replaces ? (*before)->file : folder_ / file_name(document.id);
  const std::string text = file.extension() == ".json" ? document.content.dump(2) + "\n" : as_yaml(document.content);
  if (Result<void> done = write_file(file, text, replaces); !done) {
    return done;
  }
  return fsync(folder.fd()) == 0 ? Result<void>() : cannot("write folder", folder_);
}

Store::Result<bool> FolderStore::remove(const DocumentName& name) {
  const Opened folder(open_folder());
  if (folder.fd() < 0) {
    return cannot("open folder", folder_);
  }
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
  return fsync(folder.fd()) == 0 ? Result<bool>(true) : cannot("write folder", folder_);
}

int FolderStore::open_folder() const {
  const int fd = ::open(folder_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  while (fd >= 0 && flock(fd, LOCK_EX) != 0 && errno == EINTR) {
  }
  return fd;
}

}  // namespace weft::registrar
