// SPDX-License-Identifier: Apache-2.0
/// @file A node's runtime socket for those who play scenarios: one service, default/web, and of it nothing happens.
#pragma once

#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace weft::rehearsal {

/// A thread answers. It takes none of the process's signals.
class FakeNode {
 public:
  /// What is said instead of the usual; nothing: the usual; "": no answer ever.
  using Instead = std::function<std::optional<std::string>(const std::string& line)>;

  explicit FakeNode(
      Instead instead = [](const std::string&) { return std::nullopt; }, bool answers = true)
      : instead_(std::move(instead)) {
    char folder[] = "/tmp/weft-fake-node-XXXXXX";
    folder_ = mkdtemp(folder);
    sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
    socket().copy(address.sun_path, sizeof address.sun_path - 1);
    listener_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bind(listener_, reinterpret_cast<const sockaddr*>(&address), sizeof address);
    listen(listener_, answers ? 64 : 0);
    wake_ = eventfd(0, EFD_CLOEXEC);
    if (answers) {
      answer();
    }
  }
  ~FakeNode() {
    eventfd_write(wake_, 1);
    if (thread_.joinable()) {
      thread_.join();
    }
    for (const int fd : open_) {
      close(fd);
    }
    close(listener_);
    close(wake_);
    std::filesystem::remove_all(folder_);
  }
  FakeNode(const FakeNode&) = delete;
  FakeNode& operator=(const FakeNode&) = delete;

  /// Begins to; for who was made not to.
  void answer() {
    sigset_t all;
    sigset_t were;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &were);
    thread_ = std::thread([this] { serve(); });
    pthread_sigmask(SIG_SETMASK, &were, nullptr);
  }

  std::string socket() const { return folder_ + "/s"; }
  std::string folder() const { return folder_; }
  bool was_asked(const std::string& beginning) const {
    const std::lock_guard guard(mutex_);
    return std::any_of(asked_.begin(), asked_.end(),
                       [&](const std::string& line) { return line.starts_with(beginning); });
  }

 private:
  void serve() {
    for (;;) {
      pollfd ready[] = {{.fd = wake_, .events = POLLIN, .revents = 0},
                        {.fd = listener_, .events = POLLIN, .revents = 0}};
      if (poll(ready, 2, -1) < 0 || ready[0].revents != 0) {
        return;
      }
      const int fd = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
      std::string line;
      char c = 0;
      while (recv(fd, &c, 1, 0) == 1 && c != '\n') {
        line += c;
      }
      line = line.substr(std::min(line.size(), std::string("json ").size()));
      {
        const std::lock_guard guard(mutex_);
        asked_.push_back(line);
      }
      const std::string text = instead_(line).value_or(usual(line));
      send(fd, text.data(), text.size(), MSG_NOSIGNAL);
      if (text.empty() || line == "access") {
        open_.push_back(fd);
      } else {
        close(fd);
      }
    }
  }

  static std::string usual(const std::string& line) {
    return line == "access"                                                    ? "{\"following\":\"requests\"}\n"
           : line == "show services"                                           ? R"([{"service":"default/web"}])"
           : line.starts_with("fault start") || line.starts_with("fault stop") ? "{}"
                                                                               : "[]";
  }

  Instead instead_;
  std::string folder_;
  int listener_ = -1;
  int wake_ = -1;
  std::vector<int> open_;
  std::vector<std::string> asked_;
  mutable std::mutex mutex_;
  std::thread thread_;
};

}  // namespace weft::rehearsal
