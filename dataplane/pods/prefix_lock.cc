// SPDX-License-Identifier: Apache-2.0
#include "pods/prefix_lock.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <cstddef>
#include <cstring>

namespace weft::pods {

tl::expected<Fd, std::string> lock_prefix(const std::string& prefix) {
  Fd lock(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  const std::string name = "weft prefix " + prefix;
  sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};  // its first byte is 0: abstract
  name.copy(address.sun_path + 1, sizeof address.sun_path - 1);
  const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
  if (lock && bind(lock.get(), reinterpret_cast<const sockaddr*>(&address), length) == 0) {
    return lock;
  }
  if (lock && errno == EADDRINUSE) {
    return tl::unexpected("another weftd has interfaces with the prefix `" + prefix +
                          "` here: stop it first, or give each its own pods.prefix");
  }
  return tl::unexpected("cannot lock the prefix `" + prefix + "`: " + std::strerror(errno));
}

}  // namespace weft::pods
