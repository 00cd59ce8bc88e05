// SPDX-License-Identifier: Apache-2.0
#include "registry-sync/folder_watch.h"

#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

namespace weft::registry {
namespace {

constexpr uint32_t kEvents = IN_CLOSE_WRITE | IN_MOVED_FROM | IN_MOVED_TO | IN_CREATE | IN_DELETE | IN_ATTRIB |
                             IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR;

}  // namespace

tl::expected<FolderWatch, std::string> FolderWatch::open(std::filesystem::path folder) {
  const int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
  if (fd < 0) {
    return tl::make_unexpected("can't watch folders: " + std::string(std::strerror(errno)) +
                               "; see sysctl fs.inotify.max_user_instances");
  }
  FolderWatch watch(fd, std::move(folder));
  errno = 0;
  if (!watch.refresh() && errno != ENOENT) {
    return tl::make_unexpected("can't watch folder " + watch.folder_.native() + ": " +
                               std::string(std::strerror(errno)) + "; see sysctl fs.inotify.max_user_watches");
  }
  return watch;
}

FolderWatch::FolderWatch(FolderWatch&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)),
      watch_(other.watch_),
      device_(other.device_),
      inode_(other.inode_),
      folder_(std::move(other.folder_)) {}

FolderWatch::~FolderWatch() {
  if (fd_ >= 0) {
    close(fd_);
  }
}

bool FolderWatch::drain() {
  alignas(inotify_event) std::array<char, 16384> buffer;
  bool any = false;
  ssize_t size = 0;
  while ((size = read(fd_, buffer.data(), buffer.size())) > 0) {
    any = true;
    for (size_t offset = 0; offset < static_cast<size_t>(size);) {
      inotify_event event{};
      std::memcpy(&event, buffer.data() + offset, sizeof event);
      offset += sizeof event + event.len;
      // The kernel removed the watch: the folder was deleted or unmounted.
      if ((event.mask & IN_IGNORED) != 0 && event.wd == watch_) {
        watch_ = -1;
      }
    }
  }
  return any;
}

bool FolderWatch::refresh() {
  struct stat status {};
  const bool present = stat(folder_.c_str(), &status) == 0;
  if (watch_ >= 0 && present && status.st_dev == device_ && status.st_ino == inode_) {
    return false;
  }
  const bool was_watching = watch_ >= 0;
  if (was_watching) {
    inotify_rm_watch(fd_, watch_);
  }
  watch_ = present ? inotify_add_watch(fd_, folder_.c_str(), kEvents) : -1;
  device_ = status.st_dev;
  inode_ = status.st_ino;
  return was_watching || watch_ >= 0;
}

void Debounce::note(Time now) {
  first_ = first_.value_or(now);
  last_ = now;
}

std::optional<Debounce::Time> Debounce::deadline() const {
  if (!first_) {
    return std::nullopt;
  }
  return std::min(last_ + kQuiet, *first_ + kLongest);
}

bool Debounce::take(Time now) {
  if (!first_ || now < *deadline()) {
    return false;
  }
  first_.reset();
  return true;
}

}  // namespace weft::registry
