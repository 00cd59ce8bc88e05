// SPDX-License-Identifier: Apache-2.0
/// @file An engine between hostile peers and a hostile application: any order of segments, ICMP errors, calls and time.
///
/// Segments are made to come near what the engine expects, as a fuzzer can't guess sequence numbers. Beyond crashes it
/// looks for: more sent than the peer ever allowed, segments that can't be, bytes that are read but were not sent,
/// calls to stale ids that do something, and buffers, pieces or places that do not come back.
///
/// Input: a byte for the configuration, then steps of an operation and its bytes (Steps).
#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <vector>

#include "buffer/heap.h"
#include "tcp/engine.h"

namespace {

using namespace weft;
using namespace weft::tcp;

constexpr uint32_t kPeers = 3;
constexpr uint32_t kBufferBytes = 2048;
constexpr uint32_t kBuffers = 96;  ///< the fuzzer can run out of them, as it can of pieces
const lb::Address kLocal{lb::address_from_host(0x0a000001)};
const lb::Port kPort = lb::port_from_host(80);

void require(bool promise, const char* what) {
  if (!promise) {
    std::fprintf(stderr, "broken promise: %s\n", what);
    std::abort();
  }
}

/// What is left of the input; zeros when nothing is.
class Bytes {
 public:
  Bytes(const uint8_t* data, size_t size) : data_(data), left_(size) {}
  bool done() const { return left_ == 0; }
  uint8_t next() {
    if (left_ == 0) {
      return 0;
    }
    --left_;
    return *data_++;
  }
  uint16_t next16() { return static_cast<uint16_t>(next() << 8 | next()); }

 private:
  const uint8_t* data_;
  size_t left_;
};

/// The byte at a place of any peer's stream: what is read must be that, whatever came twice.
std::byte byte_at(Seq sequence) {
  return static_cast<std::byte>(sequence.value * 2654435761U >> 24);
}

Config config_of(uint8_t bits) {
  Config config;
  config.connections = 4;
  config.half_open = 2;
  config.time_waits = 2;
  config.pieces = (bits & 1) != 0 ? 32 : 256;
  config.listeners = 1;
  config.receive_buffer = (bits & 2) != 0 ? 4096 : 65536;
  config.send_buffer = 16384;
  config.ranges = 6;
  config.max_ranges = 4;
  config.timestamps = (bits & 4) == 0;
  config.window_scale = (bits & 8) == 0;
  config.selective_acks = (bits & 16) == 0;
  config.keepalive_idle = Config::Duration((bits & 32) != 0 ? 1000 : 0);
  config.tolerate_missing_timestamps = (bits & 64) == 0;
  return config;
}

class World {
 public:
  explicit World(uint8_t bits)
      : engine_(config_of(bits), Secret{{7}}, now_), budget_((bits & 128) != 0 ? 1 : SIZE_MAX) {
    engine_.listen(kLocal, kPort, 0);
  }

  void run(Bytes bytes) {
    while (!bytes.done()) {
      const uint8_t what = bytes.next();
      step(what % 12, what / 12 % kPeers, bytes);
      if ((what & 0x80) == 0) {  // else with what comes next, in one turn
        turn();
      }
    }
  }
  /// Everything ends, and comes back.
  void end() {
    turn();
    for (const ConnectionId id : ids_) {
      engine_.abort(id);
    }
    turn();
    engine_.stop_listening(kLocal, kPort);
    for (int i = 0; i < 400 && engine_.next_deadline(now_); ++i) {
      now_ += std::chrono::seconds(10);
      while (engine_.advance(now_, output_, 64)) {
      }
      turn();
    }
    require(engine_.connections() == 0, "every connection ends");
    require(engine_.pieces() == 0, "every piece comes back");
    require(engine_.half_open() == 0 && engine_.time_waits() == 0, "nothing is left of handshakes and of what is over");
    held_.clear();
    require(buffers_.is_whole(), "every buffer comes back");
  }

 private:
  /// What the engine said last to a peer.
  struct Sent {
    Seq sequence;
    Seq acknowledgment;
    uint32_t timestamp = 0;
  };

  static SocketPair pair_of(uint32_t peer, bool calls) {
    const lb::Address remote = lb::Address(lb::address_from_host(0x0a000100 + peer));
    return calls ? SocketPair{kLocal, remote, lb::port_from_host(5000), kPort}
                 : SocketPair{kLocal, remote, kPort, lb::port_from_host(6000)};
  }
  ConnectionId id_of(Bytes& bytes) const {
    return ids_.empty() ? ConnectionId{bytes.next(), bytes.next()} : ids_[bytes.next() % ids_.size()];
  }
  std::optional<buffer::Slice> slice(uint16_t bytes) {
    buffer::Buffer* taken = buffers_.pool().take();
    if (taken == nullptr) {
      return std::nullopt;
    }
    return buffer::Slice(taken, 100, bytes);
  }

