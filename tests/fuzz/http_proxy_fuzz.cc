// SPDX-License-Identifier: Apache-2.0
/// @file Two clients and an endpoint say anything at any time, through the whole proxy: whatever comes of it, what one
/// of them says never comes to another in place of its own, and all is given back in the end.
#include <array>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "http_mesh.h"

namespace {

using namespace weft;
using namespace weft::proxy;

[[noreturn]] void broken() {
  __builtin_trap();
}

/// What is made anew for each input is most of what an input costs.
const tcp::Config kSmall{.connections = 64, .half_open = 64, .time_waits = 64, .pieces = 512, .ranges = 64};

class Bytes {
 public:
  Bytes(const uint8_t* data, size_t size) : left_(reinterpret_cast<const char*>(data), size) {}
  bool empty() const { return left_.empty(); }
  uint8_t byte() {
    if (left_.empty()) {
      return 0;
    }
    const auto first = static_cast<uint8_t>(left_[0]);
    left_.remove_prefix(1);
    return first;
  }
  std::string_view text(size_t size) {
    const std::string_view front = left_.substr(0, size);
    left_.remove_prefix(front.size());
    return front;
  }

 private:
  std::string_view left_;
};

constexpr std::array<std::string_view, 16> kPhrases = {
    "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
    "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
    "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
    "5\r\nhello\r\n",
    "0\r\n\r\n",
    "HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n",
    "HTTP/1.1 100 Continue\r\n\r\n",
    "HTTP/1.1 200 OK\r\n\r\n",  // to its connection's end
    "GET / HTTP/1.0\r\n\r\n",
    "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
    "\r\n",
    "HTTP/1.1 204 No Content\r\n\r\n",
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  HttpMesh mesh({.clients = 8, .exchanges = 8, .upstreams = 8}, kSmall, kSmall);
  // One of plain forwarding, and one of all that keeps something of an exchange.
  lb::HttpRule rule{.filters = {.response = {.set = {{"x-set", "1"}}}, .mirrors = {{.backend = backend(3).port}}},
                    .backends = {backend(1)},
                    .retry = lb::HttpRetry{.attempts = 2, .codes = {503}, .backoff = std::chrono::milliseconds(20)},
                    .session = lb::SessionPersistence{.name = "s"}};
  rule.backend_timeout = std::chrono::milliseconds(200);
  // With policies of access, which now and then deny all.
  const auto publish = [&](bool deny_all) {
    lb::AuthorizationRule denied;
    denied.to.push_back({.paths = {.is = {{lb::TextPattern::Kind::prefix, deny_all ? "/" : "/5"}}, .is_not = {}}});
    const std::vector<lb::AuthorizationRules> policies = {{.name = "default/deny", .deny = true, .rules = {denied}}};
    mesh.publish(
        {judging(http_service("default/web", 1, {1}), policies),
         judging(http_service("default/ruled", 2, {1}, {lb::AppProtocol::http, route_table({{"/", rule}})}), policies),
         http_service("default/mirror", 3, {2})});
  };
  publish(false);
  const auto connect = [&](size_t client) {
    return mesh.connect(lb::Address(lb::address_from_host(0x0a600001 + static_cast<uint32_t>(client))));
  };
  std::array<tcp::ConnectionId, 2> clients = {connect(0), connect(1)};
  Bytes bytes(data, size);
  for (int steps = 0; !bytes.empty() && steps < 64; ++steps) {
    const uint8_t what = bytes.byte();
    const uint8_t more = bytes.byte();
    const tcp::ConnectionId client = clients[more & 1];
    const tcp::ConnectionId endpoint =
        mesh.accepted.empty() ? tcp::ConnectionId() : mesh.accepted[more % mesh.accepted.size()].first;
    switch (what % 8) {
      case 0:
        mesh.say(client, bytes.text(more));
        break;
      case 1:
        mesh.say(client, kPhrases[more >> 1 & 15]);
        break;
      case 2:
        mesh.say(endpoint, bytes.text(more));
        break;
      case 3:
        mesh.say(endpoint, kPhrases[more >> 4 & 15]);
        break;
      case 4:
        mesh.outside.engine.shutdown(more & 2 ? client : endpoint);
        mesh.settle();
        break;
      case 5:
        mesh.outside.engine.abort(more & 2 ? client : endpoint);
        mesh.settle();
        clients[more & 1] = more & 2 ? connect(more & 1) : client;
        break;
      case 6:
        if (more >= 254) {
          publish(more == 255);
        }
        mesh.pass(std::chrono::milliseconds(more));
        break;
      default:
        mesh.heard();
        mesh.hear_client(client);
    }
  }
  for (const tcp::ConnectionId client : clients) {
    mesh.outside.engine.abort(client);
  }
  mesh.settle();
  for (const auto& [id, address] : mesh.accepted) {
    mesh.outside.engine.abort(id);
  }
  mesh.settle();
  mesh.pass(std::chrono::milliseconds(100));
  const HttpBooks books = mesh.books();
  if (books.clients != 0 || books.exchanges != 0 || books.upstreams != 0 || mesh.middle.engine.pieces() != 0 ||
      !mesh.middle.buffers.is_whole()) {
    broken();
  }
  return 0;
}
