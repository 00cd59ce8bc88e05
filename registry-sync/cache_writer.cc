// SPDX-License-Identifier: Apache-2.0
#include "registry-sync/cache_writer.h"

#include <pthread.h>

#include <algorithm>
#include <utility>

#include "registry-sync/diagnostic.h"

namespace weft::registry {
namespace {

/// In pauses: what a disk that fails is left alone for.
constexpr int kLongestBackoff = 12;

tl::unexpected<std::string> too_large(const std::filesystem::path& path, size_t bytes) {
  return tl::make_unexpected(in_quotes(path.native()) + " would have " + std::to_string(bytes) +
                             " bytes, and may have " + std::to_string(kMaxCacheBytes));
}

}  // namespace

CacheWriter::CacheWriter(Options options)
    : path_(std::move(options.path)), pause_(options.pause), next_pause_(options.pause) {
  contents_.source = options.source.substr(0, kMaxCacheSource);
  contents_.documents = std::move(options.documents);
  thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
}

CacheWriter::~CacheWriter() {
  thread_.request_stop();
  thread_.join();
}

void CacheWriter::change(Changes changes, int64_t revision) {
  {
    const std::lock_guard lock(mutex_);
    for (auto& [key, text] : changes) {
      pending_[key] = std::move(text);
    }
    revision_ = revision;
    unwritten_ = true;
  }
  told_.notify_one();
}

void CacheWriter::replace(Changes documents, int64_t revision) {
  {
    const std::lock_guard lock(mutex_);
    pending_ = std::move(documents);
    anew_ = true;
    revision_ = revision;
    unwritten_ = true;
  }
  told_.notify_one();
}

CacheWriter::State CacheWriter::state() const {
  const std::lock_guard lock(mutex_);
  return state_;
}

void CacheWriter::run(const std::stop_token& stop) {
  pthread_setname_np(pthread_self(), "weft-cache");
  while (!stop.stop_requested()) {
    {
      std::unique_lock lock(mutex_);
      told_.wait(lock, stop, [&] { return unwritten_; });
    }
    write();
    std::unique_lock lock(mutex_);
    told_.wait_for(lock, stop, next_pause_, [] { return false; });
  }
  write();
}

void CacheWriter::write() {
  Changes changes;
  bool anew = false;
  {
    const std::lock_guard lock(mutex_);
    if (!unwritten_) {
      return;
    }
    changes.swap(pending_);
    anew = std::exchange(anew_, false);
    unwritten_ = false;
    contents_.revision = revision_;
  }
  if (anew) {
    contents_.documents.clear();
  }
  for (auto& [key, text] : changes) {
    if (text == nullptr || key.size() > kMaxCacheKey || text->size() > kMaxCacheText) {
      contents_.documents.erase(key);
    } else {
      contents_.documents[key] = std::move(text);
    }
  }
  contents_.saved = std::chrono::system_clock::now();
  const size_t bytes = encoded_bytes(contents_);
  const tl::expected<void, std::string> done =
      bytes <= kMaxCacheBytes ? write_cache(path_, encode_cache(contents_)) : too_large(path_, bytes);
  const std::lock_guard lock(mutex_);
  next_pause_ = done ? pause_ : std::max(pause_, std::min(next_pause_ * 2, pause_ * kLongestBackoff));
  if (done) {
    ++state_.writes;
    state_.last_error.clear();
    state_.documents = contents_.documents.size();
    state_.bytes = bytes;
    state_.saved = contents_.saved;
  } else {
    ++state_.failures;
    state_.last_error = done.error();
    unwritten_ = true;
  }
}

}  // namespace weft::registry
