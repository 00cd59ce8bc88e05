// SPDX-License-Identifier: Apache-2.0
/// @file Two engines with a perfect wire between them: what applications see.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "packet/checksum.h"
#include "tcp_host.h"

namespace weft::tcp {
namespace {

using std::chrono::milliseconds;

class TwoHosts : public ::testing::Test {
 protected:
  static constexpr lb::Address kClient{lb::Ipv4Address{0x0100000a}};
  static constexpr lb::Address kServer{lb::Ipv4Address{0x0200000a}};

  TwoHosts() { server.engine.listen(kServer, lb::port_from_host(80), 7); }

  void carry(Host& from, Host& to) { carried += tcp::carry(from, to, now); }
  /// Until neither has anything to say.
  void settle() {
    for (size_t before = carried - 1; before != carried;) {
      before = carried;
      carry(client, server);
      carry(server, client);
    }
  }
  void pass(milliseconds time) {
    for (milliseconds passed{0}; passed < time; ++passed) {
      now += milliseconds(1);
      client.engine.advance(now, client.output);
      server.engine.advance(now, server.output);
      settle();
    }
  }
  void open() {
    const auto id =
        client.engine.connect({kClient, kServer, lb::port_from_host(40000), lb::port_from_host(80)}, 1, now);
    ASSERT_TRUE(id);
    at_client = *id;
    settle();
    ASSERT_EQ(server.events.size(), 1);
    EXPECT_EQ(server.events[0].what, event::accepted);
    EXPECT_EQ(server.events[0].user, 7);
    at_server = server.events[0].id;
    ASSERT_EQ(client.events.size(), 1);
    EXPECT_EQ(client.events[0].what, event::connected);
  }

