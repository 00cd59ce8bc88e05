// SPDX-License-Identifier: Apache-2.0
/// @file The forwarder between rings and name servers on loopback, which are the test's own sockets.
#include "resolver/forwarder.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>
#include <set>

#include "dns_message.h"

namespace weft::resolver {
namespace {

using test::Bytes;
using test::dns_query;
using test::dns_text;

constexpr std::chrono::seconds kPatience(20);

/// A socket that waits as long as a slow machine may take, and no longer.
struct Socket {
  explicit Socket(int kind) : fd(socket(AF_INET, kind, 0)) {
    const timeval patience{.tv_sec = kPatience.count(), .tv_usec = 0};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    sockaddr_in own{};
    own.sin_family = AF_INET;
    own.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(bind(fd, reinterpret_cast<sockaddr*>(&own), sizeof own), 0);
    socklen_t length = sizeof own;
    getsockname(fd, reinterpret_cast<sockaddr*>(&own), &length);
    port = own.sin_port;
  }
  ~Socket() { close(fd); }
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;

  Server server() const { return {lb::Address(lb::address_from_host(INADDR_LOOPBACK)), lb::Port{port}}; }
  /// @param from whom it came from
  Bytes receive(sockaddr_in& from) const {
    Bytes message(2048);
    socklen_t length = sizeof from;
    const ssize_t size = recvfrom(fd, message.data(), message.size(), 0, reinterpret_cast<sockaddr*>(&from), &length);
    EXPECT_GT(size, 0) << "nothing came";
    message.resize(static_cast<size_t>(std::max<ssize_t>(size, 0)));
    return message;
  }
  void send(const Bytes& message, const sockaddr_in& to) const {
    sendto(fd, message.data(), message.size(), 0, reinterpret_cast<const sockaddr*>(&to), sizeof to);
  }

  int fd;
  uint16_t port = 0;  ///< network byte order
};

Bytes answered(Bytes query, uint8_t rcode = 0) {
  query[2] |= std::byte{0x80};
  query[3] = std::byte{rcode};
  return query;
}

class Forwarding : public ::testing::Test {
 protected:
  void start(const std::vector<Server>& servers, std::chrono::milliseconds timeout = kPatience, uint32_t pending = 64) {
    auto started = Forwarder::start({.servers = servers, .timeout = timeout, .pending = pending}, {&rings});
    ASSERT_TRUE(started) << started.error();
    forwarder = std::move(*started);
  }
  void ask(uint16_t id, const std::string& name = "example.com", dns::Transport transport = dns::Transport::udp,
           uint32_t client = 1) {
    lb::Tuple tuple;
    tuple.source = lb::Address(lb::address_from_host(client));
    ASSERT_TRUE(dns::put(rings.asks, {.tuple = tuple, .transport = transport, .most = 512, .session = id},
                         dns_query({.name = name, .id = id})));
  }
  /// The next answer for a client.
  Bytes answer(uint32_t* session = nullptr) {
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    std::span<const std::byte> written;
    while ((written = rings.answers.front()).empty() && std::chrono::steady_clock::now() < deadline) {
      std::this_thread::yield();
    }
    if (written.empty()) {
      ADD_FAILURE() << "no answer";
      return {};
    }
    dns::Ask told;
    const auto message = dns::take_apart(written, told);
    Bytes bytes(message.begin(), message.end());
    rings.answers.pop();
    if (session != nullptr) {
      *session = told.session;
    }
    return bytes;
  }

