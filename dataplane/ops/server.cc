// SPDX-License-Identifier: Apache-2.0
#include "ops/server.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <grp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include "ops/commands.h"

namespace weft::ops {
namespace {

constexpr size_t kMaxConnections = 64;
constexpr size_t kMaxPending = size_t{4} << 20;  // bytes of answers not read yet; beyond it no more lines are taken
constexpr std::chrono::milliseconds kStreamPeriod(5);
constexpr mode_t kMode = 0660;

std::string failure(std::string_view what, const std::string& path) {
  return fmt::format("cannot {} the runtime socket {}: {}", what, path, std::strerror(errno));
}

sockaddr_un address_of(const std::string& path) {
  sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  return address;
}

int open_socket() {
  return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
}

bool somebody_listens(const sockaddr_un& address) {
  const int fd = open_socket();
  const bool connected = connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 ||
                         errno == EAGAIN;  // its backlog is full
  close(fd);
  return connected;
}

void watch(int epoll, int fd, uint32_t events, int operation) {
  epoll_event event{.events = events, .data = {.fd = fd}};
  epoll_ctl(epoll, operation, fd, &event);
}

}  // namespace

tl::expected<std::unique_ptr<Server>, std::string> Server::listen(const std::string& path, Respond respond) {
  std::error_code error;
  std::filesystem::create_directories(std::filesystem::path(path).parent_path(), error);
  const sockaddr_un address = address_of(path);
  if (std::filesystem::is_socket(path, error)) {
    if (somebody_listens(address)) {
      return tl::unexpected(fmt::format(
          "the runtime socket {} is taken: another weftd runs; stop it, or set `socket` to another path", path));
    }
    unlink(path.c_str());
  }
  const int listener = open_socket();
  if (listener < 0 || bind(listener, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    const std::string message = failure("open", path);
    close(listener);
    return tl::unexpected(message);
  }
  // Nobody can connect before it listens, and it listens only once it is protected.
  const group* weft = getgrnam("weft");
  const int epoll = epoll_create1(EPOLL_CLOEXEC);
  if ((weft != nullptr && chown(path.c_str(), 0, weft->gr_gid) != 0) || chmod(path.c_str(), kMode) != 0 ||
      ::listen(listener, SOMAXCONN) != 0 || epoll < 0) {
    const std::string message = failure("protect", path);
    close(listener);
    close(epoll);
    unlink(path.c_str());
    return tl::unexpected(message);
  }
  watch(epoll, listener, EPOLLIN, EPOLL_CTL_ADD);
  return std::unique_ptr<Server>(new Server(path, std::move(respond), listener, epoll));
}

Server::Server(std::string path, Respond respond, int listener, int epoll)
    : path_(std::move(path)), respond_(std::move(respond)), listener_(listener), epoll_(epoll) {}

Server::~Server() {
  close_all();
  close(listener_);
  close(epoll_);
  unlink(path_.c_str());
}

void Server::close_all() {
  while (!connections_.empty()) {
    close_connection(connections_.begin()->first);
  }
}

void Server::also_watch(int fd, std::function<void()> ready) {
  watched_[fd] = std::move(ready);
  watch(epoll_, fd, EPOLLIN, EPOLL_CTL_ADD);
}

void Server::run(int stop_fd, const std::function<bool()>& is_over) {
  watch(epoll_, stop_fd, EPOLLIN, EPOLL_CTL_ADD);
  std::array<epoll_event, 16> events;
  for (bool is_told_to_stop = false; !is_told_to_stop && !(is_over && is_over());) {
    const int patience = any_stream() || is_over ? static_cast<int>(kStreamPeriod.count()) : -1;
    const int count = epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), patience);
    for (int i = 0; i < count; ++i) {
      const int fd = events[static_cast<size_t>(i)].data.fd;
      if (fd == stop_fd) {
        is_told_to_stop = true;
      } else if (fd == listener_) {
        accept_one();
      } else if (const auto watcher = watched_.find(fd); watcher != watched_.end()) {
        watcher->second();
      } else {
        serve(fd, events[static_cast<size_t>(i)].events);
      }
    }
    if (std::chrono::steady_clock::now() - went_on_ >= kStreamPeriod) {
      go_on();
    }
  }
  watch(epoll_, stop_fd, 0, EPOLL_CTL_DEL);
}

bool Server::any_stream() const {
  return std::any_of(connections_.begin(), connections_.end(),
                     [](const auto& connection) { return connection.second.stream != nullptr; });
}

