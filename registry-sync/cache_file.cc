// SPDX-License-Identifier: Apache-2.0
#include "registry-sync/cache_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include <bit>
#include <cassert>
#include <cerrno>
#include <cstring>

#include "registry-sync/diagnostic.h"

namespace weft::registry {
namespace {

static_assert(std::endian::native == std::endian::little);

constexpr std::string_view kMagic = "WEFTREG\n";
constexpr size_t kHeaderBytes = 8 + 4 + 4 + 8 + 8;

template <typename Number>
void append(std::string& bytes, Number number) {
  bytes.append(reinterpret_cast<const char*>(&number), sizeof number);
}

/// Takes from the front; says false, and goes on saying it, once there is not enough left.
class Reader {
 public:
  explicit Reader(std::string_view bytes) : left_(bytes) {}

  template <typename Number>
  bool take(Number& number) {
    std::string_view bytes;
    if (!take(sizeof number, bytes)) {
      return false;
    }
    std::memcpy(&number, bytes.data(), sizeof number);
    return true;
  }
  bool take(size_t count, std::string_view& bytes) {
    if (count > left_.size()) {
      left_ = {};
      failed_ = true;
    }
    if (failed_) {
      return false;
    }
    bytes = left_.substr(0, count);
    left_.remove_prefix(count);
    return true;
  }
  size_t left() const { return left_.size(); }

 private:
  std::string_view left_;
  bool failed_ = false;
};

/// Closed at the end.
class OpenFile {
 public:
  explicit OpenFile(int fd) : fd_(fd) {}
  ~OpenFile() {
    if (fd_ >= 0) {
      close(fd_);
    }
  }
  OpenFile(const OpenFile&) = delete;
  OpenFile& operator=(const OpenFile&) = delete;

  int fd() const { return fd_; }