  dns::ForwardingRings rings;
  std::unique_ptr<Forwarder> forwarder;
};

TEST_F(Forwarding, EachQueryHasAnIdAndAPortOfItsOwn) {
  const Socket upstream(SOCK_DGRAM);
  start({upstream.server()});
  std::set<uint16_t> ports;
  std::set<std::pair<std::byte, std::byte>> ids;
  for (uint16_t i = 1; i <= 20; ++i) {
    ask(i, "wWw.Example.com");
    sockaddr_in from{};
    const Bytes query = upstream.receive(from);
    EXPECT_EQ(dns_text(query), "NOERROR rd ; wWw.Example.com. A? ; ; ;");
    ports.insert(from.sin_port);
    ids.emplace(query[0], query[1]);
    upstream.send(answered(query), from);
    uint32_t session = 0;
    const Bytes told = answer(&session);
    EXPECT_EQ(session, i);
    EXPECT_EQ(told, answered(dns_query({.name = "wWw.Example.com", .id = i})));
  }
  EXPECT_GT(ports.size(), 10U);
  EXPECT_GT(ids.size(), 15U);
  EXPECT_EQ(forwarder->counts().answered, 20U);
}

TEST_F(Forwarding, WhatAnswersAnotherQuestionIsDropped) {
  const Socket upstream(SOCK_DGRAM);
  start({upstream.server()});
  ask(7);
  sockaddr_in from{};
  const Bytes query = upstream.receive(from);
  Bytes forged = answered(query, 3);
  forged[0] ^= std::byte{1};
  upstream.send(forged, from);
  Bytes other = answered(dns_query({.name = "example.net"}), 3);
  other[0] = query[0];
  other[1] = query[1];
  upstream.send(other, from);
  upstream.send(query, from);
  upstream.send(answered(query), from);
  EXPECT_EQ(dns_text(answer()), "NOERROR qr rd ; example.com. A? ; ; ;");
  EXPECT_EQ(forwarder->counts().strange, 3U);
}

TEST_F(Forwarding, TheNextServerIsAskedAndRemembered) {
  const Socket silent(SOCK_DGRAM);
  const Socket upstream(SOCK_DGRAM);
  start({silent.server(), upstream.server()}, std::chrono::seconds(1));
  ask(1);
  sockaddr_in from{};
  const Bytes first = upstream.receive(from);
  upstream.send(answered(first), from);
  EXPECT_EQ(dns_text(answer()), "NOERROR qr rd ; example.com. A? ; ; ;");
  EXPECT_GE(forwarder->counts().timed_out, 1U);
}

TEST_F(Forwarding, AFailureIsPassedOnWhenAllHaveFailed) {
  const Socket one(SOCK_DGRAM);
  const Socket two(SOCK_DGRAM);
  start({one.server(), two.server()});
  ask(1);
  sockaddr_in from{};
  Bytes query = one.receive(from);
  one.send(answered(query, 2), from);
  query = two.receive(from);
  two.send(answered(query, 5), from);
  EXPECT_THAT(dns_text(answer()), testing::StartsWith("REFUSED qr"));
}

TEST_F(Forwarding, AServerThatFailsAtOneNameIsStillThePreferredOne) {
  const Socket one(SOCK_DGRAM);
  const Socket two(SOCK_DGRAM);
  start({one.server(), two.server()});
  for (uint16_t id = 1; id <= 5; ++id) {
    ask(id);
    sockaddr_in from{};
    Bytes query = one.receive(from);
    one.send(answered(query, 2), from);
    query = two.receive(from);
    two.send(answered(query), from);
    EXPECT_EQ(dns_text(answer()), "NOERROR qr rd ; example.com. A? ; ; ;");
  }
  EXPECT_EQ(forwarder->counts().failed, 5U);
}

TEST_F(Forwarding, WhoWasSilentIsAskedFirstAgainAfterSomeSeconds) {
  const Socket one(SOCK_DGRAM);
  const Socket two(SOCK_DGRAM);
  start({one.server(), two.server()}, std::chrono::milliseconds(300));
  sockaddr_in from{};
  for (uint16_t id = 1; id <= 3; ++id) {
    ask(id);
    one.receive(from);
    two.send(answered(two.receive(from)), from);
    answer();
  }
  EXPECT_EQ(forwarder->counts().timed_out, 3U) << "one or two may have been lost on their way";
  uint16_t id = 100;
  Bytes query;
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  while (query.empty() && std::chrono::steady_clock::now() < deadline) {  // until the first is asked
    ask(++id);
    query.resize(512);
    socklen_t length = sizeof from;
    std::optional<Bytes> told;
    while (!told) {
      const ssize_t size =
          recvfrom(one.fd, query.data(), query.size(), MSG_DONTWAIT, reinterpret_cast<sockaddr*>(&from), &length);
      if (size > 0) {
        query.resize(static_cast<size_t>(size));
        one.send(answered(query), from);
        told = answer();
        break;
      }
      const ssize_t other =
          recvfrom(two.fd, query.data(), query.size(), MSG_DONTWAIT, reinterpret_cast<sockaddr*>(&from), &length);
      if (other > 0) {
        query.resize(static_cast<size_t>(other));
        two.send(answered(query), from);
        told = answer();
        query.clear();
        break;
      }
      std::this_thread::yield();
    }
  }
  ASSERT_FALSE(query.empty()) << "it was never asked again";
  EXPECT_GT(id, 101) << "the other was asked in between";
  ask(++id);
  one.send(answered(one.receive(from)), from);
  answer();
}

TEST_F(Forwarding, AnswersOverTcpWaitUntilTheWorkerHasRoom) {
  uint16_t nobody = 0;
  { nobody = Socket(SOCK_DGRAM).port; }
  const Bytes filler(1000);
  while (dns::put(rings.answers, {}, filler)) {
  }
  while (dns::put(rings.answers, {}, {})) {
  }
  start({{lb::Address(lb::address_from_host(INADDR_LOOPBACK)), lb::Port{nobody}}}, std::chrono::milliseconds(200));
  ask(1, "example.com", dns::Transport::tcp);
  ask(2);
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  while ((forwarder->counts().lost == 0 || forwarder->counts().gave_up < 2) &&
         std::chrono::steady_clock::now() < deadline) {
    std::this_thread::yield();
  }
  EXPECT_EQ(forwarder->counts().lost, 1U) << "a datagram may be";
  uint32_t session = 0;
  for (Bytes told; session == 0 && std::chrono::steady_clock::now() < deadline;) {
    told = answer(&session);
  }
  EXPECT_EQ(session, 1U);
}

TEST_F(Forwarding, OneClientLeavesRoomForOthers) {
  const Socket upstream(SOCK_DGRAM);
  start({upstream.server()}, kPatience, 64);
  for (uint16_t id = 1; id <= 64; ++id) {
    ask(id);
  }
  std::set<uint32_t> refused;
  for (int i = 0; i < 64 - 13; ++i) {
    uint32_t session = 0;
    EXPECT_THAT(dns_text(answer(&session)), testing::StartsWith("SERVFAIL"));
    refused.insert(session);
  }
  EXPECT_THAT(refused, testing::Not(testing::Contains(13U))) << "13 of 64, as a quarter of the other 51 is 12";
  EXPECT_EQ(forwarder->counts().overflowed, 64U - 13U);
  sockaddr_in from{};
  for (int i = 0; i < 13; ++i) {
    upstream.receive(from);
  }
  ask(200, "example.com", dns::Transport::udp, 2);
  upstream.send(answered(upstream.receive(from)), from);
  EXPECT_EQ(dns_text(answer()), "NOERROR qr rd ; example.com. A? ; ; ;");
}

TEST_F(Forwarding, WhereNobodyAnswersItIsServfail) {
  uint16_t nobody = 0;
  { nobody = Socket(SOCK_DGRAM).port; }
  start({{lb::Address(lb::address_from_host(INADDR_LOOPBACK)), lb::Port{nobody}}}, std::chrono::milliseconds(200));
  ask(0x55);
  EXPECT_EQ(answer(), answered(dns_query({.name = "example.com", .id = 0x55}), 0x82));
  ask(0x56, "example.com", dns::Transport::tcp);
  EXPECT_EQ(answer(), answered(dns_query({.name = "example.com", .id = 0x56}), 0x82));
  EXPECT_EQ(forwarder->counts().gave_up, 2U);
}

TEST_F(Forwarding, MoreThanMayBePendingIsServfail) {
  const Socket upstream(SOCK_DGRAM);
  start({upstream.server()}, kPatience, 2);
  ask(1);
  ask(2);
  ask(3);
  uint32_t session = 0;
  EXPECT_THAT(dns_text(answer(&session)), testing::StartsWith("SERVFAIL"));
  EXPECT_EQ(session, 3U);
  EXPECT_EQ(forwarder->counts().overflowed, 1U);
}

TEST_F(Forwarding, OverTcpAnswersOfAnyLengthComeInPieces) {
  const Socket listener(SOCK_STREAM);
  ASSERT_EQ(listen(listener.fd, 4), 0);
  start({listener.server()});
  ASSERT_TRUE(dns::put(rings.asks, {.transport = dns::Transport::tcp, .most = 65535},
                       dns_query({.name = "example.com", .id = 9})));
  const int peer = accept(listener.fd, nullptr, nullptr);
  ASSERT_GE(peer, 0);
  Bytes query(2 + 29);
  ASSERT_EQ(recv(peer, query.data(), query.size(), MSG_WAITALL), static_cast<ssize_t>(query.size()));
  EXPECT_EQ(query[1], std::byte{29});
  Bytes message = answered(Bytes(query.begin() + 2, query.end()));
  message[7] = std::byte{1};
  const Bytes record = test::bytes_of("c00c 0063 0001 00000e10 7530");  // 30,000 bytes
  message.insert(message.end(), record.begin(), record.end());
  message.resize(message.size() + 30'000, std::byte{1});
  Bytes framed = {static_cast<std::byte>(message.size() >> 8), static_cast<std::byte>(message.size())};
  framed.insert(framed.end(), message.begin(), message.end());
  for (size_t at = 0; at < framed.size(); at += 1000) {
    const size_t size = std::min<size_t>(1000, framed.size() - at);
    ASSERT_EQ(send(peer, framed.data() + at, size, MSG_NOSIGNAL), static_cast<ssize_t>(size));
  }
  const Bytes told = answer();
  close(peer);
  ASSERT_EQ(told.size(), message.size());
  EXPECT_EQ(told[1], std::byte{9});
  EXPECT_TRUE(std::equal(told.begin() + 2, told.end(), message.begin() + 2));
}

}  // namespace
}  // namespace weft::resolver