void Server::go_on() {
  went_on_ = std::chrono::steady_clock::now();
  for (auto next = connections_.begin(); next != connections_.end();) {
    const int fd = next->first;
    Connection& connection = next->second;
    ++next;  // it may be closed
    if (connection.stream == nullptr) {
      continue;
    }
    if (connection.output.size() > kMaxPending) {
      connection.stream->keep_time();
      continue;
    }
    connection.last_used = ++uses_;
    connection.output += connection.stream->next();
    if (connection.stream->ended()) {
      connection.stream.reset();
    }
    settle(fd, connection);
  }
}

void Server::accept_one() {
  const int fd = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (fd < 0) {
    if ((errno == EMFILE || errno == ENFILE) && !connections_.empty()) {
      close_quietest();  // the listener stays readable: a descriptor has to come from somewhere
    }
    return;
  }
  if (connections_.size() == kMaxConnections) {
    close_quietest();
  }
  connections_[fd].last_used = ++uses_;
  watch(epoll_, fd, EPOLLIN, EPOLL_CTL_ADD);
}

void Server::serve(int fd, uint32_t events) {
  const auto found = connections_.find(fd);
  if (found == connections_.end()) {
    return;  // closed by an earlier event of this round
  }
  Connection& connection = found->second;
  connection.last_used = ++uses_;
  const bool nobody_listens = connection.stream != nullptr && (events & EPOLLHUP) != 0;
  if ((events & EPOLLERR) != 0 || nobody_listens ||
      ((events & (EPOLLIN | EPOLLHUP)) != 0 && !receive(fd, connection))) {
    close_connection(fd);
    return;
  }
  settle(fd, connection);
}

/// Answers what can be answered, sends what can be sent, and says what to wait for next.
void Server::settle(int fd, Connection& connection) {
  respond(connection);
  if (!send(fd, connection) || (connection.ended && connection.output.empty() && connection.stream == nullptr)) {
    close_connection(fd);
    return;
  }
  const bool enough =
      connection.output.size() > kMaxPending || (connection.stream != nullptr && connection.input.size() > kMaxLine);
  const uint32_t in = connection.ended || enough ? 0 : uint32_t{EPOLLIN};
  watch(epoll_, fd, in | (connection.output.empty() ? 0 : uint32_t{EPOLLOUT}), EPOLL_CTL_MOD);
}

/// @returns false if the connection is of no more use
bool Server::receive(int fd, Connection& connection) {
  std::array<char, kMaxLine> buffer;
  const ssize_t count = recv(fd, buffer.data(), buffer.size(), 0);
  if (count < 0) {
    return errno == EAGAIN || errno == EINTR;
  }
  connection.ended = connection.ended || count == 0;
  connection.input.append(buffer.data(), static_cast<size_t>(count));
  return true;
}

void Server::respond(Connection& connection) {
  size_t begin = 0;
  while (begin < connection.input.size() && connection.output.size() <= kMaxPending && connection.stream == nullptr) {
    size_t end = connection.input.find('\n', begin);
    if (end == std::string::npos && !connection.ended) {
      break;
    }
    end = std::min(end, connection.input.size());  // the last line may lack its end
    if (!connection.skipping) {
      answer_line(connection, std::string_view(connection.input).substr(begin, end - begin));
    }
    connection.skipping = false;
    begin = end + 1;
  }
  connection.input.erase(0, std::min(begin, connection.input.size()));
  if (connection.input.size() > kMaxLine && connection.output.size() <= kMaxPending &&
      connection.stream == nullptr) {  // and it has no end yet
    if (!connection.skipping) {
      answer_line(connection, connection.input);
    }
    connection.skipping = true;
    connection.input.clear();
  }
}

void Server::answer_line(Connection& connection, std::string_view line) {
  if (line.size() > kMaxLine) {
    connection.output += fmt::format("error: a line has at most {} characters\n", kMaxLine);
    return;
  }
  line = line.substr(0, line.find_last_not_of(" \t\r") + 1);
  if (!line.empty()) {
    Reply reply = respond_(line);
    connection.output += reply.text;
    connection.stream = std::move(reply.rest);
  }
}

/// @returns false if the connection is of no more use
bool Server::send(int fd, Connection& connection) {
  while (!connection.output.empty()) {
    const ssize_t count = ::send(fd, connection.output.data(), connection.output.size(), MSG_NOSIGNAL);
    if (count < 0) {
      return errno == EAGAIN || errno == EINTR;
    }
    connection.output.erase(0, static_cast<size_t>(count));
  }
  return true;
}

void Server::close_connection(int fd) {
  connections_.erase(fd);
  close(fd);
}

void Server::close_quietest() {
  const auto quietest = std::min_element(connections_.begin(), connections_.end(), [](const auto& a, const auto& b) {
    return a.second.last_used < b.second.last_used;
  });
  close_connection(quietest->first);
}

}  // namespace weft::ops
