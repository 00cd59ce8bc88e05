// SPDX-License-Identifier: Apache-2.0
#include "proxy/name_server.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "dns/bytes.h"
#include "proxy/connection_user.h"

namespace weft::proxy {
namespace {

constexpr size_t kLengthBytes = 2;
/// A query may have no more: what clients pad to, and cookies, are far from it.
constexpr size_t kMostQuery = dns::kMostUdp;
/// That an answer has room for, before a query is read: what has more records tells fewer of them.
constexpr size_t kLeastRoom = 2048;
constexpr uint32_t kMostWaiting = 16;
/// To take from a client in a turn: others wait meanwhile.
constexpr uint32_t kMostQueries = 32;
/// Pieces of answers, of all clients, that wait for clients that do not read.
constexpr uint32_t kMostHeld = 256;
/// Sessions to look at in a call of advance(): all of some thousand in a second.
constexpr uint32_t kIdleSweep = 4;
constexpr size_t kMostMessage = 65535;
constexpr uint16_t kAnswerHeadroom = 192;  // for the headers of a segment

}  // namespace

NameServer::NameServer(tcp::Engine& engine, buffer::Pool& buffers, const NameServerSettings& settings)
    : engine_(engine), buffers_(buffers), settings_(settings) {
  if (settings.zone == nullptr) {
    return;
  }
  sessions_.resize(settings.clients);
  for (uint32_t number = settings.clients; number-- > 0;) {
    free_.push_back(number);
  }
  blocked_.reserve(settings.clients);
  unblocked_.reserve(settings.clients);
  message_.resize(kLengthBytes + kMostMessage);
  held_.resize(kMostHeld);
  for (uint32_t i = kMostHeld; i-- > 0;) {
    held_[i].next = free_held_;
    free_held_ = i;
  }
}

void NameServer::begin(tcp::ConnectionId client, const lb::Snapshot& snapshot, time::Millis now) {
  if (free_.empty()) {
    ++counters_.refused_clients;
    engine_.abort(client);
    return;
  }
  const uint32_t number = free_.back();
  free_.pop_back();
  Session& session = sessions_[number];
  session = {.id = client,
             .generation = session.generation + 1,
             .moved_at = now,
             .in_use = true,
             .is_blocked = session.is_blocked};
  session.empty_room = engine_.room(client);
  ++counters_.clients;
  engine_.set_user(client, ConnectionUser{Role::name_client, number}.value());
  pump(number, snapshot, now);
}

void NameServer::act(std::span<const tcp::Event> events, const lb::Snapshot& snapshot, time::Millis now) {
  for (const tcp::Event& event : events) {
    const uint32_t number = ConnectionUser::of(event.user).number;
    if (number >= sessions_.size() || !sessions_[number].in_use || sessions_[number].id != event.id) {
      continue;
    }
    if ((event.what & (tcp::event::closed | tcp::event::reset | tcp::event::timed_out)) != 0) {
      end(number);
    } else {
      pump(number, snapshot, now);
    }
  }
}

void NameServer::pump(uint32_t number, const lb::Snapshot& snapshot, time::Millis now) {
  Session& session = sessions_[number];
  if (!write_held(number)) {
    return;
  }
  uint32_t taken = 0;
  while (session.in_use && taken < kMostQueries && take_query(number, snapshot, now)) {
    ++taken;
  }
  if (session.in_use && taken == kMostQueries) {
    block(number, 0);
  }
  if (session.in_use && session.waiting == 0 && !session.is_blocked && engine_.has_peer_closed(session.id)) {
    close(number);
  }
}

/// @returns whether all is written that was held
bool NameServer::write_held(uint32_t number) {
  Session& session = sessions_[number];
  while (session.first_held != kNone) {
    Held& held = held_[session.first_held];
    const size_t room = engine_.room(session.id);
    if (held.slice.size() > room) {
      block(number, room);
      return false;
    }
    if (!engine_.write(session.id, std::move(held.slice))) {
      engine_.abort(session.id);
      end(number);
      return false;
    }
    const uint32_t next = held.next;
    held.next = free_held_;
    free_held_ = std::exchange(session.first_held, next);
  }
  return true;
}

bool NameServer::hold(Session& session, buffer::Slice slice) {
  if (free_held_ == kNone) {
    return false;
  }
  const uint32_t at = free_held_;
  free_held_ = held_[at].next;
  held_[at].slice = std::move(slice);
  held_[at].next = kNone;
  (session.first_held == kNone ? session.first_held : held_[session.last_held].next) = at;
  session.last_held = at;
  return true;
}

/// What is there beside whole queries, nobody will complete; and unread, it would have what is queued thrown away.
void NameServer::close(uint32_t number) {
  const tcp::ConnectionId id = sessions_[number].id;
  engine_.consume(id, engine_.readable(id));
  engine_.close(id);
  end(number);
}

/// @returns whether there may be another
bool NameServer::take_query(uint32_t number, const lb::Snapshot& snapshot, time::Millis now) {
  Session& session = sessions_[number];
  const std::span<std::byte> all(message_);
  if (session.waiting >= kMostWaiting || engine_.peek(session.id, all.first(kLengthBytes)) < kLengthBytes) {
    return false;
  }
  const size_t length = dns::get16(all.data());
  if (length > kMostQuery) {
    ++counters_.queries[static_cast<size_t>(dns::Transport::tcp)];
    ++counters_.ignored;
    engine_.abort(session.id);
    end(number);
    return false;
  }
  if (engine_.peek(session.id, all.first(kLengthBytes + length)) < kLengthBytes + length) {
    return false;
  }
  const size_t room = engine_.room(session.id);
  if (room < kLeastRoom) {
    block(number, room);
    return false;
  }
  return respond(number, length, room, snapshot, now);
}

/// To the query that is in message_. @returns false: it stays where it is, or the connection has ended
bool NameServer::respond(uint32_t number, size_t length, size_t room, const lb::Snapshot& snapshot, time::Millis now) {
  Session& session = sessions_[number];
  const size_t most = std::min(room - kLengthBytes, dns::kMostTcp);
  const std::span<std::byte> message = std::span(message_).subspan(kLengthBytes);
  dns::Query query;
  const tcp::SocketPair* const pair = engine_.pair(session.id);
  const dns::Source source{.zone = *settings_.zone,
                           .names = snapshot.names(),
                           .client = pair == nullptr ? lb::Address{} : pair->remote,
                           .serial = static_cast<uint32_t>(snapshot.epoch()),
                           .turn = turn_++};
  dns::Reply reply = dns::respond(message, length, most, dns::Transport::tcp, source, query);
  // Half of an answer would pass for the whole one: rather later, when the queue is empty.
  if (reply.cut && most < dns::kMostTcp && room < session.empty_room) {
    block(number, room);
    return false;
  }
  engine_.consume(session.id, kLengthBytes + length);
  session.moved_at = now;
  if (reply.fate == dns::Fate::ignored) {
    counters_.count(dns::Transport::tcp, reply);
    engine_.abort(session.id);
    end(number);
    return false;
  }
  if (reply.fate == dns::Fate::forward) {
    const dns::Ask ask{.tuple = pair == nullptr ? lb::Tuple{}
                                                : lb::Tuple{pair->remote, pair->remote_port, pair->local,
                                                            pair->local_port, lb::Protocol::tcp},
                       .transport = dns::Transport::tcp,
                       .most = static_cast<uint16_t>(kMostMessage),
                       .session = number,
                       .generation = session.generation};
    if (settings_.asks != nullptr && dns::put(*settings_.asks, ask, message.first(length))) {
      ++session.waiting;
      ++counters_.forwarded;
      counters_.count(dns::Transport::tcp, reply);
      return true;
    }
    ++counters_.backlogged;
    reply = {.fate = dns::Fate::answered,
             .rcode = dns::Rcode::server_failure,
             .length = dns::respond_with(dns::Rcode::server_failure, message, query, true)};
  }
  counters_.count(dns::Transport::tcp, reply);
  send(number, reply.length);
  return session.in_use;
}

/// What is in message_, its length before it; what there is no room for waits. If not even that can be, the connection
/// is of no use any more.
void NameServer::send(uint32_t number, size_t length) {
  Session& session = sessions_[number];
  dns::put16(message_.data(), static_cast<uint16_t>(length));
  for (std::span<const std::byte> left = std::span(message_).first(kLengthBytes + length); !left.empty();) {
    buffer::Buffer* const buffer = buffers_.take();
    if (buffer != nullptr) {
      const size_t size = std::min<size_t>(left.size(), buffer->capacity - kAnswerHeadroom);
      buffer::Slice slice(buffer, kAnswerHeadroom, static_cast<uint16_t>(size));
      std::memcpy(slice.writable().data(), left.data(), size);
      left = left.subspan(size);
      const size_t room = session.first_held == kNone ? engine_.room(session.id) : 0;
      if (size <= room ? engine_.write(session.id, std::move(slice)) : hold(session, std::move(slice))) {
        continue;
      }
    }
    ++counters_.unsent;
    engine_.abort(session.id);
    end(number);
    return;
  }
}

void NameServer::answer(const dns::Ask& ask, std::span<const std::byte> message, const lb::Snapshot& snapshot,
                        time::Millis now) {
  if (ask.session >= sessions_.size() || message.size() > kMostMessage) {
    return;
  }
  Session& session = sessions_[ask.session];
  if (!session.in_use || session.generation != ask.generation) {
    return;
  }
  --session.waiting;
  session.moved_at = now;
  ++counters_.relayed;
  std::memcpy(message_.data() + kLengthBytes, message.data(), message.size());
  send(ask.session, message.size());
  if (session.in_use) {
    pump(ask.session, snapshot, now);
  }
}

/// @param room that it has and is too little
void NameServer::block(uint32_t number, size_t room) {
  sessions_[number].room = room;
  if (!sessions_[number].is_blocked) {
    sessions_[number].is_blocked = true;
    blocked_.push_back(number);
  }
}

void NameServer::advance(const lb::Snapshot& snapshot, time::Millis now) {
  std::swap(blocked_, unblocked_);
  for (const uint32_t number : unblocked_) {
    Session& session = sessions_[number];
    session.is_blocked = false;
    if (session.in_use && session.room > 0 && engine_.room(session.id) <= session.room) {
      block(number, session.room);
    } else if (session.in_use) {
      pump(number, snapshot, now);
    }
  }
  unblocked_.clear();
  for (uint32_t i = 0; i < std::min<size_t>(kIdleSweep, sessions_.size()); ++i) {
    swept_ = swept_ + 1 < sessions_.size() ? swept_ + 1 : 0;
    Session& session = sessions_[swept_];
    if (session.in_use && session.waiting == 0 && time::elapsed(session.moved_at, now) > settings_.idle) {
      ++counters_.timed_out;
      close(swept_);
    }
  }
}

void NameServer::end(uint32_t number) {
  Session& session = sessions_[number];
  session.in_use = false;
  while (session.first_held != kNone) {
    Held& held = held_[session.first_held];
    held.slice = {};
    const uint32_t next = held.next;
    held.next = free_held_;
    free_held_ = std::exchange(session.first_held, next);
  }
  --counters_.clients;
  free_.push_back(number);
}

}  // namespace weft::proxy
