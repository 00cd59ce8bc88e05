// SPDX-License-Identifier: Apache-2.0
/// @file Applications that move bytes as fast as they can, to measure how fast that is.
#pragma once

#include "tcp_host.h"
#include "tcp_random.h"

namespace weft::simulation {

constexpr uint16_t kBulkPort = 80;

/// Connects, and writes for ever.
class BulkWriter : public Application {
 public:
  BulkWriter(Host& host, const lb::Address& to, Time start) : host_(host), to_(to), start_(start) {}

  void handle(const tcp::Event& event, Time) override {
    if ((event.what & (tcp::event::connected | tcp::event::writable)) != 0) {
      write();
    }
  }
  void act(Time now) override {
    const tcp::SocketPair pair{.local = host_.address(to_.family()),
                               .remote = to_,
                               .local_port = lb::port_from_host(1024),
                               .remote_port = lb::port_from_host(kBulkPort)};
    id_ = host_.engine.connect(pair, 0, host_.local(now)).value();
    host_.watch(id_);
    started_ = true;
  }
  Time due() const override { return started_ ? kNever : start_; }

 private:
  void write() {
    for (;;) {
      const size_t room = host_.engine.room(id_);
      buffer::Slice slice = host_.slice(static_cast<uint16_t>(
          room == 0 ? host_.config.send_buffer_bytes : std::min<size_t>(room, host_.config.send_buffer_bytes)));
      if (slice.empty()) {
        throw Violation("a writer without buffers");
      }
      const size_t size = slice.size();
      stream_.write(written_, slice.writable());
      if (!host_.engine.write(id_, std::move(slice))) {
        return;
      }
      written_ += size;
    }
  }

  Host& host_;
  const lb::Address to_;
  const Time start_;
  const Stream stream_;
  tcp::ConnectionId id_;
  bool started_ = false;
  uint64_t written_ = 0;
};

/// Accepts one connection, and reads.
class BulkReader : public Application {
 public:
  explicit BulkReader(Host& host) : host_(host) {
    host.engine.listen(host.address(lb::Family::ipv4), lb::port_from_host(kBulkPort), 0);
  }

  void handle(const tcp::Event& event, Time) override {
    if ((event.what & tcp::event::accepted) != 0) {
      host_.watch(event.id);
    }
    while (host_.engine.readable(event.id) > 0) {
      const buffer::Slice taken = host_.engine.take(event.id);
      if (!stream_.is_at(read_, taken.bytes())) {
        throw Violation("other bytes than were written");
      }
      read_ += taken.size();
    }
  }
  void act(Time) override {}
  Time due() const override { return kNever; }

  uint64_t read() const { return read_; }

 private:
  Host& host_;
  const Stream stream_;
  uint64_t read_ = 0;
};

}  // namespace weft::simulation
