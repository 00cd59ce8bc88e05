// SPDX-License-Identifier: Apache-2.0
#include "ops/access_log.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <condition_variable>
#include <cstring>
#include <mutex>
#include <utility>

#include "ops/access_report.h"

namespace weft::ops {
namespace {

/// A ring of a worker's holds what it finishes in this time, at 400,000 requests a second.
constexpr std::chrono::milliseconds kPeriod(10);
constexpr std::chrono::seconds kLooksAtPath(1);
constexpr size_t kAWrite = size_t{64} << 10;  // bytes
constexpr mode_t kLogMode = 0640;

int open_log(const std::filesystem::path& path) {
  return open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, kLogMode);
}

}  // namespace

tl::expected<std::unique_ptr<AccessLog>, std::string> AccessLog::start(node::Node& node,
                                                                       const std::filesystem::path& path) {
  const int fd = open_log(path);
  if (fd < 0) {
    return tl::unexpected(fmt::format("http.access_log: cannot open {}: {}", path.string(), std::strerror(errno)));
  }
  std::unique_ptr<AccessLog> log(new AccessLog(node, path, fd));
  if (auto added = node.watchers().add(log->access_); !added) {
    return tl::unexpected("http.access_log: " + added.error());
  }
  log->thread_ = std::jthread([self = log.get()](const std::stop_token& stop) { self->run(stop); });
  return log;
}

AccessLog::AccessLog(node::Node& node, std::filesystem::path path, int fd)
    : node_(node),
      path_(std::move(path)),
      access_(std::make_shared<runtime::Access>(static_cast<uint32_t>(node.workers().size()), runtime::AccessFilter{})),
      fd_(fd) {}

AccessLog::~AccessLog() {
  node_.watchers().remove(access_);
  if (thread_.joinable()) {
    thread_.request_stop();
    thread_.join();
  }
  close(fd_);
}

void AccessLog::run(const std::stop_token& stop) {
  std::mutex mutex;
  std::condition_variable_any sleeps;
  auto looked = std::chrono::steady_clock::now();
  for (bool is_over = false; !is_over;) {
    is_over = stop.stop_requested();  // and once more, for what came before
    bool is_behind = true;
    while (is_behind) {
      is_behind = write_some();
      if (const auto now = std::chrono::steady_clock::now(); now - looked > kLooksAtPath) {
        looked = now;
        follow_path();
      }
    }
    std::unique_lock lock(mutex);
    sleeps.wait_for(lock, stop, kPeriod, [] { return false; });
  }
}

/// @returns whether there may be more
bool AccessLog::write_some() {
  const auto snapshot = node_.snapshots().current();
  std::string lines;
  proxy::AccessRecord record;
  while (lines.size() < kAWrite && access_->take(record)) {
    lines += as_line(as_json(record, node_.time_of_day(record.began), *snapshot));
  }
  if (const uint64_t missed = access_->missed(); missed > told_missed_) {
    lines += as_line({{"missed", missed - std::exchange(told_missed_, missed)}});
  }
  write(lines);
  return lines.size() >= kAWrite;
}

void AccessLog::write(const std::string& lines) {
  for (size_t at = 0; at < lines.size();) {
    const ssize_t count = ::write(fd_, lines.data() + at, lines.size() - at);
    if (count < 0 && errno == EINTR) {
      continue;
    }
    if (count < 0) {
      const std::string error = std::strerror(errno);
      if (error != std::exchange(error_, error)) {
        spdlog::error("http.access_log: requests are lost: cannot write to {}: {}", path_.string(), error);
      }
      return;
    }
    at += static_cast<size_t>(count);
    error_.clear();
  }
}

void AccessLog::follow_path() {
  struct stat there {};
  struct stat ours {};
  if (stat(path_.c_str(), &there) == 0 && fstat(fd_, &ours) == 0 && there.st_dev == ours.st_dev &&
      there.st_ino == ours.st_ino) {
    return;
  }
  if (const int fd = open_log(path_); fd >= 0) {
    close(std::exchange(fd_, fd));
  }
}

}  // namespace weft::ops
