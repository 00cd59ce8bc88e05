// SPDX-License-Identifier: Apache-2.0
/// @file The runtime socket: a Unix stream socket that takes one command a line and answers in order.
///
/// An answer is text, or, after "json", one line of JSON. A client that has sent its last line and closed its side gets
/// the rest of the answers and then the end of the stream. Whoever may open the socket may change the node: it is
/// 0660, and belongs to root and, where there is one, the group weft.
///
/// A command whose answer goes on (stream.h) keeps its client's next lines waiting, and nobody else's. It ends with the
/// client's connection; that the client has closed its sending side does not end it.
///
/// Everything that a client can make the server hold is bounded: lines, answers, connections. One thread.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <tl/expected.hpp>

#include "ops/stream.h"

namespace weft::ops {

class Server {
 public:
  /// From a line without its end to the whole reply.
  using Respond = std::function<Reply(std::string_view line)>;

  /// Binds the socket. A socket file that nobody listens on any more is replaced.
  static tl::expected<std::unique_ptr<Server>, std::string> listen(const std::string& path, Respond respond);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  /// While the server runs, calls `ready` whenever there is something to read at `fd`, which is not the server's.
  void also_watch(int fd, std::function<void()> ready);

  /// Serves until something can be read from `stop_fd`, or until `is_over`, which is asked every few milliseconds.
  void run(int stop_fd, const std::function<bool()>& is_over = {});
  /// Ends all answers that go on, and with them what they hold of the node.
  void close_all();

 private:
  struct Connection {
    std::string input;
    std::string output;
    std::unique_ptr<Stream> stream;  ///< the answer that goes on; null: none
    bool ended = false;              ///< the client has sent all that it will
    bool skipping = false;           ///< the rest of a line that was too long
    uint64_t last_used = 0;
  };

  Server(std::string path, Respond respond, int listener, int epoll);

  void accept_one();
  void serve(int fd, uint32_t events);
  void settle(int fd, Connection& connection);
  void go_on();
  bool any_stream() const;
  bool receive(int fd, Connection& connection);
  void respond(Connection& connection);
  void answer_line(Connection& connection, std::string_view line);
  bool send(int fd, Connection& connection);
  void close_connection(int fd);
  void close_quietest();

  std::string path_;
  Respond respond_;
  int listener_;
  int epoll_;
  std::map<int, Connection> connections_;
  std::map<int, std::function<void()>> watched_;
  std::chrono::steady_clock::time_point went_on_;  ///< when streams were last asked
  uint64_t uses_ = 0;                              ///< orders connections by their last use
};

}  // namespace weft::ops
