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
constexpr Millis kAgain{20};  // until another try to be taken, of a node that has many waiting
constexpr size_t kMostAnswer = size_t{256} << 20;

int millis_until(Clock::time_point deadline) {
  return static_cast<int>(std::max<int64_t>(0, std::chrono::ceil<Millis>(deadline - Clock::now()).count()));
}

enum class Waited : uint8_t { ready, late, interrupted };

/// @param fd -1: only for the time
Waited wait_for(int fd, int16_t events, int interrupt, Clock::time_point deadline) {
  for (;;) {
    std::array<pollfd, 2> ready = {
        {{.fd = fd, .events = events, .revents = 0}, {.fd = interrupt, .events = POLLIN, .revents = 0}}};
    const int count = poll(ready.data(), ready.size(), millis_until(deadline));
    if (count > 0) {
      return ready[1].revents != 0 ? Waited::interrupted : Waited::ready;
    }
    if (count == 0 || errno != EINTR) {
      return Waited::late;
    }
  }
}

AskFailure interruption() {
  return {.unreachable = false, .interrupted = true, .message = "interrupted"};
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
  if (fd < 0) {
    return failed(fd, std::strerror(errno));
  }
  const auto deadline = Clock::now() + kPatience;
  while (connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    const int error = errno;
    if ((error != EAGAIN && error != EINTR) || Clock::now() >= deadline) {
      return failed(fd, std::strerror(error));
    }
    if (wait_for(-1, 0, interrupt_, std::min(deadline, Clock::now() + kAgain)) == Waited::interrupted) {
      close(fd);
      return tl::make_unexpected(interruption());
    }
  }
  const std::string text = "json " + line + "\n";
  for (size_t sent = 0; sent < text.size();) {
    const ssize_t count = send(fd, text.data() + sent, text.size() - sent, MSG_NOSIGNAL);
    if (count > 0) {
      sent += static_cast<size_t>(count);
      continue;
    }
    if (errno != EAGAIN && errno != EINTR) {
      return failed(fd, std::strerror(errno));
    }
    const Waited waited = wait_for(fd, POLLOUT, interrupt_, deadline);
    if (waited == Waited::late) {
      return failed(fd, "it takes no command");
    }
    if (waited == Waited::interrupted) {
      close(fd);
      return tl::make_unexpected(interruption());
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
  Waited waited = Waited::ready;
  while (!whole && text.size() < kMostAnswer) {
    waited = wait_for(*fd, POLLIN, interrupt_, deadline);
    if (waited != Waited::ready) {
      break;
    }
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
  if (waited == Waited::interrupted) {
    return tl::make_unexpected(interruption());
  }
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
