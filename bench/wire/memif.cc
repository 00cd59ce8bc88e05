// SPDX-License-Identifier: Apache-2.0
#include "memif.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace weft::bench {
namespace {

constexpr uint32_t kCookie = 0x3e31f20;
constexpr uint16_t kVersion = 2 << 8;
constexpr uint16_t kPolled = 1;  // a ring's flag: its reader wants no wake-ups
constexpr uint8_t kLargestRing = 14;
constexpr uint16_t kRegions = 8;

enum Type : uint16_t { ack = 1, hello, init, add_region_, add_ring_, connect_, connected, disconnect };

std::string failure(const char* what) {
  return fmt::format("memif: {}: {}", what, std::strerror(errno));
}

bool readable(int file, std::chrono::milliseconds patience) {
  pollfd poll{.fd = file, .events = POLLIN, .revents = 0};
  return ::poll(&poll, 1, static_cast<int>(patience.count())) == 1;
}

}  // namespace

/// What the control socket carries: 128 bytes, and a file beside some.
struct [[gnu::packed]] MemifServer::Message {
  struct [[gnu::packed]] Hello {
    uint8_t name[32];
    uint16_t lowest_version;
    uint16_t highest_version;
    uint16_t last_region;
    uint16_t last_ring_to_client;
    uint16_t last_ring_from_client;
    uint8_t largest_ring;  // log2
  };
  struct [[gnu::packed]] AddRegion {
    uint16_t index;
    uint64_t size;
  };
  struct [[gnu::packed]] AddRing {
    uint16_t from_client;
    uint16_t index;
    uint16_t region;
    uint32_t offset;
    uint8_t size;  // log2
    uint16_t private_header;
  };
  struct [[gnu::packed]] Disconnect {
    uint32_t code;
    char reason[96];
  };

  uint16_t type;
  union {
    Hello hello;
    AddRegion region;
    AddRing ring;
    Disconnect disconnect;
    uint8_t padding[126];
  };
};

tl::expected<std::unique_ptr<MemifServer>, std::string> MemifServer::accept(const std::string& path,
                                                                            std::chrono::milliseconds patience) {
  static_assert(sizeof(Message) == 128);
  std::unique_ptr<MemifServer> server(new MemifServer);
  return server->listen(path, patience).and_then([&] { return server->handshake(patience); }).map([&] {
    return std::move(server);
  });
}

MemifServer::~MemifServer() {
  for (const Region& region : regions_) {
    munmap(region.bytes, region.size);
  }
  if (socket_ >= 0) {
    close(socket_);
  }
}

tl::expected<void, std::string> MemifServer::listen(const std::string& path, std::chrono::milliseconds patience) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) {
    return tl::unexpected(fmt::format("memif: the socket's path is too long: {}", path));
  }
  std::memcpy(address.sun_path, path.c_str(), path.size());
  const int listening = ::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
  if (listening < 0 || bind(listening, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      ::listen(listening, 1) != 0) {
    return tl::unexpected(failure("cannot listen"));
  }
  if (readable(listening, patience)) {
    socket_ = ::accept4(listening, nullptr, nullptr, SOCK_CLOEXEC);
  }
  close(listening);
  return socket_ >= 0 ? tl::expected<void, std::string>() : tl::unexpected<std::string>("memif: no client came");
}

void MemifServer::answer(uint16_t type) const {
  Message message{};
  message.type = type;
  if (type == hello) {
    message.hello = {.name = "weft generator",
                     .lowest_version = kVersion,
                     .highest_version = kVersion,
                     .last_region = kRegions - 1,
                     .last_ring_to_client = 0,
                     .last_ring_from_client = 0,
                     .largest_ring = kLargestRing};
  }
  ::send(socket_, &message, sizeof message, MSG_NOSIGNAL);  // a client that is gone shows at the next receive
}

tl::expected<void, std::string> MemifServer::handshake(std::chrono::milliseconds patience) {
  answer(hello);
  while (readable(socket_, patience)) {
    Message message{};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int)) + CMSG_SPACE(sizeof(ucred))];
    iovec bytes{&message, sizeof message};
    msghdr header{};
    header.msg_iov = &bytes;
    header.msg_iovlen = 1;
    header.msg_control = control;
    header.msg_controllen = sizeof control;
    if (recvmsg(socket_, &header, MSG_CMSG_CLOEXEC) != sizeof message) {
      return tl::unexpected<std::string>("memif: the client hung up");
    }
    int file = -1;
    for (cmsghdr* each = CMSG_FIRSTHDR(&header); each != nullptr; each = CMSG_NXTHDR(&header, each)) {
      if (each->cmsg_level == SOL_SOCKET && each->cmsg_type == SCM_RIGHTS) {
        std::memcpy(&file, CMSG_DATA(each), sizeof file);
      }
    }
    tl::expected<void, std::string> done;
    switch (message.type) {
      case ack:
        continue;
      case init:
        break;
      case add_region_:
        done = add_region(message, file);
        break;
      case add_ring_:
        done = add_ring(message);
        break;
      case connect_:
        if (to_client_.ring == nullptr || from_client_.ring == nullptr) {
          return tl::unexpected<std::string>("memif: the client has no ring for each direction");
        }
        answer(connected);
        return {};
      default:
        return tl::unexpected(message.type == disconnect
                                  ? fmt::format("memif: the client left: {:.96}", message.disconnect.reason)
                                  : fmt::format("memif: unexpected message {}", uint16_t{message.type}));
    }
    if (file >= 0) {
      close(file);  // a region is mapped now; a ring's wake-ups are not wanted
    }
    if (!done) {
      return done;
    }
    answer(ack);
  }
  return tl::unexpected<std::string>("memif: the client fell silent");
}

tl::expected<void, std::string> MemifServer::add_region(const Message& message, int file) {
  if (message.region.index != regions_.size() || regions_.size() == kRegions) {
    return tl::unexpected<std::string>("memif: regions out of order");
  }
  void* bytes = mmap(nullptr, message.region.size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, file, 0);
  if (bytes == MAP_FAILED) {
    return tl::unexpected(failure("cannot map the client's memory"));
  }
  regions_.push_back({static_cast<std::byte*>(bytes), message.region.size});
  return {};
}

tl::expected<void, std::string> MemifServer::add_ring(const Message& message) {
  const uint64_t size = sizeof(Ring) + (sizeof(Descriptor) << std::min(message.ring.size, kLargestRing));
  if (message.ring.index != 0 || message.ring.size > kLargestRing || message.ring.region >= regions_.size() ||
      message.ring.offset % alignof(Ring) != 0 || message.ring.offset + size > regions_[message.ring.region].size) {
    return tl::unexpected<std::string>("memif: a ring that is not in the client's memory, or a second one");
  }
  Queue& queue = message.ring.from_client != 0 ? from_client_ : to_client_;
  queue.ring = reinterpret_cast<Ring*>(regions_[message.ring.region].bytes + message.ring.offset);
  queue.mask = static_cast<uint16_t>((1U << message.ring.size) - 1);
  if (queue.ring->cookie != kCookie) {
    return tl::unexpected<std::string>("memif: not a ring");
  }
  if (message.ring.from_client != 0) {
    queue.ring->flags = kPolled;
  }
  return {};
}

bool MemifServer::gone() const {
  return readable(socket_, std::chrono::milliseconds(0));  // a connected client has nothing to say but good-bye
}

void MemifServer::misbehaved() {
  std::fputs("memif: a buffer that is not in the client's memory\n", stderr);
  std::exit(1);
}

}  // namespace weft::bench
