// SPDX-License-Identifier: Apache-2.0
#include "tcp_session.h"

#include <algorithm>

#include "tcp_trace.h"

namespace weft::simulation {
namespace {

/// After so long without a sign an application gives up: of a peer that vanished nobody tells one that only listens.
constexpr Time kPatience = 40min;
/// Before an application asks again for what ran out.
constexpr Time kRetry = 3ms;
constexpr Time kRetryConnect = 500ms;
constexpr Time kTakenOver = 1s;  ///< at the earliest, and when both send timestamps
constexpr uint32_t kListener = UINT32_MAX;

uint64_t stream_key(uint32_t session, bool of_client) {
  return uint64_t{session} * 7919 + (of_client ? 1 : 31337);
}

}  // namespace

End::End(Host& host, const Habits& habits, uint64_t writes, uint64_t reads, uint64_t reads_in_all, bool may_fail)
    : host_(host), habits_(habits), writes_(writes), reads_(reads), reads_in_all_(reads_in_all), may_fail_(may_fail) {}

bool End::connect(const tcp::SocketPair& pair, uint32_t user, Time now) {
  if (!host_.engine.is_free(pair, host_.local(now))) {
    return false;
  }
  const std::optional<tcp::ConnectionId> id = host_.engine.connect(pair, user, host_.local(now));
  if (!id) {
    return false;
  }
  begin(*id, now);
  if (host_.random.chance(30)) {
    act(now);  // what it writes waits for the connection
  } else {
    write_at_ = read_at_ = kNever;
  }
  return true;
}

void End::was_accepted(tcp::ConnectionId id, uint32_t user, Time now) {
  host_.engine.set_user(id, user);
  begin(id, now);
}

void End::begin(tcp::ConnectionId id, Time now) {
  id_ = id;
  began_ = true;
  heard_at_ = now;
  host_.watch(id);
}

void End::handle(const tcp::Event& event, Time now) {
  if (event.id != id_ || !began_) {
    fail("an event of another connection: " + event_names(event.what));
  }
  if (outcome_ != Outcome::open) {
    fail("after the end: " + event_names(event.what));
  }
  const Time silence = now - heard_at_;
  heard_at_ = now;
  if ((event.what & (tcp::event::connected | tcp::event::accepted)) != 0) {
    met_ = true;
    if (write_at_ == kNever) {
      write_at_ = read_at_ = now;
    }
  }
  if ((event.what & tcp::event::writable) != 0) {
    if (!was_refused_) {
      fail("writable, and nobody asked");
    }
    was_refused_ = false;
    waits_for_room_ = false;  // room may be gone again: pieces are all connections', and windows shrink
  }
  if ((event.what & tcp::event::readable) != 0) {
    if (host_.engine.readable(id_) == 0) {
      fail("readable, and nothing is there");
    }
    something_to_read_ = true;
  }
  if ((event.what & tcp::event::peer_closed) != 0) {
    if (peer_closed_) {
      fail("closed by the peer a second time");
    }
    peer_closed_ = true;
  }
  if ((event.what & tcp::event::closed) != 0) {
    if (!shut_down_ || !peer_closed_ || read_ != reads_in_all_ || written_ != habits_.bytes) {
      fail("closed before its time");
    }
    leave(Outcome::closed);
  } else if ((event.what & tcp::event::reset) != 0) {
    // Who has said and heard all, and only lacks the last acknowledgment, gets a reset once the peer's TIME-WAIT is
    // over, or the peer has taken the pair for another connection.
    const bool is_done = shut_down_ && written_ == habits_.bytes && read_ == reads_in_all_ && silence >= kTakenOver;
    leave(!met_ ? Outcome::refused : is_done ? Outcome::closed : Outcome::reset);
  } else if ((event.what & tcp::event::timed_out) != 0) {
    leave(Outcome::timed_out);
  } else {
    act(now);
  }
}

void End::act(Time now) {
  if (!began_ || outcome_ != Outcome::open) {
    return;
  }
  const uint64_t before = read_ + written_;
  read(now);
  write(now);
  end_if_done(now);
  if (read_ + written_ != before) {
    heard_at_ = now;
  } else if (outcome_ == Outcome::open && now >= heard_at_ + kPatience) {
    host_.engine.abort(id_);
    leave(Outcome::gave_up);
  }
}

Time End::due() const {
  if (!began_ || outcome_ != Outcome::open) {
    return kNever;
  }
  Time due = heard_at_ + kPatience;
  if (written_ < habits_.bytes && !waits_for_room_) {
    due = std::min(due, write_at_);
  }
  if (something_to_read_) {
    due = std::min(due, read_at_);
  }
  return due;
}

void End::read(Time now) {
  while (something_to_read_ && now >= read_at_) {
    const size_t some = std::min<uint64_t>(host_.engine.readable(id_), habits_.read_size);
    take(some);
    something_to_read_ = host_.engine.readable(id_) > 0;
    if (read_ >= habits_.stall_at && !stalled_) {
      stalled_ = true;
      read_at_ = now + habits_.stall;
    } else if (habits_.read_pause > Time{}) {
      read_at_ = now + habits_.read_pause;
    }
  }
}

/// One of the two ways to read, and what was read is what was written.
void End::take(size_t bytes) {
  while (bytes > 0) {
    const buffer::Slice* const front = host_.engine.front(id_);
    if (front == nullptr || front->empty()) {
      fail(std::to_string(bytes) + " bytes to read, but " + (front == nullptr ? "nothing" : "an empty slice") +
           " at the front");
    }
    const size_t some = std::min(bytes, front->size());
    if (read_ + some > reads_in_all_) {
      fail("more bytes than were written");
    }
    if (!reads_.is_at(read_, front->bytes().first(some))) {
      fail("other bytes than were written, within " + std::to_string(some) + " from " + std::to_string(read_) + " on");
    }
    if (some == front->size() && host_.random.chance(50)) {
      const buffer::Slice taken = host_.engine.take(id_);
      if (taken.size() != some) {
        fail("another slice than was at the front");
      }
    } else {
      host_.engine.consume(id_, some);
    }
    read_ += some;
    bytes -= some;
  }
}

void End::write(Time now) {
  while (written_ < habits_.bytes && !waits_for_room_ && now >= write_at_) {
    if (of_this_write_ == 0) {
      of_this_write_ = std::min(host_.random.of_any_size(1, habits_.write_size), habits_.bytes - written_);
    }
    const size_t room = host_.engine.room(id_);
    uint64_t some = std::min<uint64_t>(of_this_write_, host_.config.send_buffer_bytes);
    if (room > 0 && host_.random.chance(70)) {
      some = std::min<uint64_t>(some, room);
    }
    buffer::Slice slice = host_.slice(static_cast<uint16_t>(std::min<uint64_t>(some, UINT16_MAX)));
    if (slice.empty()) {
      write_at_ = now + kRetry;
      return;
    }
    const size_t size = slice.size();
    writes_.write(written_, slice.writable());
    if (!host_.engine.write(id_, std::move(slice))) {
      if (size <= room) {
        fail("a write refused that there was room for");
      }
      was_refused_ = true;
      if (room > 0) {
        continue;  // there is room for less: nobody would tell of it
      }
      waits_for_room_ = true;
      return;
    }
    if (size > room) {
      fail("a write beyond the room");
    }
    written_ += size;
    of_this_write_ -= size;
    if (of_this_write_ == 0 && habits_.write_pause > Time{}) {
      write_at_ = now + habits_.write_pause;
    }
  }
}

void End::end_if_done(Time) {
  const bool all_written = written_ == habits_.bytes;
  const bool at_end = host_.engine.is_at_end(id_);
  if (at_end && (read_ != reads_in_all_ || !peer_closed_)) {
    fail("at the end before its time");
  }
  switch (habits_.ending) {
    case Habits::Ending::shutdown:
    case Habits::Ending::follow:
      if (all_written && !shut_down_ && (habits_.ending == Habits::Ending::shutdown || at_end)) {
        host_.engine.shutdown(id_);
        shut_down_ = true;
      }
      break;
    case Habits::Ending::close:
    case Habits::Ending::hang_up:
      if (all_written && (habits_.ending == Habits::Ending::hang_up || at_end)) {
        host_.engine.close(id_);
        leave(Outcome::left);
      }
      break;
    case Habits::Ending::abort:
      if (written_ + read_ >= habits_.abort_at) {
        host_.engine.abort(id_);
        leave(Outcome::left);
      }
      break;
  }
}

void End::leave(Outcome outcome) {
  outcome_ = outcome;
  const bool is_fine =
      outcome == Outcome::closed || outcome == Outcome::left || (outcome == Outcome::refused && habits_.may_be_refused);
  if (!may_fail_ && !is_fine) {
    fail("it does not end in order: " + describe());
  }
}

std::string End::describe() const {
  constexpr const char* kNames[] = {"open", "closed", "left", "refused", "reset", "timed out", "gave up"};
  return std::string(1, static_cast<char>('A' + host_.index)) + "'s end: " + kNames[static_cast<size_t>(outcome_)] +
         ", wrote " + std::to_string(written_) + " of " + std::to_string(habits_.bytes) + ", read " +
         std::to_string(read_) + " of " + std::to_string(reads_in_all_);
}

void End::fail(const std::string& what) const {
  throw Violation("host " + std::string(1, static_cast<char>('A' + host_.index)) + ", connection " +
                  std::to_string(id_.index) + "." + std::to_string(id_.generation) + ": " + what);
}

Sessions::Sessions(Host& client, Host& server, Host* relay, std::vector<SessionPlan> plans, bool harsh)
    : client_host_(client),
      server_host_(server),
      relay_host_(relay),
      client_(*this, client, true),
      server_(*this, server, false),
      relay_(*this, relay),
      harsh_(harsh) {
  for (const lb::Family family : {lb::Family::ipv4, lb::Family::ipv6}) {
    server.engine.listen(server.address(family), lb::port_from_host(kServerPort), kListener);
    if (relay != nullptr) {
      relay->engine.listen(relay->address(family), lb::port_from_host(kRelayPort), kListener);
    }
  }
  for (uint32_t i = 0; i < plans.size(); ++i) {
    const SessionPlan& plan = plans[i];
    const bool may_fail = harsh || plan.is_rude();
    sessions_.push_back({.plan = plan,
                         .client = std::make_unique<End>(client, plan.client, stream_key(i, true), stream_key(i, false),
                                                         plan.server.bytes, may_fail),
                         .server = std::make_unique<End>(server, plan.server, stream_key(i, false), stream_key(i, true),
                                                         plan.client.bytes, may_fail)});
  }
}

End& Sessions::Side::end(uint32_t session) const {
  if (session >= sessions_.sessions_.size()) {
    throw Violation("an event with a user that nobody set: " + std::to_string(session));
  }
  return is_client_ ? *sessions_.sessions_[session].client : *sessions_.sessions_[session].server;
}

void Sessions::Side::handle(const tcp::Event& event, Time now) {
  if ((event.what & tcp::event::accepted) == 0) {
    end(event.user).handle(event, now);
    return;
  }
  if (event.user != kListener) {
    throw Violation("accepted with another user than the listener's");
  }
  const tcp::SocketPair* const pair = host_.engine.pair(event.id);
  if (pair == nullptr) {
    return;  // it has ended in the same batch: nothing is known of it
  }
  const auto found = sessions_.by_pair_.find(mirrored(*pair));
  if (found == sessions_.by_pair_.end()) {
    throw Violation("accepted from where nobody connected");
  }
  End& accepted = end(found->second);
  if (accepted.began()) {
    // With cookies, a segment that comes again makes a connection of one that has ended.
    host_.engine.abort(event.id);
    host_.watch(event.id);
    return;
  }
  accepted.was_accepted(event.id, found->second, now);
  accepted.handle(event, now);
}

void Sessions::Side::act(Time now) {
  started_.resize(sessions_.sessions_.size());
  for (uint32_t i = 0; i < started_.size(); ++i) {
    Session& session = sessions_.sessions_[i];
    const SessionPlan& plan = session.plan;
    if (!started_[i] && connects(plan) && now >= plan.start) {
      const Host& to = !is_client_    ? sessions_.client_host_
                       : plan.relayed ? *sessions_.relay_host_
                                      : sessions_.server_host_;
      const uint16_t listens = plan.relayed ? kRelayPort : kServerPort;
      // Of a simultaneous open, no side has a port that is listened at.
      const lb::Port server_port = plan.simultaneous ? plan.client_port : lb::port_from_host(listens);
      const tcp::SocketPair pair{.local = host_.address(plan.family),
                                 .remote = to.address(plan.family),
                                 .local_port = is_client_ ? plan.client_port : server_port,
                                 .remote_port = is_client_ ? server_port : plan.client_port};
      // Of a connection that was cut off, old segments may still arrive, and begin it again at the peer.
      const auto last = sessions_.by_pair_.find(pair);
      if (last != sessions_.by_pair_.end() && end(last->second).outcome() != End::Outcome::closed) {
        session.plan.start = now + kRetryConnect;
        session.plan.client_port = lb::port_from_host(static_cast<uint16_t>(lb::to_host(plan.client_port) + 512));
        continue;
      }
      started_[i] = end(i).connect(pair, i, now);
      if (started_[i]) {
        sessions_.by_pair_[pair] = i;
      } else {
        session.plan.start = now + kRetryConnect;
      }
    }
    end(i).act(now);
  }
}

Time Sessions::Side::due() const {
  Time due = kNever;
  for (uint32_t i = 0; i < sessions_.sessions_.size(); ++i) {
    const bool starts = connects(sessions_.sessions_[i].plan) && (i >= started_.size() || !started_[i]);
    due = std::min(due, starts ? sessions_.sessions_[i].plan.start : end(i).due());
  }
  return due;
}

/// As a proxy does it: accepts, connects, and moves what comes.
void Sessions::Relay::handle(const tcp::Event& event, Time now) {
  if ((event.what & tcp::event::accepted) != 0) {
    accept(event, now);
    return;
  }
  Flow& flow = flows_.at(event.user / 2);
  const int side = static_cast<int>(event.user % 2);
  if (flow.legs[side].id != event.id) {
    throw Violation("the relay hears of another connection");
  }
  if (!flow.legs[side].open) {
    return;  // it was dropped by what an event before this one told
  }
  flow.heard_at = now;
  flow.legs[side].peer_closed |= (event.what & tcp::event::peer_closed) != 0;
  if ((event.what & (tcp::event::reset | tcp::event::timed_out)) != 0) {
    flow.legs[side].open = false;
    drop(flow.legs[1 - side]);
    return;
  }
  move(flow, side);
  move(flow, 1 - side);
  flow.legs[side].open = (event.what & tcp::event::closed) == 0;
}

void Sessions::Relay::accept(const tcp::Event& event, Time now) {
  const tcp::SocketPair* const pair = host_->engine.pair(event.id);
  if (pair == nullptr) {
    return;
  }
  const auto found = sessions_.by_pair_.find(mirrored(*pair));
  if (found == sessions_.by_pair_.end()) {
    throw Violation("accepted from where nobody connected");
  }
  host_->watch(event.id);
  const lb::Family family = pair->local.family();
  const tcp::SocketPair out{.local = host_->address(family),
                            .remote = sessions_.server_host_.address(family),
                            .local_port = lb::port_from_host(static_cast<uint16_t>(20'000 + flows_.size())),
                            .remote_port = lb::port_from_host(kServerPort)};
  const auto flow = static_cast<uint32_t>(flows_.size());
  host_->engine.set_user(event.id, 2 * flow);
  const std::optional<tcp::ConnectionId> id = host_->engine.connect(out, 2 * flow + 1, host_->local(now));
  flows_.emplace_back().heard_at = now;
  flows_[flow].legs[0] = {.id = event.id, .open = true, .peer_closed = (event.what & tcp::event::peer_closed) != 0};
  if (!id) {
    drop(flows_[flow].legs[0]);
    return;
  }
  host_->watch(*id);
  flows_[flow].legs[1] = {.id = *id, .open = true};
  sessions_.by_pair_[out] = found->second;
  move(flows_[flow], 0);
}

/// From one leg to the other, and the end of it too.
void Sessions::Relay::move(Flow& flow, int from) {
  const Leg& source = flow.legs[from];
  Leg& target = flow.legs[1 - from];
  if (!source.open || !target.open) {
    return;
  }
  while (host_->engine.relay(source.id, target.id, 256 << 10) > 0) {
  }
  if (source.peer_closed && host_->engine.readable(source.id) == 0 && !target.shut_down) {
    target.shut_down = true;
    host_->engine.shutdown(target.id);
  }
}

/// A client that gave up, and whose reset was lost, is never heard of again.
void Sessions::Relay::act(Time now) {
  for (Flow& flow : flows_) {
    if (now >= flow.heard_at + kPatience) {
      drop(flow.legs[0]);
      drop(flow.legs[1]);
    }
  }
}

Time Sessions::Relay::due() const {
  Time due = kNever;
  for (const Flow& flow : flows_) {
    if (flow.legs[0].open || flow.legs[1].open) {
      due = std::min(due, flow.heard_at + kPatience);
    }
  }
  return due;
}

void Sessions::Relay::drop(Leg& leg) {
  if (leg.open) {
    leg.open = false;
    host_->engine.abort(leg.id);
  }
}

bool Sessions::all_came(const End& from, const End& to, uint64_t bytes) {
  return from.written() == bytes && to.read() == bytes;
}

void Sessions::expect_all_done() const {
  for (uint32_t i = 0; i < sessions_.size(); ++i) {
    const Session& session = sessions_[i];
    const auto fail = [&](const std::string& what) {
      throw Violation("session " + std::to_string(i) + ": " + what + "; " + session.client->describe() + "; " +
                      session.server->describe());
    };
    for (const End* end : {session.client.get(), session.server.get()}) {
      if (end->began() && end->outcome() == End::Outcome::open) {
        fail("one side does not end");
      }
    }
    const auto is_clean = [](const End& end) {
      return end.outcome() == End::Outcome::closed || end.outcome() == End::Outcome::left;
    };
    const bool all = all_came(*session.client, *session.server, session.plan.client.bytes) &&
                     all_came(*session.server, *session.client, session.plan.server.bytes);
    const bool clean = is_clean(*session.client) && is_clean(*session.server) && all;
    const bool never_met =
        session.client->outcome() == End::Outcome::refused && session.server->outcome() == End::Outcome::refused;
    if (!clean && !never_met && !session.plan.is_rude() && !harsh_) {
      fail(all ? "it does not end in order" : "bytes are missing");
    }
    clean_ += clean ? 1 : 0;
  }
}

uint64_t Sessions::bytes_read() const {
  uint64_t bytes = 0;
  for (const Session& session : sessions_) {
    bytes += session.client->read() + session.server->read();
  }
  return bytes;
}

}  // namespace weft::simulation