 private:
  int fd_;
};

tl::unexpected<std::string> failed_to(const std::string& what, const std::filesystem::path& path) {
  const int error = errno;
  return tl::make_unexpected("can't " + what + " " + in_quotes(path.native()) + ": " + std::strerror(error));
}

tl::unexpected<std::string> damaged(const std::string& how) {
  return tl::make_unexpected("is damaged: " + how);
}

tl::expected<CacheContents, std::string> decode_body(std::string_view body) {
  Reader reader(body);
  CacheContents contents;
  uint32_t source_bytes = 0;
  std::string_view source;
  int64_t milliseconds = 0;
  uint64_t count = 0;
  if (!reader.take(source_bytes) || source_bytes > kMaxCacheSource || !reader.take(source_bytes, source) ||
      !reader.take(contents.revision) || !reader.take(milliseconds) || !reader.take(count)) {
    return damaged("its description does not fit");
  }
  contents.source = source;
  // Not what a clock could have said: it would not fit the clock's own unit.
  constexpr int64_t kMostMilliseconds = int64_t{1} << 42;
  if (milliseconds < 0 || milliseconds > kMostMilliseconds) {
    return damaged("its time is none");
  }
  contents.saved = std::chrono::system_clock::time_point(std::chrono::milliseconds(milliseconds));
  std::string_view last_key;
  for (uint64_t i = 0; i < count; ++i) {
    uint32_t key_bytes = 0;
    uint32_t text_bytes = 0;
    std::string_view key;
    std::string_view text;
    if (!reader.take(key_bytes) || !reader.take(text_bytes) || key_bytes > kMaxCacheKey || text_bytes > kMaxCacheText ||
        !reader.take(key_bytes, key) || !reader.take(text_bytes, text)) {
      return damaged("document " + std::to_string(i + 1) + " of " + std::to_string(count) + " does not fit");
    }
    if (i > 0 && key <= last_key) {
      return damaged("its documents are in no order");
    }
    last_key = key;
    contents.documents.emplace_hint(contents.documents.end(), std::string(key),
                                    std::make_shared<const std::string>(text));
  }
  if (reader.left() > 0) {
    return damaged(std::to_string(reader.left()) + " bytes after its last document");
  }
  return contents;
}

tl::expected<void, std::string> write_all(int fd, std::string_view bytes, const std::filesystem::path& path) {
  while (!bytes.empty()) {
    const ssize_t written = write(fd, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) {
      continue;
    }
    if (written < 0) {
      return failed_to("write", path);
    }
    bytes.remove_prefix(static_cast<size_t>(written));
  }
  return {};
}

tl::expected<void, std::string> write_new(const std::filesystem::path& path, std::string_view bytes) {
  const OpenFile file(open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (file.fd() < 0) {
    return failed_to("create", path);
  }
  if (auto written = write_all(file.fd(), bytes, path); !written) {
    return written;
  }
  if (fsync(file.fd()) != 0) {
    return failed_to("write", path);
  }
  return {};
}

}  // namespace

size_t encoded_bytes(const CacheContents& contents) {
  size_t bytes = kHeaderBytes + 4 + contents.source.size() + 8 + 8 + 8;
  for (const auto& [key, text] : contents.documents) {
    bytes += 8 + key.size() + text->size();
  }
  return bytes;
}

std::string encode_cache(const CacheContents& contents) {
  assert(contents.source.size() <= kMaxCacheSource);
  std::string bytes;
  bytes.reserve(encoded_bytes(contents));
  bytes += kMagic;
  append(bytes, kCacheVersion);
  append(bytes, uint32_t{0});
  bytes.resize(kHeaderBytes);  // the body's length and sum, once they are known
  append(bytes, static_cast<uint32_t>(contents.source.size()));
  bytes += contents.source;
  append(bytes, contents.revision);
  append(bytes, int64_t{std::chrono::floor<std::chrono::milliseconds>(contents.saved.time_since_epoch()).count()});
  append(bytes, uint64_t{contents.documents.size()});
  for (const auto& [key, text] : contents.documents) {
    assert(key.size() <= kMaxCacheKey && text->size() <= kMaxCacheText);
    append(bytes, static_cast<uint32_t>(key.size()));
    append(bytes, static_cast<uint32_t>(text->size()));
    bytes += key;
    bytes += *text;
  }
  const uint64_t length = bytes.size() - kHeaderBytes;
  const uint64_t sum = XXH3_64bits(bytes.data() + kHeaderBytes, length);
  std::memcpy(bytes.data() + kHeaderBytes - 16, &length, sizeof length);
  std::memcpy(bytes.data() + kHeaderBytes - 8, &sum, sizeof sum);
  return bytes;
}

tl::expected<CacheContents, std::string> decode_cache(std::string_view bytes) {
  if (!bytes.starts_with(kMagic)) {
    return tl::make_unexpected(std::string("is no registry cache of weft's"));
  }
  Reader reader(bytes.substr(kMagic.size()));
  uint32_t version = 0;
  uint32_t zero = 0;
  uint64_t length = 0;
  uint64_t sum = 0;
  if (!reader.take(version)) {
    return damaged("it ends in its header");
  }
  if (version != kCacheVersion) {
    return tl::make_unexpected("is of version " + std::to_string(version) + ", and this weft reads version " +
                               std::to_string(kCacheVersion));
  }
  if (!reader.take(zero) || !reader.take(length) || !reader.take(sum)) {
    return damaged("it ends in its header");
  }
  if (zero != 0) {
    return damaged("its header is not as it should be");
  }
  if (length != reader.left()) {
    return damaged("it has " + std::to_string(bytes.size()) + " bytes, and says that it has " +
                   std::to_string(length + kHeaderBytes));
  }
  const std::string_view body = bytes.substr(kHeaderBytes);
  if (XXH3_64bits(body.data(), body.size()) != sum) {
    return damaged("its checksum is not that of its content");
  }
  return decode_body(body);
}

tl::expected<void, std::string> write_cache(const std::filesystem::path& path, std::string_view bytes) {
  assert(bytes.size() <= kMaxCacheBytes);
  const std::filesystem::path folder = path.has_parent_path() ? path.parent_path() : ".";
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) {
    return tl::make_unexpected("can't create " + in_quotes(folder.native()) + ": " + error.message());
  }
  std::filesystem::path temporary = path;
  temporary += ".new";
  tl::expected<void, std::string> done = write_new(temporary, bytes);
  if (done && rename(temporary.c_str(), path.c_str()) != 0) {
    done = failed_to("rename to", path);
  }
  if (!done) {
    unlink(temporary.c_str());
    return done;
  }
  // The name is the folder's content: without this it may be lost though the file is not.
  const OpenFile opened(open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (opened.fd() < 0 || fsync(opened.fd()) != 0) {
    return failed_to("write folder", folder);
  }
  return {};
}

tl::expected<std::optional<CacheContents>, std::string> read_cache(const std::filesystem::path& path) {
  const OpenFile file(open(path.c_str(), O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC));
  if (file.fd() < 0 && errno == ENOENT) {
    return std::nullopt;
  }
  struct stat info {};
  if (file.fd() < 0 || fstat(file.fd(), &info) != 0) {
    return failed_to("read", path);
  }
  if (!S_ISREG(info.st_mode)) {
    return tl::make_unexpected(in_quotes(path.native()) + " is no file");
  }
  if (info.st_uid != geteuid() || (info.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
    return tl::make_unexpected(in_quotes(path.native()) +
                               " may be written by others: expected it to be weftd's own, and no one else's to write");
  }
  const auto size = static_cast<size_t>(info.st_size);
  if (size > kMaxCacheBytes) {
    return tl::make_unexpected(in_quotes(path.native()) + " has " + std::to_string(size) + " bytes, and may have " +
                               std::to_string(kMaxCacheBytes));
  }
  std::string bytes(size, '\0');
  for (size_t done = 0; done < size;) {
    const ssize_t count = read(file.fd(), bytes.data() + done, size - done);
    if (count < 0 && errno == EINTR) {
      continue;
    }
    if (count < 0) {
      return failed_to("read", path);
    }
    if (count == 0) {
      bytes.resize(done);
      break;
    }
    done += static_cast<size_t>(count);
  }
  tl::expected<CacheContents, std::string> contents = decode_cache(bytes);
  if (!contents) {
    return tl::make_unexpected(in_quotes(path.native()) + " " + contents.error());
  }
  return std::optional(std::move(*contents));
}

}  // namespace weft::registry
