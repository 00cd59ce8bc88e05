// SPDX-License-Identifier: Apache-2.0
#include "ops/server.h"

#include <gtest/gtest.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <filesystem>

namespace weft::ops {
namespace {

constexpr int kRounds = 2000;  // of a few milliseconds each, at most

/// Says as much as it is let.
class Talk : public Stream {
 public:
  explicit Talk(int& kept_time) : kept_time_(kept_time) {}
  std::string next() override { return std::string(1 << 20, 'x'); }
  void keep_time() override { ++kept_time_; }
  bool ended() const override { return false; }

 private:
  int& kept_time_;
};

/// One thread: the client is whoever is asked whether it is over.
class RuntimeSocket : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = std::filesystem::temp_directory_path() / "weft-socket-XXXXXX";
    folder_ = mkdtemp(name.data());
    stop_ = eventfd(0, EFD_NONBLOCK);
    auto server = Server::listen(folder_ / "socket", [this](std::string_view line) {
      return line == "talk" ? Reply{.text = "", .rest = std::make_unique<Talk>(kept_time_)}
                            : Reply{.text = "heard " + std::string(line) + "\n", .rest = nullptr};
    });
    ASSERT_TRUE(server) << server.error();
    server_ = std::move(*server);
    sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
    (folder_ / "socket").string().copy(address.sun_path, sizeof address.sun_path - 1);
    client_ = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    ASSERT_EQ(connect(client_, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  }
  void TearDown() override {
    server_.reset();
    close(client_);
    close(stop_);
    std::filesystem::remove_all(folder_);
  }
  void say(std::string_view line) const {
    ASSERT_EQ(send(client_, line.data(), line.size(), 0), static_cast<ssize_t>(line.size()));
  }
  /// What has come by now; nothing also once the server has closed.
  std::string heard() const {
    std::array<char, 256> room;
    const ssize_t count = recv(client_, room.data(), room.size(), 0);
    return {room.data(), static_cast<size_t>(std::max<ssize_t>(count, 0))};
  }
  void stop() const { ASSERT_EQ(eventfd_write(stop_, 1), 0); }

  std::filesystem::path folder_;
  std::unique_ptr<Server> server_;
  int client_ = -1;
  int stop_ = -1;
  int kept_time_ = 0;
};

TEST_F(RuntimeSocket, GoesOnAfterItWasToldToStop) {
  stop();
  server_->run(stop_);
  eventfd_t told = 0;
  ASSERT_EQ(eventfd_read(stop_, &told), 0);
  say("hello\n");
  std::string answer;
  int rounds = 0;
  server_->run(stop_, [&] {
    answer += heard();
    return !answer.empty() || ++rounds == kRounds;
  });
  EXPECT_EQ(answer, "heard hello\n");
  say("again\n");
  stop();
  server_->run(stop_, [] { return false; });  // a second signal ends it
  server_->close_all();
  heard();
  EXPECT_EQ(recv(client_, answer.data(), 1, 0), 0) << "it is closed";
}

TEST_F(RuntimeSocket, IsNotAskedOnceItIsOver) {
  say("hello\n");
  server_->run(stop_, [] { return true; });
  EXPECT_EQ(heard(), "");
}

TEST_F(RuntimeSocket, TimeIsKeptForWhoeverDoesNotRead) {
  say("talk\n");
  int rounds = 0;
  server_->run(stop_, [&] { return kept_time_ > 1 || ++rounds == kRounds; });
  EXPECT_GT(kept_time_, 1);
}

}  // namespace
}  // namespace weft::ops
