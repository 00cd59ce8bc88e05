// SPDX-License-Identifier: Apache-2.0
#include "rehearsal/node_client.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

namespace weft::rehearsal {
namespace {

using Clock = std::chrono::steady_clock;

constexpr Millis kPatience{10'000};
constexpr size_t kMostAnswer = size_t{256} << 20;

int millis_until(Clock::time_point deadline) {
  return static_cast<int>(std::max<int64_t>(0, std::chrono::ceil<Millis>(deadline - Clock::now()).count()));
}

}  // namespace

tl::expected<int, AskFailure> NodeClient::say(const std::string& line) const {
  const auto failed = [&](int fd, const std::string& why) {
    if (fd >= 0) {
      close(fd);
    }
    return tl::make_unexpected(AskFailure{
        .unreachable = true,
        .message = fmt::format("cannot reach weftd at {}: {}; is it running, and is this its socket (--socket)?",
                               socket_, why)});
  };
  sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
  if (socket_.size() >= sizeof address.sun_path) {
    return failed(-1, std::strerror(ENAMETOOLONG));
  }
  socket_.copy(address.sun_path, socket_.size());
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0 || connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    return failed(fd, std::strerror(errno));
  }
  const std::string text = "json " + line + "\n";
  const auto deadline = Clock::now() + kPatience;
  for (size_t sent = 0; sent < text.size();) {
    const ssize_t count = send(fd, text.data() + sent, text.size() - sent, MSG_NOSIGNAL);
    if (count > 0) {
      sent += static_cast<size_t>(count);
      continue;
    }
    pollfd writable{.fd = fd, .events = POLLOUT, .revents = 0};
    const bool again = count < 0 && (errno == EAGAIN || errno == EINTR);
    if (!again || Clock::now() >= deadline || poll(&writable, 1, millis_until(deadline)) < 0) {
      return failed(fd, again ? "it takes no command" : std::strerror(errno));
    }
  }
  shutdown(fd, SHUT_WR);
  return fd;
}

tl::expected<Json, AskFailure> NodeClient::ask(const std::string& line) const {
  const tl::expected<int, AskFailure> fd = say(line);
  if (!fd) {
    return tl::make_unexpected(fd.error());
  }
  std::string text;
  std::array<char, 65536> buffer;
  const auto deadline = Clock::now() + kPatience;
  bool whole = false;
  while (!whole && text.size() < kMostAnswer && Clock::now() < deadline) {
    pollfd readable{.fd = *fd, .events = POLLIN, .revents = 0};
    poll(&readable, 1, millis_until(deadline));
    const ssize_t count = recv(*fd, buffer.data(), buffer.size(), 0);
    if (count > 0) {
      text.append(buffer.data(), static_cast<size_t>(count));
    }
    whole = count == 0;
    if (count < 0 && errno != EAGAIN && errno != EINTR) {
      break;
    }
  }
  close(*fd);
  Json answer = Json::parse(text, nullptr, false);
  if (!whole || answer.is_discarded()) {
    return tl::make_unexpected(AskFailure{
        .unreachable = true, .message = fmt::format("weftd at {} gave no whole answer to {}", socket_, line)});
  }
  if (answer.is_object() && answer.contains("error") && answer["error"].is_string()) {
    return tl::make_unexpected(AskFailure{.unreachable = false, .message = answer["error"].get<std::string>()});
  }
  return answer;
}

tl::expected<int, AskFailure> NodeClient::follow(const std::string& line) const {
  return say(line);
}

}  // namespace weft::rehearsal
