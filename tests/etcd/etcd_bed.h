// SPDX-License-Identifier: Apache-2.0
/// @file Real members of etcd on loopback, which end with the test. For test programs in a network namespace of their
/// own.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <filesystem>
#include <string>
#include <vector>

namespace weft {

class EtcdBed {
 public:
  /// Starts them, and waits until they serve.
  /// @param arguments more of them, for each member
  /// @param scheme of the clients' URLs
  explicit EtcdBed(size_t members, std::vector<std::string> arguments = {}, std::string scheme = "http");
  ~EtcdBed();
  EtcdBed(const EtcdBed&) = delete;
  EtcdBed& operator=(const EtcdBed&) = delete;

  std::string url(size_t member) const;
  std::vector<std::string> urls() const;
  /// Of other ports of the members, which cut_off() can take away.
  std::vector<std::string> fragile_urls() const;
  /// Breaks connections to fragile_urls(), and refuses new ones, until told otherwise.
  void cut_off(bool cut);
  size_t size() const { return pids_.size(); }
  size_t index_of(const std::string& url) const;

  void kill(size_t member);
  void start(size_t member);
  void pause(size_t member);  ///< once it stands still
  void resume(size_t member);
  bool runs(size_t member) const { return pids_[member] > 0; }
  /// Runs etcdctl against member 0; its exit status.
  int ctl(const std::string& arguments) const;

  const std::filesystem::path& folder() const { return folder_; }

 private:
  std::filesystem::path folder_;
  std::vector<std::string> arguments_;
  std::string scheme_;
  std::vector<pid_t> pids_;
};

/// Is it so within half a minute? Asks again every few milliseconds.
template <class Condition>
bool comes_true(Condition condition) {
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (std::chrono::steady_clock::now() < until) {
    if (condition()) {
      return true;
    }
    timespec pause{.tv_sec = 0, .tv_nsec = 5'000'000};
    nanosleep(&pause, nullptr);
  }
  return false;
}

}  // namespace weft