  void step(uint8_t operation, uint32_t peer, Bytes& bytes) {
    switch (operation) {
      case 0:
      case 1:
      case 2:
        return arrive(peer, operation == 1, bytes);
      case 3: {
        const auto length = static_cast<uint16_t>(1 + bytes.next() * 7);
        const ConnectionId id = id_of(bytes);
        if (auto written = slice(length)) {
          const bool had_room = engine_.room(id) >= length;
          const bool taken = engine_.write(id, std::move(*written));
          require(taken == had_room, "what there is room for is taken, and nothing else");
        }
        return;
      }
      case 4:
        return read(id_of(bytes), bytes.next() * 16U, bytes.next() % 2 == 0);
      case 5:
        return engine_.shutdown(id_of(bytes));
      case 6:
        return (bytes.next() & 1) != 0 ? engine_.close(id_of(bytes)) : engine_.abort(id_of(bytes));
      case 7: {
        const ConnectionId from = id_of(bytes);
        const ConnectionId to = id_of(bytes);
        const size_t before = engine_.readable(from);
        const size_t moved = engine_.relay(from, to, bytes.next() * 64U);
        require(from == to || engine_.readable(from) + moved == before, "what is relayed has left");
        return;
      }
      case 8:
        if (const auto id = engine_.connect(pair_of(peer, true), 0, now_)) {
          ids_.push_back(*id);
        }
        return;
      case 9: {
        constexpr std::array<uint32_t, 8> kMilliseconds{1, 5, 40, 200, 1000, 10'000, 60'000, 4'000'000};
        now_ += std::chrono::milliseconds(kMilliseconds[bytes.next() % 8]);
        engine_.advance(now_, output_, 64);
        return;
      }
      case 10: {
        const bool calls = (bytes.next() & 1) != 0;
        NetworkError error{.pair = pair_of(peer, calls),
                           .sequence = last_[peer][calls].sequence + static_cast<int8_t>(bytes.next()),
                           .kind = static_cast<NetworkError::Kind>(bytes.next() % 3),
                           .mtu = bytes.next16()};
        return engine_.input(error, now_, output_);
      }
      default:
        if (auto taken = slice(1); taken && (bytes.next() & 1) != 0) {
          held_.push_back(std::move(*taken));
        } else {
          held_.clear();
        }
    }
  }

  /// From the peer, near what it would say if it were honest.
  void arrive(uint32_t peer, bool calls, Bytes& bytes) {
    Sent& sent = last_[peer][calls];
    Segment segment;
    segment.pair = pair_of(peer, calls);
    segment.flags = bytes.next();
    if ((segment.flags & 0xc0) == 0) {  // a plain one, mostly
      segment.flags = static_cast<uint8_t>(flag::ack | (segment.flags & (flag::psh | flag::fin)));
    }
    const uint8_t where = bytes.next();
    const auto away = [](uint8_t value) { return static_cast<int32_t>(static_cast<int8_t>(value << 4)) * 97 / 16; };
    segment.sequence = sent.acknowledgment + static_cast<uint32_t>((where & 0x0f) == 0 ? 0 : away(where));
    segment.acknowledgment = sent.sequence + static_cast<uint32_t>((where & 0xf0) == 0 ? 0 : away(where >> 4));
    segment.window = bytes.next16();
    const auto length = static_cast<uint16_t>(bytes.next() * 6U);
    if (length > 0) {
      auto payload = slice(length);
      if (!payload) {
        return;
      }
      Seq at = segment.sequence + ((segment.flags & flag::syn) != 0 ? 1 : 0);
      for (std::byte& byte : payload->writable()) {
        byte = byte_at(at);
        at += 1;
      }
      segment.payload = std::move(*payload);
    }
    std::array<std::byte, kMaxOptions> options;
    segment.options = options.data();
    segment.options_length = options_of(segment, sent, bytes, options);
    engine_.input({&segment, 1}, now_, output_);
    require(segment.payload.empty(), "payloads are taken");
  }
  uint8_t options_of(const Segment& segment, const Sent& sent, Bytes& bytes, std::array<std::byte, kMaxOptions>& to) {
    const uint8_t how = bytes.next();
    if ((how & 0x80) != 0) {  // any bytes
      const uint8_t length = how % 10 * 4;
      for (uint8_t i = 0; i < length; ++i) {
        to[i] = std::byte{bytes.next()};
      }
      return length;
    }
    Options options;
    if ((how & 1) != 0) {
      options.timestamps = {static_cast<uint32_t>(now_.count() / 1'000'000) + (how & 2) * 100, sent.timestamp};
    }
    if ((segment.flags & flag::syn) != 0) {
      options.mss = static_cast<uint16_t>((how & 4) != 0 ? bytes.next() * 6U : 1460);
      options.sack_permitted = (how & 8) != 0;
      if ((how & 16) != 0) {
        options.window_shift = bytes.next() % 16;
      }
    } else {
      options.block_count = how >> 3 & 3;
      for (uint8_t i = 0; i < options.block_count; ++i) {
        options.blocks[i].begin = sent.sequence - bytes.next() * 16U;
        options.blocks[i].end = options.blocks[i].begin + bytes.next() * 16U;
      }
    }
    return encode_options(options, to);
  }