  time::Time now{std::chrono::seconds(5)};
  Host client{1};
  Host server{2};
  ConnectionId at_client;
  ConnectionId at_server;
  size_t carried = 0;
};

TEST_F(TwoHosts, AnswerNothingBetweenTwoFamilies) {
  const lb::Address own(lb::parse_ipv6("fd00::1").value());
  server.engine.listen(own, lb::port_from_host(80), 1);
  for (const uint8_t flags : {flag::syn, flag::ack}) {
    Segment segment;
    segment.pair = {own, kClient, lb::port_from_host(80), lb::port_from_host(40000)};
    segment.flags = flags;
    server.engine.input({&segment, 1}, now, server.output);
  }
  server.engine.flush(now, server.output);
  EXPECT_TRUE(server.output.segments.empty());
  EXPECT_EQ(server.engine.counters().invalid, 2);
}

TEST_F(TwoHosts, AnswerNothingToWhomTheListenerDoesNotTalk) {
  open();
  for (const uint8_t flags : {flag::ack, uint8_t{flag::ack | flag::fin}, uint8_t{flag::syn | flag::ack}}) {
    Segment segment;
    segment.pair = {kServer, kClient, lb::port_from_host(80), lb::port_from_host(41000)};
    segment.flags = flags;
    segment.listener = Segment::kSilent;
    server.engine.input({&segment, 1}, now, server.output);
  }
  server.engine.flush(now, server.output);
  EXPECT_TRUE(server.output.segments.empty());
  EXPECT_EQ(server.engine.counters().refused, 0);
}

TEST_F(TwoHosts, AbortAllTheirConnectionsInShares) {
  open();
  const auto other =
      client.engine.connect({kClient, kServer, lb::port_from_host(40001), lb::port_from_host(80)}, 1, now);
  ASSERT_TRUE(other);
  settle();
  const SocketPair pair = *client.engine.pair(at_client);
  EXPECT_EQ(client.engine.connection_of(pair), at_client);
  uint32_t calls = 0;
  uint32_t at = 0;
  do {
    at = client.engine.abort_from(at, 100);
    settle();
    ++calls;
  } while (at != 0);
  EXPECT_EQ(calls, (Config{}.connections + 99) / 100);
  EXPECT_EQ(client.engine.connections(), 0);
  EXPECT_EQ(client.engine.connection_of(pair), std::nullopt);
  EXPECT_EQ(server.engine.counters().resets_received, 2);
}

TEST_F(TwoHosts, SendNoMoreThanTheirBudget) {
  open();
  ASSERT_TRUE(client.engine.write(at_client, client.slice_of(std::string(1448, 'x'))));
  for (int i = 0; i < 9; ++i) {
    ASSERT_TRUE(client.engine.write(at_client, client.slice_of(std::string(1448, 'x'))));
  }
  const auto flushed = [&] {
    const size_t before = client.output.segments.size();
    const bool more = client.engine.flush(now, client.output, 4);
    return std::pair(client.output.segments.size() - before, more);
  };
  EXPECT_EQ(flushed(), std::pair(size_t{4}, true));
  EXPECT_EQ(client.engine.next_deadline(now), now);
  EXPECT_EQ(flushed(), std::pair(size_t{4}, true));
  EXPECT_EQ(flushed(), std::pair(size_t{2}, false)) << "and not one twice";
  settle();
  EXPECT_EQ(server.read(at_server).size(), 10 * 1448);
}

TEST_F(TwoHosts, ConnectByAnAnswerThatComesBeforeTheSynIsRepeated) {
  const auto id = client.engine.connect({kClient, kServer, lb::port_from_host(40000), lb::port_from_host(80)}, 1, now);
  ASSERT_TRUE(id);
  carry(client, server);
  now += std::chrono::seconds(1);
  client.engine.advance(now, client.output);  // and the flush after it has no budget left for this one
  carry(server, client);
  EXPECT_EQ(client.engine.state(*id), State::established);
  EXPECT_EQ(client.engine.counters().resets_sent, 0);
  settle();
  ASSERT_EQ(server.events.size(), 1);
  EXPECT_EQ(server.events[0].what, event::accepted);
}

TEST_F(TwoHosts, CarryOverASumThatIsCut) {
  open();
  std::string text(2000, '\0');
  for (size_t i = 0; i < text.size(); ++i) {
    text[i] = static_cast<char>(i * 7 % 251);
  }
  for (const size_t size : {1449U, 1600U, 1999U, 2000U}) {
    buffer::Slice slice = client.slice_of(text.substr(0, size));
    slice.set_sum(packet::fold(packet::sum_of(slice.bytes())));
    ASSERT_TRUE(client.engine.write(at_client, std::move(slice)));
    client.engine.flush(now, client.output);
    for (const buffer::Slice& part : client.output.slices) {
      ASSERT_TRUE(part.is_summed());
      EXPECT_EQ(part.sum() % 0xffff, packet::fold(packet::sum_of(part.bytes())) % 0xffff)
          << part.size() << " of " << size;
    }
    settle();
    EXPECT_EQ(server.read(at_server), text.substr(0, size));
  }
}

TEST_F(TwoHosts, OpenExchangeAndClose) {
  open();
  EXPECT_TRUE(client.engine.write(at_client, client.slice_of("question")));
  settle();
  EXPECT_EQ(server.read(at_server), "question");
  EXPECT_TRUE(server.engine.write(at_server, server.slice_of("answer")));
  server.engine.shutdown(at_server);
  settle();
  EXPECT_EQ(client.read(at_client), "answer");
  EXPECT_TRUE(client.engine.is_at_end(at_client));
  client.engine.close(at_client);
  settle();
  pass(milliseconds(50));
  EXPECT_EQ(client.engine.connections(), 0);
  EXPECT_EQ(server.engine.connections(), 0);
  EXPECT_EQ(server.engine.time_waits(), 1);
  EXPECT_EQ(server.events.back().what & event::closed, event::closed);
  EXPECT_EQ(client.engine.pieces() + server.engine.pieces(), 0);
  EXPECT_TRUE(client.buffers.is_whole());
  EXPECT_TRUE(server.buffers.is_whole());
  pass(milliseconds(61'000));
  EXPECT_EQ(server.engine.time_waits(), 0);
  EXPECT_EQ(server.engine.next_deadline(now), std::nullopt);
}

/// RFC 9293, section 3.6.1: also of one that sent faster than the clock of first sequence numbers ticks.
TEST_F(TwoHosts, TakeOverATimeWaitBeyondItsNumbers) {
  open();
  for (int i = 0; i < 400; ++i) {
    ASSERT_TRUE(client.engine.write(at_client, client.slice_of(std::string(1000, 'x'))));
    settle();
    server.read(at_server);
  }
  settle();
  client.engine.close(at_client);
  settle();
  const Seq last = client.engine.look(at_client)->send_next;
  const SocketPair pair = *client.engine.pair(at_client);
  server.engine.close(at_server);
  settle();
  ASSERT_EQ(client.engine.time_waits(), 1);
  pass(milliseconds(1000));
  ASSERT_TRUE(client.engine.connect(pair, 1, now));
  client.engine.flush(now, client.output);
  ASSERT_EQ(client.output.segments.size(), 1);
  EXPECT_GT(client.output.segments[0].sequence, last);
}

TEST_F(TwoHosts, ReadingNothingSendsNothing) {
  const auto id = client.engine.connect({kClient, kServer, lb::port_from_host(40000), lb::port_from_host(80)}, 1, now);
  ASSERT_TRUE(id);
  client.engine.flush(now, client.output);
  ASSERT_EQ(client.output.segments.size(), 1);
  client.engine.consume(*id, 1);  // there is none, and no peer whom a larger window could be told
  client.engine.flush(now, client.output);
  EXPECT_EQ(client.output.segments.size(), 1);
}

/// What was promised is held when it comes, to the last byte, and however few pieces there are: refused, it would look
/// lost.
TEST_F(TwoHosts, PromiseWhatTheyCanHold) {
  for (const uint32_t pieces : {1024, 16384}) {
    SCOPED_TRACE(pieces);
    Host sender{1};
    Host receiver{2, {.pieces = pieces}};
    receiver.engine.listen(kServer, lb::port_from_host(80), 7);
    const auto id =
        sender.engine.connect({kClient, kServer, lb::port_from_host(40000), lb::port_from_host(80)}, 1, now);
    ASSERT_TRUE(id);
    for (int i = 0; i < 1000; ++i) {  // nobody reads
      tcp::carry(sender, receiver, now);
      tcp::carry(receiver, sender, now);
      sender.engine.write(*id, sender.slice_of(std::string(1400, 'x')));  // one at a time: many acknowledgments
      now += milliseconds(1);
      sender.engine.advance(now, sender.output);
      receiver.engine.advance(now, receiver.output);
    }
    EXPECT_EQ(receiver.engine.counters().out_of_memory, 0);
    EXPECT_EQ(sender.engine.counters().retransmitted, 0);
    EXPECT_GT(receiver.engine.counters().bytes_received, pieces == 1024 ? 100'000 : 1'000'000);
  }
}

TEST_F(TwoHosts, CarryMuch) {
  open();
  std::string sent;
  std::string got;
  for (int i = 0; i < 2000; ++i) {
    const std::string some(1 + i % 2000, static_cast<char>('a' + i % 26));
    while (!client.engine.write(at_client, client.slice_of(some))) {
      settle();
      pass(milliseconds(1));
      got += server.read(at_server);
    }
    sent += some;
  }
  settle();
  pass(milliseconds(50));
  got += server.read(at_server);
  EXPECT_EQ(got.size(), sent.size());
  EXPECT_EQ(got, sent);
  EXPECT_EQ(client.engine.counters().retransmitted, 0);
  EXPECT_GT(server.engine.counters().predicted, 1000);
}

/// Two hosts of which one has few pieces, and three connections.
class FewPieces : public TwoHosts {
 protected:
  FewPieces() {
    for (uint16_t i = 0; i < 3; ++i) {
      ids[i] = *few.engine.connect({kClient, kServer, lb::port_from_host(40000 + i), lb::port_from_host(80)}, i, now);
    }
    carry(few, server);
    carry(server, few);
    carry(few, server);
  }
  bool write(size_t connection, size_t size) {
    return few.engine.write(ids[connection], few.slice_of(std::string(size, 'x')));
  }

  Host few{3, {.pieces = 32}};
  std::array<ConnectionId, 3> ids;
};

/// Those who fill what they may leave something to those who hold next to nothing.
TEST(Pieces, AreNotAllTheHoarders) {
  constexpr uint32_t kPieces = 7168;
  constexpr uint32_t kHoarders = 400;
  Pieces pieces(kPieces);
  std::array<uint32_t, kHoarders> held{};
  for (bool took = true; took;) {
    took = false;
    for (uint32_t& each : held) {
      if (pieces.may_receive() && pieces.may_hold(each)) {
        pieces.take();
        pieces.count_received();
        ++each;
        took = true;
      }
    }
  }
  EXPECT_GE(pieces.free(), kPieces / 4 - 1);
  for (uint32_t newcomer = 0; newcomer < 100; ++newcomer) {
    EXPECT_TRUE(pieces.may_receive() && pieces.may_hold(0) && pieces.may_move());
    pieces.take();
  }
}

TEST_F(FewPieces, GiveTheFirstThatIsFreeToAFinAlsoOfOneThatWantedToWrite) {
  for (const Event& event : server.events) {
    ASSERT_TRUE(server.engine.write(event.id, server.slice_of(std::string(1000, 'y'))));
    server.engine.flush(now, server.output);
    ASSERT_TRUE(server.engine.write(event.id, server.slice_of(std::string(1000, 'y'))));
  }
  carry(server, few);
  while (write(0, 2000)) {
  }
  while (write(1, 2000)) {
  }
  EXPECT_FALSE(write(2, 2000));
  few.engine.flush(now, few.output);  // cuts what is too long
  ASSERT_EQ(few.engine.pieces(), 32);
  few.engine.shutdown(ids[2]);
  few.engine.flush(now, few.output);
  few.output.clear();
  few.engine.consume(ids[2], 1000);
  ASSERT_EQ(few.engine.pieces(), 31);
  few.engine.flush(now, few.output);
  ASSERT_FALSE(few.output.segments.empty());
  EXPECT_TRUE((few.output.segments.back().flags & flag::fin) != 0);
}

/// A host that has much on its way, in small segments, to a peer that is made of what it says.
class LongQueue : public ::testing::Test {
 protected:
  static constexpr uint32_t kBytes = 1000;  ///< of a segment
  static constexpr uint32_t kSegments = 3000;

  LongQueue() {
    host.engine.listen(pair.local, pair.local_port, 1);
    say(flag::syn, Seq(), {.mss = kBytes, .window_shift = 14, .sack_permitted = true});
    first = host.output.segments.at(0).sequence + 1;
    say(flag::ack, first, {});
    id = host.output.events.at(0).id;
    while (host.engine.look(id)->congestion_window < kSegments * kBytes) {  // slow start
      fill();
      first = host.engine.look(id)->send_next;
      now += std::chrono::milliseconds(10);
      say(flag::ack, first, {});
    }
    fill();
    now += std::chrono::milliseconds(10);
  }
  void say(uint8_t flags, Seq acknowledgment, const Options& options) {
    std::array<std::byte, kMaxOptions> bytes;
    Segment segment;
    segment.pair = pair;
    segment.flags = flags;
    segment.sequence = Seq((flags & flag::syn) != 0 ? 0 : 1);
    segment.acknowledgment = acknowledgment;
    segment.window = UINT16_MAX;
    segment.options = bytes.data();
    segment.options_length = encode_options(options, bytes);
    host.output.segments.clear();
    host.output.slices.clear();
    host.engine.input({&segment, 1}, now, host.output);
  }
  void fill() {
    while (host.engine.look(id)->send_pieces < kSegments &&
           host.engine.write(id, host.slice_of(std::string(kBytes, 'x')))) {
    }
    host.engine.flush(now, host.output);
    host.output.segments.clear();
    host.output.slices.clear();
  }
  /// That it has so many segments from one on, and not the first.
  void sack(uint32_t from, uint32_t count) {
    const Seq begin = first + from * kBytes;
    say(flag::ack, first, {.block_count = 1, .blocks = {{{begin, begin + count * kBytes}}}});
  }
  uint32_t sacked() const { return host.engine.details(id)->sacked_bytes / kBytes; }

  const SocketPair pair{lb::Address(lb::Ipv4Address{0x0200000a}), lb::Address(lb::Ipv4Address{0x0100000a}),
                        lb::port_from_host(80), lb::port_from_host(40000)};
  time::Time now{std::chrono::seconds(5)};
  Host host{1, {.pieces = 65536}};
  ConnectionId id;
  Seq first;
};

TEST_F(LongQueue, IsNotWalkedAlongForWhatWasSackedBefore) {
  ASSERT_EQ(host.engine.look(id)->send_pieces, kSegments);
  for (uint32_t count = 1; count < kSegments; ++count) {
    now += std::chrono::milliseconds(count % 1000 == 0 ? 1 : 0);  // as many in one
    sack(1, count);
    ASSERT_EQ(sacked(), count);
  }
}

TEST_F(LongQueue, IsWalkedAlongSoOftenInAMillisecond) {
  uint32_t heard = 0;
  for (uint32_t segment = 1; segment < kSegments; segment += 2) {  // each between two gaps
    const uint32_t before = sacked();
    sack(segment, 1);
    heard += sacked() - before;
  }
  EXPECT_GT(heard, 50);
  EXPECT_LT(heard, kSegments / 10);
  now += std::chrono::milliseconds(1);
  const uint32_t before = sacked();
  sack(kSegments - 1, 1);
  EXPECT_EQ(sacked(), before + 1) << "and again in the next";
}

}  // namespace
}  // namespace weft::tcp
