// SPDX-License-Identifier: Apache-2.0
/// @file The engine beside a TCP that has nothing in common with it, over bad paths: what both of our engines get wrong
/// in the same way shows here.
#include <gtest/gtest.h>

#include <cstdlib>
#include <map>

#include "tcp_nic.h"
#include "tcp_path.h"
#include "tcp_reference.h"
#include "tcp_session.h"
#include "tcp_trace.h"

namespace weft::simulation {
namespace {

constexpr uint64_t kSeeds = 1500;
constexpr Time kLimit = 3h;

class Duel {
 public:
  explicit Duel(uint64_t seed)
      : random_(seed),
        family_(random_.chance(50) ? lb::Family::ipv4 : lb::Family::ipv6),
        bytes_(random_.of_any_size(1, 200'000)),
        answer_(random_.of_any_size(1, 200'000)),
        host_(0, draw_host(), seed),
        end_(host_, draw_habits(), 1, 2, answer_, false),
        reference_(draw_reference(), seed + 1),
        there_(draw_path(), seed + 2),
        back_(draw_path(), seed + 3) {}

  void run() {
    host_.engine.listen(host_.address(family_), lb::port_from_host(kServerPort), 0);
    if (!connects_) {
      EXPECT_TRUE(end_.connect(mirrored(pair_), 0, now_));
    }
    while (now_ < kLimit && step()) {
    }
    if (!reference_.is_done() || end_.outcome() != End::Outcome::closed) {
      throw Violation("it does not come to an end: " + end_.describe());
    }
  }
  std::string last_lines() const { return trace_.last_lines(); }
  void print() { trace_.print(); }

 private:
  HostConfig draw_host() {
    HostConfig host;
    host.tcp.connections = host.tcp.half_open = host.tcp.time_waits = 4;
    host.tcp.pieces = 4096;
    host.tcp.ranges = 128;
    host.tcp.max_ranges = static_cast<uint16_t>(random_.between(1, 64));
    host.tcp.receive_buffer = static_cast<uint32_t>(random_.of_any_size(4096, 100'000));
    host.tcp.timestamps = random_.chance(50);
    host.tcp.selective_acks = random_.chance(70);
    host.tcp.window_scale = random_.chance(50);
    host.secret.key.fill(static_cast<uint8_t>(random_.bits()));
    host.clock = random_.between(1h, 100h);
    host.buffers = 2048;
    host.send_buffers = 512;
    host.real_bytes = random_.chance(50);
    return host;
  }
  Habits draw_habits() {
    Habits habits{.bytes = bytes_, .write_size = 1 << 20, .read_size = random_.of_any_size(100, 1 << 20)};
    habits.read_pause = random_.chance(30) ? random_.between(1ms, 10ms) : Time{};
    habits.read_size = std::max(habits.read_size, answer_ / 300);
    return habits;
  }
  ReferenceConfig draw_reference() {
    connects_ = random_.chance(50);
    pair_ = {.local = Host::address_of(1, family_),
             .remote = Host::address_of(0, family_),
             .local_port = lb::port_from_host(4000),
             .remote_port = lb::port_from_host(kServerPort)};
    ReferenceConfig reference{.pair = pair_,
                              .connects = connects_,
                              .first = tcp::Seq(static_cast<uint32_t>(random_.bits())),
                              .writes = Stream(2),
                              .bytes = answer_,
                              .reads = Stream(1),
                              .expected = bytes_};
    if (random_.chance(40)) {
      reference.first = tcp::Seq(UINT32_MAX - static_cast<uint32_t>(random_.below(answer_)));
    }
    reference.mss = static_cast<uint16_t>(random_.between(200, 1460));
    reference.window = static_cast<uint32_t>(random_.of_any_size(500, 100'000));
    reference.selective_acks = random_.chance(60);
    reference.timestamps = random_.chance(50);
    if (random_.chance(50)) {
      reference.shift = static_cast<uint8_t>(random_.below(8));
    }
    reference.retransmits_after = random_.between(50ms, 1s);
    reference.reads_every = random_.chance(30) ? random_.between(1ms, 200ms) : Time{};
    return reference;
  }
  PathConfig draw_path() {
    PathConfig path;
    path.delay = random_.between(Time{}, 20ms);
    path.loss = random_.chance(60) ? static_cast<double>(random_.below(80)) / 1000 : 0;
    path.duplication = random_.chance(30) ? 0.05 : 0;
    path.reordering = random_.chance(40) ? 0.2 : 0;
    path.held_up = random_.between(Time{}, 30ms);
    path.corruption = random_.chance(20) ? 0.02 : 0;
    return path;
  }

  bool step() {
    const Time deadline = engine_due();
    Time next = std::min({deadline, end_.due(), reference_.due()});
    if (!arrivals_.empty()) {
      next = std::min(next, arrivals_.begin()->first);
    }
    if (next == kNever) {
      return false;
    }
    now_ = std::max(next, now_ + 1us);
    std::vector<Frame> to_engine;
    while (!arrivals_.empty() && arrivals_.begin()->first <= now_) {
      auto& [is_for_engine, frame] = arrivals_.begin()->second;
      if (is_for_engine) {
        to_engine.push_back(std::move(frame));
      } else if (const Packet packet = decode_frame(frame); packet.verdict == Packet::Verdict::good) {
        trace_.arrived(now_, 1, packet);
        reference_.receive(packet, now_);
      }
      arrivals_.erase(arrivals_.begin());
    }
    turn(to_engine);
    reference_.act(now_);
    for (const Frame& frame : reference_.take_frames()) {
      send(frame, 1);
    }
    return true;
  }
  Time engine_due() const {
    const std::optional<Time> deadline = host_.engine.next_deadline(host_.local(now_));
    return deadline ? *deadline - host_.config.clock : kNever;
  }
  void turn(const std::vector<Frame>& frames) {
    for (const Frame& frame : frames) {
      const Packet packet = decode_frame(frame);
      Arrived arrived;
      if (packet.verdict == Packet::Verdict::good && read_frame(host_, frame, packet, arrived) == Reading::taken) {
        trace_.arrived(now_, 0, packet);
        host_.engine.input({&arrived.segment, 1}, host_.local(now_), output_);
        tell();
      }
    }
    host_.engine.advance(host_.local(now_), output_);
    tell();
    if (end_.due() <= now_) {
      end_.act(now_);
    }
    do {
      host_.engine.flush(host_.local(now_), output_);
    } while (tell());
    for (const tcp::Transmission& out : output_.segments) {
      send(write_frame(host_, out, output_.slices), 0);
    }
    output_.clear();
  }
  bool tell() {
    const std::vector<tcp::Event> events = std::exchange(output_.events, {});
    for (const tcp::Event& event : events) {
      trace_.told(now_, 0, event);
      if ((event.what & tcp::event::accepted) != 0) {
        end_.was_accepted(event.id, 0, now_);
      }
      end_.handle(event, now_);
    }
    return !events.empty();
  }
  void send(const Frame& frame, uint32_t from) {
    trace_.sent(now_, from, frame, decode_frame(frame));
    for (Path::Crossing& crossing : (from == 0 ? there_ : back_).send(frame, now_).crossings) {
      arrivals_.emplace(crossing.at, std::pair(from == 1, std::move(crossing.frame)));
    }
  }

  Random random_;
  const lb::Family family_;
  const uint64_t bytes_;
  const uint64_t answer_;
  bool connects_ = false;
  tcp::SocketPair pair_;  ///< as the reference names it
  Trace trace_;
  Host host_;
  End end_;
  Reference reference_;
  Path there_;
  Path back_;
  Time now_{};
  tcp::Output output_;
  std::multimap<Time, std::pair<bool, Frame>> arrivals_;
};

TEST(TcpReference, AgreesWithTheEngine) {
  const char* const alone = std::getenv("WEFT_SEED");  // one, with every segment and event
  const uint64_t first = alone == nullptr ? 1 : std::stoull(alone);
  const uint64_t last = alone == nullptr ? kSeeds : first;
  for (uint64_t seed = first; seed <= last; ++seed) {
    Duel duel(seed);
    if (alone != nullptr) {
      duel.print();
    }
    try {
      duel.run();
    } catch (const Violation& violation) {
      FAIL() << "seed " << seed << ": " << violation.what() << "\n" << duel.last_lines();
    }
  }
}

}  // namespace
}  // namespace weft::simulation
