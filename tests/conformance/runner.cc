// SPDX-License-Identifier: Apache-2.0
#include "runner.h"

#include <algorithm>
#include <cstdio>
#include <span>

namespace weft::conformance {
namespace {

using time::Time;
using namespace std::chrono_literals;

constexpr uint32_t kBuffers = 128;
constexpr uint32_t kBufferBytes = 16384;
constexpr int kMostTurns = 100'000;                   ///< without anything that the script does
constexpr Time kLongestRest = std::chrono::hours(1);  ///< a worker advances its engine all the time
constexpr Time kPlainStart = 1000s;
constexpr Time kClockWrap = std::chrono::milliseconds(int64_t{1} << 32);
constexpr Time kAfterlife = std::chrono::hours(2);  ///< longer than any connection that nobody holds may last

tcp::Secret secret() {
  tcp::Secret made;
  for (size_t i = 0; i < made.key.size(); ++i) {
    made.key[i] = static_cast<uint8_t>(i * 29 + 3);
  }
  return made;
}

tcp::SocketPair pair_of(uint32_t connection, int family) {
  tcp::SocketPair pair;
  pair.local = *lb::parse_address(family == 4 ? "10.0.0.1" : "fd00::1");
  pair.remote = *lb::parse_address(family == 4 ? "10.0.0.2" : "fd00::2");
  pair.local_port = lb::port_from_host(static_cast<uint16_t>(80 + connection / 100));
  pair.remote_port = lb::port_from_host(static_cast<uint16_t>(40'000 + connection));
  return pair;
}

/// The engine's initial sequence number of the first connection, at that time.
uint32_t initial_sequence(const tcp::Config& config, int family, Time now) {
  tcp::Engine engine(config, secret(), now);
  tcp::Output output;
  engine.connect(pair_of(1, family), 0, now);
  engine.flush(now, output);
  return output.segments.at(0).sequence.value;
}

/// Initial sequence numbers go with time (RFC 6528), so there is a time at which one is about to wrap.
Time time_of_wrap(const tcp::Config& config, int family) {
  const uint32_t ticks = static_cast<uint32_t>(-1000) - initial_sequence(config, family, Time{});
  const Time found = std::chrono::floor<std::chrono::milliseconds>(int64_t{ticks} * 4us);
  if (initial_sequence(config, family, found) < static_cast<uint32_t>(-1300)) {
    throw Failure("initial sequence numbers do not go with a clock of 4 us");
  }
  return found;
}

Time start_time(const tcp::Config& config, int family, Start start) {
  switch (start) {
    case Start::plain:
      break;
    case Start::sequences_wrap:
      return time_of_wrap(config, family);
    case Start::clock_wraps:
      return kClockWrap - 500ms;
  }
  return kPlainStart;
}

}  // namespace

Runner::Runner(const Script& script, int family, Start start)
    : script_(script),
      family_(family),
      start_(start),
      now_(start_time(script.config, family, start)),
      begun_(now_),
      last_(now_),
      buffers_(kBuffers, kBufferBytes),
      engine_(script.config, secret(), now_) {}

void Runner::run() {
  for (size_t i = 0; i < script_.steps.size(); ++i) {
    const Step& step = script_.steps[i];
    try {
      perform(step);
      if (step.kind != Step::Kind::expect && (i + 1 == script_.steps.size() || !script_.steps[i + 1].same_turn)) {
        flush();
      }
    } catch (const Failure& failure) {
      throw Failure(step.place + ", " + seconds(now_) + ": " + failure.what() + "\n    " + step.text + unexpected());
    }
  }
  try {
    finish();
  } catch (const Failure& failure) {
    throw Failure(script_.name + ", at the end: " + failure.what() + unexpected());
  }
}

void Runner::perform(const Step& step) {
  if (step.kind == Step::Kind::expect) {
    return expect(step);
  }
  if (!step.same_turn) {
    go_to(last_ + step.earliest, false);
    last_ += step.earliest;
    if (!sent_.empty()) {
      throw Failure("before this, something was sent that nobody expects");
    }
  }
  return step.kind == Step::Kind::arrive ? arrive(step) : command(step);
}

void Runner::arrive(const Step& step) {
  Peer& from = peer(step.connection);
  std::vector<std::byte> options;
  tcp::Segment segment = from.segment(step.segment, options);
  if (step.segment.length > 0) {
    segment.payload = slice(from.payload(step.segment));
  }
  engine_.input({&segment, 1}, now_, output_);
  collect();
}

void Runner::expect(const Step& step) {
  const Time earliest = last_ + step.earliest;
  if (sent_.empty()) {
    go_to(last_ + step.latest, true);
  }
  if (sent_.empty()) {
    const std::optional<Time> next = engine_.next_deadline(now_);
    throw Failure("nothing was sent; the engine's next deadline is " + (next ? seconds(*next) : "never"));
  }
  const Sent& first = sent_.front();
  if (first.at < earliest || first.at > last_ + step.latest) {
    throw Failure("sent at another time, " + seconds(first.at) + " instead of " + seconds(earliest));
  }
  if (first.header.pair != peer(step.connection).pair()) {
    throw Failure("sent on another connection");
  }
  peer(step.connection).match(step.segment, first);
  last_ = first.at;
  sent_.pop_front();
}

/// @param until_sent stop as soon as there is something to look at
void Runner::go_to(Time target, bool until_sent) {
  for (int turns = 0; !(until_sent && !sent_.empty()); ++turns) {
    if (turns == kMostTurns) {
      throw Failure("the engine asks for turn after turn");
    }
    const Time next = std::min(engine_.next_deadline(now_).value_or(Time::max()), now_ + kLongestRest);
    if (next > target) {
      now_ = target;
      return;
    }
    now_ = std::max(now_, next);
    turn();
  }
}

void Runner::turn() {
  while (engine_.advance(now_, output_)) {
  }
  flush();
}

void Runner::flush() {
  engine_.flush(now_, output_);
  collect();
}

/// What came out of a call.
void Runner::collect() {
  std::vector<Sent> sent;
  for (const tcp::Transmission& header : output_.segments) {
    Sent& one = sent.emplace_back();
    one.at = now_;
    one.header = header;
    for (uint32_t i = 0; i < header.slice_count; ++i) {
      const std::span<const std::byte> bytes = output_.slices.at(header.first_slice + i).bytes();
      one.payload.insert(one.payload.end(), bytes.begin(), bytes.end());
    }
  }
  for (const tcp::Event& event : output_.events) {
    if ((event.what & tcp::event::accepted) != 0 && engine_.pair(event.id) != nullptr) {
      peer_of(*engine_.pair(event.id))->id = event.id;
    }
    for (auto& [number, each] : peers_) {
      if (each.id == event.id) {
        each.events |= event.what;
      }
    }
  }
  output_.clear();
  for (Sent& one : sent) {
    Peer* to = peer_of(one.header.pair);
    if (to == nullptr) {
      throw Failure("sent to nobody that the script knows");
    }
    sent_.push_back(one);  // first, so that what is wrong is shown
    if (one.payload.size() != one.header.payload_length) {
      throw Failure("sent slices that are not as long as the payload");
    }
    sent_.back().options = read_options(std::span(one.header.options).first(one.header.options_length));
    to->watch(sent_.back());
  }
}

void Runner::finish() {
  if (!sent_.empty()) {
    throw Failure("something was sent that nobody expects");
  }
  for (auto& [number, each] : peers_) {
    if ((each.events & (tcp::event::reset | tcp::event::timed_out)) != 0) {
      throw Failure("connection " + std::to_string(number) + " was reset or timed out, and nobody expects that");
    }
    finish_reading(each);
  }
  flush();
  for (const Time end = now_ + kAfterlife; engine_.connections() + engine_.half_open() > 0;) {
    const std::optional<Time> next = engine_.next_deadline(now_);
    if (!next || *next > end) {
      throw Failure("a connection stays for ever");
    }
    now_ = std::max(now_, *next);
    turn();
  }
  sent_.clear();
  if (engine_.pieces() != 0) {
    throw Failure(std::to_string(engine_.pieces()) + " pieces are lost");
  }
  if (!buffers_.is_whole()) {
    throw Failure("buffers are lost");
  }
}

/// What nobody has read is right, too.
void Runner::finish_reading(Peer& each) {
  if (each.id && engine_.is_open(*each.id)) {
    read(each, engine_.readable(*each.id));
    engine_.abort(*each.id);
  }
}

Peer& Runner::peer(uint32_t connection) {
  const tcp::Seq first(start_ == Start::sequences_wrap ? static_cast<uint32_t>(-1000) : 1'000'000 * connection);
  return peers_.try_emplace(connection, pair_of(connection, family_), first, script_.config.mtu).first->second;
}

Peer* Runner::peer_of(const tcp::SocketPair& pair) {
  const auto found = std::find_if(peers_.begin(), peers_.end(), [&](auto& each) { return each.second.pair() == pair; });
  return found == peers_.end() ? nullptr : &found->second;
}

buffer::Slice Runner::slice(std::vector<std::byte> bytes) {
  buffer::Buffer* buffer = buffers_.pool().take();
  if (buffer == nullptr || bytes.size() > buffer->capacity) {
    throw Failure("the script's buffers do not suffice");
  }
  std::copy(bytes.begin(), bytes.end(), buffer->bytes);
  return {buffer, 0, static_cast<uint16_t>(bytes.size())};
}

bool Runner::write(Peer& to, uint64_t bytes) {
  while (bytes > 0) {
    std::vector<std::byte> some(std::min<uint64_t>(bytes, kBufferBytes));
    for (size_t i = 0; i < some.size(); ++i) {
      some[i] = byte_at(false, to.written + i);
    }
    if (!engine_.write(*to.id, slice(some))) {
      return false;
    }
    to.written += some.size();
    bytes -= some.size();
  }
  return true;
}

void Runner::read(Peer& from, uint64_t bytes) {
  if (engine_.readable(*from.id) < bytes) {
    throw Failure("only " + std::to_string(engine_.readable(*from.id)) + " bytes are readable");
  }
  while (bytes > 0) {
    const buffer::Slice* front = engine_.front(*from.id);
    if (front == nullptr || front->empty()) {
      throw Failure("nothing is at the front, though bytes are readable");
    }
    const size_t some = std::min<uint64_t>(bytes, front->size());
    for (size_t i = 0; i < some; ++i) {
      if (front->bytes()[i] != byte_at(true, from.read + i)) {
        throw Failure("another byte than the peer's, at " + std::to_string(from.read + i));
      }
    }
    engine_.consume(*from.id, some);
    from.read += some;
    bytes -= some;
  }
}

std::string Runner::seconds(Time at) const {
  const auto micros = std::chrono::duration_cast<std::chrono::microseconds>(at - begun_).count();
  std::array<char, 32> text;
  std::snprintf(text.data(), text.size(), "at %lld.%03lld ms", static_cast<long long>(micros / 1000),
                static_cast<long long>(micros % 1000));
  return text.data();
}

std::string Runner::unexpected() const {
  std::string text;
  for (const Sent& one : sent_) {
    for (const auto& [number, each] : peers_) {
      if (each.pair() == one.header.pair) {
        text += "\n    sent " + seconds(one.at) + (number == 1 ? "" : " on " + std::to_string(number)) + ": " +
                each.describe(one);
      }
    }
  }
  return text;
}

}  // namespace weft::conformance
