// SPDX-License-Identifier: Apache-2.0
/// @file Tells that a folder's content may have changed, and how long to wait before looking at it.
///
/// inotify on the folder itself sees files written and closed, moved in and out (as editors and Kubernetes' ConfigMap
/// mounts do: those rename a link called `..data`), created, deleted and given other rights. It does not see a write to
/// a file that a link in the folder points to. When the folder itself is deleted, moved or replaced, refresh() finds
/// the one that is at the path now; call it about once a second.
///
/// The thread that owns it; fd() may be polled along with others.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <filesystem>
#include <optional>
#include <string>
#include <tl/expected.hpp>

namespace weft::registry {

class FolderWatch {
 public:
  /// A folder that is not there is no error: refresh() finds it once it is.
  static tl::expected<FolderWatch, std::string> open(std::filesystem::path folder);
  FolderWatch(FolderWatch&& other) noexcept;
  FolderWatch& operator=(FolderWatch&&) = delete;
  ~FolderWatch();

  /// Readable when drain() will return true.
  int fd() const { return fd_; }
  /// Takes the pending events. Were there any?
  bool drain();
  /// Follows the path to the folder that is there now. Is it another one than before?
  bool refresh();

 private:
  FolderWatch(int fd, std::filesystem::path folder) : fd_(fd), folder_(std::move(folder)) {}

  int fd_;
  int watch_ = -1;  ///< -1 while there is no folder
  dev_t device_ = 0;
  ino_t inode_ = 0;
  std::filesystem::path folder_;
};

/// Waits for the end of a burst of changes: due 20 ms after the last, yet no later than 200 ms after the first.
class Debounce {
 public:
  using Time = std::chrono::steady_clock::time_point;
  static constexpr std::chrono::milliseconds kQuiet{20};
  static constexpr std::chrono::milliseconds kLongest{200};

  void note(Time now);
  /// When it is due, if anything was noted.
  std::optional<Time> deadline() const;
  /// Is it due? If so, it starts over.
  bool take(Time now);

 private:
  std::optional<Time> first_;
  Time last_{};
};

}  // namespace weft::registry
