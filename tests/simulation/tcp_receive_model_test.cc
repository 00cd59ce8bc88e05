// SPDX-License-Identifier: Apache-2.0
/// @file What an engine receives, against an array of bytes: a peer's random segments of one connection, overlapping,
/// once more, before the window, over its edges and beyond it. Each segment has bytes of its own: the stream is what
/// came first, and what the engine says that it has, it has.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <vector>

#include "buffer/heap.h"
#include "tcp/engine.h"
#include "tcp_random.h"

namespace weft::tcp {
namespace {

using simulation::Random;

constexpr uint32_t kPieces = 4096;
constexpr uint32_t kMaxPayload = 1400;

class Receiving {
 public:
  explicit Receiving(uint64_t seed)
      : random_(seed),
        engine_({.connections = 4, .pieces = kPieces, .receive_buffer = 8192, .max_ranges = 1000}, Secret{{1}}, now_),
        first_(static_cast<uint32_t>(-random_.below(40'000))),  // most cross the wrap
        end_(static_cast<uint32_t>(random_.between(1, 30'000))) {
    engine_.listen(kPair.local, kPair.local_port, 1);
    open();
  }

  void run() {
    for (int i = 0; i < 3000 && !::testing::Test::HasFailure(); ++i) {
      if (random_.chance(70)) {
        send();
      } else if (random_.chance(80)) {
        read(random_.of_any_size(1, 8192));
      } else {
        now_ += std::chrono::milliseconds(random_.below(50));
        engine_.advance(now_, output_);
      }
      flush();
      if (engine_.counters().out_of_memory > 0) {  // what was left out then is not known
        break;
      }
    }
    if (is_whole()) {
      read(UINT32_MAX);
      EXPECT_EQ(read_, end_);
      ++whole;
    }
    engine_.abort(id_);
    flush();
    EXPECT_EQ(engine_.pieces(), 0);
    EXPECT_EQ(engine_.connections(), 0);
    EXPECT_TRUE(buffers_.is_whole());
  }

  uint32_t whole = 0;

 private:
  static constexpr SocketPair kPair{.local = lb::Ipv4Address{0x0200000a},
                                    .remote = lb::Ipv4Address{0x0100000a},
                                    .local_port = lb::port_from_host(80),
                                    .remote_port = lb::port_from_host(40000)};

  void arrive(Segment segment) {
    segment.pair = kPair;
    segment.window = UINT16_MAX;
    engine_.input({&segment, 1}, now_, output_);
  }
  void open() {
    std::array<std::byte, kMaxOptions> bytes;
    Options options;
    options.mss = 1460;
    options.sack_permitted = true;
    Segment syn;
    syn.flags = flag::syn;
    syn.sequence = first_ - 1;
    syn.options = bytes.data();
    syn.options_length = encode_options(options, bytes);
    arrive(std::move(syn));
    our_next_ = output_.segments.at(0).sequence + 1;
    edge_ = output_.segments[0].window;
    output_.clear();
    Segment ack;
    ack.flags = flag::ack;
    ack.sequence = first_;
    ack.acknowledgment = our_next_;
    arrive(std::move(ack));
    id_ = output_.events.at(0).id;
    output_.clear();
  }

  /// The place of the first byte that did not come.
  uint32_t next() const {
    uint32_t at = read_;
    for (auto byte = came_.lower_bound(at); byte != came_.end() && byte->first == at; ++byte) {
      ++at;
    }
    return at;
  }
  bool is_whole() const { return next() == end_ && fin_; }

  /// A segment that begins around where the engine is, and for the most part in its window.
  void send() {
    const uint32_t in_order = next();
    int64_t begin = in_order;
    if (random_.chance(60)) {
      begin += static_cast<int64_t>(random_.of_any_size(1, 6000)) - static_cast<int64_t>(random_.of_any_size(1, 3000));
    } else if (random_.chance(10)) {
      begin = edge_ + static_cast<int64_t>(random_.below(2000)) - 1000;
    }
    begin = std::clamp<int64_t>(begin, 0, end_);
    const auto from = static_cast<uint32_t>(begin);
    const uint32_t bytes = std::min(static_cast<uint32_t>(random_.of_any_size(1, kMaxPayload)), end_ - from);
    const uint32_t to = from + bytes;
    const bool fin = to == end_ && random_.chance(50);
    const auto content = static_cast<uint8_t>(++segments_);
    if (bytes == 0 && !fin) {
      return;
    }

    Segment segment;
    segment.flags = static_cast<uint8_t>(flag::ack | (fin ? flag::fin : 0));
    segment.sequence = first_ + from;
    segment.acknowledgment = our_next_;
    segment.payload = buffer::Slice(buffers_.pool().take(), 0, static_cast<uint16_t>(bytes));
    std::ranges::fill(segment.payload.writable(), std::byte{content});
    if (!fin_) {  // behind a FIN in order, nothing more is looked at
      for (uint32_t at = std::max(from, read_); at < std::min(to, edge_); ++at) {
        came_.try_emplace(at, content);
      }
      has_end_ |= fin && to <= edge_ && (edge_ > in_order);
    }
    arrive(std::move(segment));
    const bool was_beyond = from > in_order && from < edge_;
    fin_ = has_end_ && next() == end_;
    const Connection* const connection = engine_.look(id_);
    ASSERT_NE(connection, nullptr);
    if (engine_.counters().out_of_memory > 0) {
      return;
    }
    EXPECT_EQ(connection->receive_next, first_ + next() + (fin_ ? 1 : 0));
    EXPECT_EQ(connection->has(Connection::fin_received), fin_);
    last_ = was_beyond && from < std::min(to, edge_) ? from : UINT32_MAX;
  }

  void read(uint64_t bytes) {
    while (bytes > 0) {
      const buffer::Slice* const front = engine_.front(id_);
      if (front == nullptr) {
        return;
      }
      const size_t some = std::min<size_t>(bytes, front->size());
      for (const std::byte byte : front->bytes().first(some)) {
        const auto came = came_.find(read_);
        ASSERT_NE(came, came_.end()) << "a byte that did not come";
        ASSERT_EQ(std::to_integer<uint8_t>(byte), came->second) << "at " << read_ << ": what came first stays";
        came_.erase(came);
        ++read_;
      }
      engine_.consume(id_, some);
      bytes -= some;
    }
  }

  void flush() {
    engine_.flush(now_, output_);
    for (const Transmission& out : output_.segments) {
      if ((out.flags & flag::rst) != 0) {
        continue;
      }
      EXPECT_EQ(out.acknowledgment, first_ + next() + (fin_ ? 1 : 0));
      EXPECT_LE(out.window, 8192);
      const uint32_t edge = out.acknowledgment - first_ + out.window;
      EXPECT_GE(edge + (fin_ ? 1 : 0), edge_) << "the right edge goes back";
      edge_ = std::max(edge_, edge);
      check_blocks(decode_options({out.options.data(), out.options_length}), out.acknowledgment);
    }
    for (const Event& event : output_.events) {
      EXPECT_EQ(event.what & (event::reset | event::timed_out), 0);
    }
    output_.clear();
  }
  void check_blocks(const Options& options, Seq acknowledgment) {
    for (uint8_t i = 0; i < options.block_count; ++i) {
      const Block& block = options.blocks[i];
      ASSERT_LT(block.begin, block.end);
      const uint32_t begin = block.begin - first_;
      const uint32_t end = block.end - first_;
      const uint32_t bytes_end = std::min(end, end_);  // the FIN has a place, too
      EXPECT_LE(end, end_ + (has_end_ ? 1 : 0));
      if (block.end <= acknowledgment) {
        EXPECT_EQ(i, 0) << "only the first may be of what is acknowledged (RFC 2883)";
        continue;
      }
      EXPECT_TRUE(came_.contains(begin) || begin == end_);
      for (auto byte = came_.lower_bound(begin); byte != came_.end() && byte->first < bytes_end; ++byte) {
        EXPECT_TRUE(byte->first + 1 == bytes_end || came_.contains(byte->first + 1)) << "a block with a hole";
      }
      const bool is_duplicate = i == 0 && options.block_count > 1 && options.blocks[1].begin <= block.begin &&
                                block.end <= options.blocks[1].end;
      if (!is_duplicate) {
        EXPECT_FALSE(came_.contains(begin - 1)) << "there is more in front of it";
        EXPECT_FALSE(came_.contains(end)) << "there is more behind it";
      }
    }
    if (last_ != UINT32_MAX && options.block_count > 0 && options.blocks[0].end > acknowledgment) {
      EXPECT_TRUE(options.blocks[0].begin <= first_ + last_ && first_ + last_ < options.blocks[0].end)
          << "the last segment's range is first (RFC 2018, section 4)";
    }
    last_ = UINT32_MAX;
  }

  Random random_;
  time::Time now_{std::chrono::seconds(10)};
  buffer::HeapBuffers buffers_{kPieces, 2048};
  Engine engine_;
  Output output_;
  ConnectionId id_;
  Seq first_;     ///< of the peer's bytes
  uint32_t end_;  ///< so many there are
  Seq our_next_;
  uint32_t edge_ = 0;                 ///< of what may be sent
  std::map<uint32_t, uint8_t> came_;  ///< what came first, and is not read
  uint32_t read_ = 0;
  bool has_end_ = false;  ///< a FIN came
  bool fin_ = false;      ///< and all before it
  uint32_t segments_ = 0;
  uint32_t last_ = UINT32_MAX;  ///< where the last segment beyond a gap began
};

TEST(TcpReceiveModel, AgreesWithAnArray) {
  uint32_t whole = 0;
  constexpr uint64_t kSeeds = 300;
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Receiving receiving(seed);
    receiving.run();
    if (HasFailure()) {
      return;
    }
    whole += receiving.whole;
  }
  EXPECT_GT(whole, kSeeds / 2) << "or the test shows little";
}

}  // namespace
}  // namespace weft::tcp
