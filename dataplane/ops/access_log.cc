// SPDX-License-Identifier: Apache-2.0
#include "ops/access_log.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <utility>

#include "ops/access_report.h"

namespace weft::ops {
namespace {

/// A ring of a worker's holds what it finishes in this time, at 400,000 requests a second.
constexpr std::chrono::milliseconds kPeriod(10);
constexpr std::chrono::seconds kLooksAtPath(1);
constexpr size_t kAWrite = size_t{64} << 10;  // bytes

}  // namespace

tl::expected<std::unique_ptr<AccessLog>, std::string> AccessLog::start(node::Node& node,
                                                                       std::unique_ptr<LogFile> file) {
  std::unique_ptr<AccessLog> log(new AccessLog(node, std::move(file)));
  if (auto added = node.watchers().add(log->access_); !added) {
    return tl::unexpected("http.access_log: " + added.error());
  }
  log->thread_ = std::jthread([self = log.get()](const std::stop_token& stop) { self->run(stop); });
  return log;
}

AccessLog::AccessLog(node::Node& node, std::unique_ptr<LogFile> file)
    : node_(node),
      file_(std::move(file)),
      access_(
          std::make_shared<runtime::Access>(static_cast<uint32_t>(node.workers().size()), runtime::AccessFilter{})) {}

AccessLog::~AccessLog() {
  node_.watchers().remove(access_);
  if (thread_.joinable()) {
    thread_.request_stop();
    thread_.join();
  }
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
        file_->follow_path();
        say_error();
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
  size_t requests = 0;
  proxy::AccessRecord record;
  while (lines.size() < kAWrite && access_->take(record)) {
    lines += as_line(as_json(record, node_.time_of_day(record.began), *snapshot));
    ++requests;
  }
  const bool is_behind = lines.size() >= kAWrite;
  const uint64_t missed = access_->missed() + node_.records_missed() - missed_before_ + unwritten_;
  if (missed > told_missed_) {
    lines += as_line({{"missed", missed - told_missed_}});
  }
  const size_t written = file_->write(lines);
  unwritten_ += requests - std::min(requests, written);
  told_missed_ = written > requests ? missed : told_missed_;
  say_error();
  return is_behind;
}

void AccessLog::say_error() {
  if (const std::string& error = file_->error(); error != error_) {
    error_ = error;
    error_.empty() ? spdlog::info("http.access_log: {} is written again", file_->path().string())
                   : spdlog::error("http.access_log: {}", error_);
  }
}

}  // namespace weft::ops