  void read(ConnectionId id, size_t at_most, bool takes) {
    const Connection* connection = engine_.look(id);
    if (connection == nullptr) {
      require(engine_.readable(id) == 0 && engine_.front(id) == nullptr && engine_.take(id).empty(),
              "a stale id has nothing");
      return;
    }
    Seq at = connection->receive_next - (connection->has(Connection::fin_received) ? 1 : 0) -
             static_cast<uint32_t>(engine_.readable(id));
    while (const buffer::Slice* front = engine_.front(id)) {
      const size_t some = std::min(front->size(), at_most);
      for (size_t i = 0; i < some; ++i) {
        require(front->data()[i] == byte_at(at + static_cast<uint32_t>(i)), "what is read was sent");
      }
      at += static_cast<uint32_t>(some);
      at_most -= some;
      if (takes && some == front->size()) {
        require(engine_.take(id).size() == some, "the front is what is taken");
      } else {
        engine_.consume(id, some);
      }
      if (at_most == 0) {
        return;
      }
    }
  }

  void turn() {
    engine_.flush(now_, output_, budget_);
    for (const Transmission& out : output_.segments) {
      check(out);
    }
    std::vector<ConnectionId> ended;
    for (const Event& event : output_.events) {
      if ((event.what & event::accepted) != 0) {
        ids_.push_back(event.id);
      }
      require(std::find(ended.begin(), ended.end(), event.id) == ended.end(), "nothing comes after the last event");
      if ((event.what & (event::closed | event::reset | event::timed_out)) != 0) {
        ended.push_back(event.id);
        require(!engine_.is_open(event.id), "an id is stale after its last event");
      }
    }
    output_.clear();
    std::erase_if(ids_, [this](ConnectionId id) { return !engine_.is_open(id); });
    for (const ConnectionId id : ids_) {
      check(*engine_.look(id), *engine_.details(id));
    }
    if (++turns_ % 8 == 0) {
      now_ += std::chrono::milliseconds(1);
    }
  }
  void check(const Transmission& out) {
    require(out.pair.local == kLocal, "it comes from us");
    size_t bytes = 0;
    for (uint32_t i = 0; i < out.slice_count; ++i) {
      bytes += output_.slices[out.first_slice + i].size();
    }
    require(bytes == out.payload_length, "a segment's slices are its payload");
    require(bytes + out.options_length <= 1460, "a segment fits the link");
    require(out.options_length % 4 == 0 && out.options_length <= kMaxOptions, "options are whole words");
    const auto peer = lb::to_host(out.pair.remote.ipv4()) - 0x0a000100;
    require(peer < kPeers, "it goes to somebody");
    Sent& sent = last_[peer][out.pair.local_port != kPort];
    if ((out.flags & flag::rst) != 0) {
      return;
    }
    // What an honest peer would acknowledge and go on with.
    sent.sequence = out.sequence + out.payload_length + ((out.flags & (flag::syn | flag::fin)) != 0 ? 1 : 0);
    if ((out.flags & flag::ack) != 0) {
      sent.acknowledgment = out.acknowledgment;
    }
    const Options options = decode_options({out.options.data(), out.options_length});
    if (options.timestamps) {
      sent.timestamp = options.timestamps->value;
    }
  }
  void check(const Connection& connection, const Details& details) {
    if (connection.state < State::established || !connection.has(Connection::on_wire)) {
      return;
    }
    const uint32_t outstanding = connection.send_next - connection.send_unacknowledged;
    require(details.sacked_bytes + details.lost_bytes <= outstanding, "no more is sacked or lost than was sent");
    require(outstanding <= details.max_send_window + 1, "no more is sent than was ever allowed");
    require(connection.queued_bytes >= outstanding, "what was sent is still there");
    require(connection.mss >= 28, "a segment carries something");
  }

  time::Time now_{std::chrono::seconds(5)};
  buffer::HeapBuffers buffers_{kBuffers, kBufferBytes};
  Engine engine_;
  const size_t budget_;  ///< of segments in a turn
  Output output_;
  std::vector<ConnectionId> ids_;
  std::vector<buffer::Slice> held_;
  std::array<std::array<Sent, 2>, kPeers> last_;
  uint32_t turns_ = 0;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) {
    return 0;
  }
  World world(data[0]);
  world.run(Bytes(data + 1, size - 1));
  world.end();
  return 0;
}
