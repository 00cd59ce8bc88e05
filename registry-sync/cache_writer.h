// SPDX-License-Identifier: Apache-2.0
/// @file Keeps a cache file up to date from a thread of its own: nobody who tells it of a change waits for the disk.
///
/// What changes within a pause is written at once, so the disk is asked once a pause at most however much changes.
/// What it was told last is on disk a pause later, or when it is destroyed. A write that fails is tried again after a
/// pause, each time a longer one, and said in state().
///
/// All members may be called from any thread. Memory: the documents' texts are shared with whoever has them; a whole
/// file's worth for the time of a write.
#pragma once

#include <condition_variable>
#include <mutex>
#include <thread>

#include "registry-sync/cache_file.h"

namespace weft::registry {

class CacheWriter {
 public:
  struct Options {
    std::filesystem::path path;
    std::string source;  ///< see CacheContents
    std::chrono::milliseconds pause{5000};
    std::map<std::string, CachedText> documents = {};  ///< what is known to be in the file
  };

  /// By key; null: it is gone.
  using Changes = std::map<std::string, CachedText>;

  struct State {
    uint64_t writes = 0;
    uint64_t failures = 0;
    std::string last_error;  ///< empty if the last write was good
    size_t documents = 0;    ///< in the file
    size_t bytes = 0;        ///< of the file
    std::chrono::system_clock::time_point saved{};
  };

  explicit CacheWriter(Options options);
  ~CacheWriter();
  CacheWriter(const CacheWriter&) = delete;
  CacheWriter& operator=(const CacheWriter&) = delete;

  /// @param revision of the source, with these changes. Documents and keys beyond what a file takes are left out.
  void change(Changes changes, int64_t revision);
  /// Makes these all the documents there are.
  void replace(Changes documents, int64_t revision);
  State state() const;

 private:
  void run(const std::stop_token& stop);
  void write();

  const std::filesystem::path path_;
  const std::chrono::milliseconds pause_;
  std::chrono::milliseconds next_pause_;  ///< the thread alone
  CacheContents contents_;                ///< the thread alone

  mutable std::mutex mutex_;
  std::condition_variable_any told_;
  Changes pending_;         ///< under mutex_
  bool anew_ = false;       ///< under mutex_: pending_ is all there is
  bool unwritten_ = false;  ///< under mutex_
  int64_t revision_ = 0;    ///< under mutex_
  State state_;             ///< under mutex_
  std::jthread thread_;     ///< last: it uses all of the above
};

}  // namespace weft::registry
