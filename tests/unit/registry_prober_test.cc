// SPDX-License-Identifier: Apache-2.0
/// @file Checks of real servers on the loopback interface.
#include "registry-sync/prober.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <condition_variable>

namespace weft::registry {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::HasSubstr;

constexpr seconds kPatience(30);

/// Listens on a port of its own; answers each connection with these bytes, or, of none, with silence.
class Server {
 public:
  explicit Server(std::string answer = "") : answer_(std::move(answer)) {
    fd_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{.sin_family = AF_INET, .sin_port = 0, .sin_addr = {htonl(INADDR_LOOPBACK)}, .sin_zero = {}};
    EXPECT_EQ(bind(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    EXPECT_EQ(listen(fd_, 100), 0);
    socklen_t size = sizeof address;
    getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &size);
    port_ = lb::Port{address.sin_port};
    thread_ = std::jthread([this](const std::stop_token& stop) { serve(stop); });
  }
  ~Server() {
    thread_.request_stop();
    thread_.join();
    close(fd_);
  }
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  lb::Port port() const { return port_; }
  void answer(std::string bytes) {
    const std::lock_guard lock(mutex_);
    answer_ = std::move(bytes);
  }
  std::string asked() {
    const std::lock_guard lock(mutex_);
    return asked_;
  }

 private:
  void serve(const std::stop_token& stop) {
    std::vector<int> silent;
    while (!stop.stop_requested()) {
      pollfd waiting{.fd = fd_, .events = POLLIN, .revents = 0};
      if (poll(&waiting, 1, 20) <= 0) {
        continue;
      }
      const int client = accept(fd_, nullptr, nullptr);
      std::string bytes;
      {
        const std::lock_guard lock(mutex_);
        bytes = answer_;
      }
      if (bytes.empty()) {
        silent.push_back(client);
        continue;
      }
      std::array<char, 4096> buffer{};
      const ssize_t count = recv(client, buffer.data(), buffer.size(), 0);
      {
        const std::lock_guard lock(mutex_);
        asked_.assign(buffer.data(), static_cast<size_t>(std::max<ssize_t>(count, 0)));
      }
      send(client, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      close(client);
    }
    for (const int each : silent) {
      close(each);
    }
  }

  int fd_ = -1;
  lb::Port port_{};
  std::mutex mutex_;
  std::string answer_;  ///< under mutex_
  std::string asked_;   ///< under mutex_: the last request
  std::jthread thread_;
};

struct ProberTest : ::testing::Test {
  std::mutex mutex;
  std::condition_variable changed;
  std::map<uint64_t, bool> failed;  ///< the last verdict
  std::unique_ptr<Prober> prober;

  void start(size_t most_at_once = 16) {
    auto started = Prober::start({.seed = 1, .most_at_once = most_at_once}, [this](const auto& verdicts) {
      const std::lock_guard lock(mutex);
      for (const CheckVerdict& verdict : verdicts) {
        failed[verdict.id] = verdict.failed;
      }
      changed.notify_all();
    });
    ASSERT_TRUE(started) << started.error();
    prober = std::move(*started);
  }
  static CheckTarget target(uint64_t id, lb::Port port, HealthCheck check) {
    check.interval = milliseconds(100);
    check.rise = 1;
    check.fall = 1;
    return {.id = id,
            .service = "default/web",
            .name = "pod",
            .address = *lb::parse_ipv4("127.0.0.1"),
            .port = port,
            .check = std::make_shared<const HealthCheck>(std::move(check))};
  }
  void check(std::vector<CheckTarget> targets) { prober->replace({{"default/web", std::move(targets)}}); }
  bool wait_verdict(uint64_t id, bool wanted) {
    std::unique_lock lock(mutex);
    return changed.wait_for(lock, kPatience, [&] { return failed.contains(id) && failed[id] == wanted; });
  }
  template <typename Condition>
  bool wait_state(Condition condition) {
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    while (std::chrono::steady_clock::now() < deadline) {
      const std::vector<CheckState> states = prober->states("default/web");
      if (!states.empty() && condition(states.at(0))) {
        return true;
      }
      std::this_thread::sleep_for(milliseconds(5));
    }
    return false;
  }
};

const HealthCheck kTcp{.timeout = milliseconds(100)};
const HealthCheck kHttp{
    .kind = HealthCheck::Kind::http, .path = "/up", .host = "web.shop", .timeout = milliseconds(100)};

std::string response(const std::string& status, const std::string& body = "") {
  return "HTTP/1.1 " + status + "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

TEST_F(ProberTest, SaysWhyAConnectionFails) {
  lb::Port closed{};
  {
    const Server server;
    closed = server.port();
  }
  start();
  check({target(1, closed, kTcp)});
  ASSERT_TRUE(wait_verdict(1, true));
  EXPECT_EQ(prober->states().at(0).last_error, "connecting: Connection refused");
  EXPECT_GT(prober->totals().failed, 0U);
}

TEST_F(ProberTest, AConnectionIsEnoughForTcpAndLeavesNothingOpen) {
  const Server silent;
  start();
  check({target(1, silent.port(), kTcp)});
  ASSERT_TRUE(wait_state([](const CheckState& state) { return state.checks >= 10; }));
  EXPECT_EQ(prober->states().at(0).failures, 0U);
  const auto open_files = [] {
    size_t count = 0;
    DIR* folder = opendir("/proc/self/fd");
    while (readdir(folder) != nullptr) {
      ++count;
    }
    closedir(folder);
    return count;
  };
  const size_t before = open_files();
  ASSERT_TRUE(wait_state([](const CheckState& state) { return state.checks >= 30; }));
  // The silent server keeps one of each connection.
  EXPECT_LE(open_files(), before + 20 + 5);
}

TEST_F(ProberTest, HttpNeedsAnExpectedStatus) {
  Server server(response("200 OK", "fine"));
  start();
  check({target(1, server.port(), kHttp)});
  ASSERT_TRUE(wait_state([](const CheckState& state) { return state.checks >= 2; }));
  EXPECT_EQ(prober->states().at(0).failures, 0U) << prober->states().at(0).last_error;
  EXPECT_THAT(server.asked(), HasSubstr("GET /up HTTP/1.1\r\nHost: web.shop\r\n"));
  server.answer(response("500 No"));
  ASSERT_TRUE(wait_verdict(1, true));
  EXPECT_EQ(prober->states().at(0).last_error, "status 500, expected 200-299");
  server.answer(response("302 Found"));
  ASSERT_TRUE(wait_state([](const CheckState& state) { return state.last_error == "status 302, expected 200-299"; }))
      << "no redirect is followed";
  server.answer(response("204 No Content"));
  ASSERT_TRUE(wait_verdict(1, false));
}

TEST_F(ProberTest, WhatIsNoHttpOrSaysNothingFails) {
  Server server("SSH-2.0-OpenSSH\r\n");
  start();
  check({target(1, server.port(), kHttp)});
  ASSERT_TRUE(wait_verdict(1, true));
  EXPECT_FALSE(prober->states().at(0).last_error.empty());
  server.answer("");
  EXPECT_TRUE(wait_state([](const CheckState& state) { return state.last_error == "no response within 100 ms"; }));
}

TEST_F(ProberTest, ABodyWithoutEndIsNotReadToItsEnd) {
  Server server("HTTP/1.1 200 OK\r\n\r\n" + std::string(size_t{1} << 20, 'x'));
  start();
  check({target(1, server.port(), kHttp)});
  ASSERT_TRUE(wait_state([](const CheckState& state) { return state.checks >= 2; }));
  EXPECT_EQ(prober->states().at(0).failures, 0U) << prober->states().at(0).last_error;
}

TEST_F(ProberTest, SilentOnesDoNotHoldUpOthersForLong) {
  const Server silent;
  Server good(response("200 OK"));
  start(2);
  std::vector<CheckTarget> targets;
  for (uint64_t id = 1; id <= 8; ++id) {
    targets.push_back(target(id, silent.port(), kHttp));
  }
  targets.push_back(target(9, good.port(), kHttp));
  check(std::move(targets));
  for (uint64_t id = 1; id <= 8; ++id) {
    EXPECT_TRUE(wait_verdict(id, true)) << id;
  }
  ASSERT_TRUE(wait_state([&](const CheckState&) { return prober->states().back().checks >= 2; }));
  EXPECT_EQ(prober->states().back().failures, 0U);
  EXPECT_GT(prober->totals().late, 0U) << "there are too few at once for these, and that shows";
}

}  // namespace
}  // namespace weft::registry
