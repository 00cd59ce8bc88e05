// SPDX-License-Identifier: Apache-2.0
#include "proxy/name_server.h"

#include <algorithm>
#include <array>
#include <cstring>

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
/// Sessions to look at in a call of advance(): all of some thousand in a second.
constexpr uint32_t kIdleSweep = 4;
constexpr size_t kMostMessage = 65535;
constexpr uint16_t kHeadroom = 192;  // for the headers of a segment

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
}

void NameServer::begin(tcp::ConnectionId client, const lb::Snapshot& snapshot, time::Millis now) {
  if (free_.empty()) {
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
  while (session.in_use && take_query(number, snapshot, now)) {
  }
  // What is there beside whole queries, nobody will complete.
  if (session.in_use && session.waiting == 0 && !session.is_blocked && engine_.has_peer_closed(session.id)) {
    engine_.close(session.id);
    end(number);
  }
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
    block(number);
    return false;
  }
  engine_.consume(session.id, kLengthBytes + length);
  session.moved_at = now;
  respond(number, length, std::min(room - kLengthBytes, dns::kMostTcp), snapshot);
  return true;
}

/// To the query that is in message_.
void NameServer::respond(uint32_t number, size_t length, size_t most, const lb::Snapshot& snapshot) {
  Session& session = sessions_[number];
  const std::span<std::byte> message = std::span(message_).subspan(kLengthBytes);
  dns::Query query;
  const dns::Source source{.zone = *settings_.zone,
                           .names = snapshot.names(),
                           .serial = static_cast<uint32_t>(snapshot.epoch()),
                           .turn = turn_++};
  dns::Reply reply = dns::respond(message, length, most, dns::Transport::tcp, source, query);
  if (reply.fate == dns::Fate::forward) {
    const tcp::SocketPair* const pair = engine_.pair(session.id);
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
      return;
    }
    ++counters_.backlogged;
    reply = {.fate = dns::Fate::answered,
             .rcode = dns::Rcode::server_failure,
             .length = dns::respond_with(dns::Rcode::server_failure, message, query, true)};
  }
  counters_.count(dns::Transport::tcp, reply);
  if (reply.fate == dns::Fate::answered) {
    send(number, reply.length);
  }
}

/// What is in message_, its length before it. If that can't be, the connection is of no use any more.
void NameServer::send(uint32_t number, size_t length) {
  Session& session = sessions_[number];
  dns::put16(message_.data(), static_cast<uint16_t>(length));
  for (std::span<const std::byte> left = std::span(message_).first(kLengthBytes + length); !left.empty();) {
    buffer::Buffer* const buffer = buffers_.take();
    if (buffer != nullptr) {
      const size_t size = std::min<size_t>(left.size(), buffer->capacity - kHeadroom);
      buffer::Slice slice(buffer, kHeadroom, static_cast<uint16_t>(size));
      std::memcpy(slice.writable().data(), left.data(), size);
      left = left.subspan(size);
      if (engine_.write(session.id, std::move(slice))) {
        continue;
      }
    }
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
  pump(ask.session, snapshot, now);
}

void NameServer::block(uint32_t number) {
  if (!sessions_[number].is_blocked) {
    sessions_[number].is_blocked = true;
    blocked_.push_back(number);
  }
}

void NameServer::advance(const lb::Snapshot& snapshot, time::Millis now) {
  std::swap(blocked_, unblocked_);
  for (const uint32_t number : unblocked_) {
    sessions_[number].is_blocked = false;
    pump(number, snapshot, now);
  }
  unblocked_.clear();
  for (uint32_t i = 0; i < std::min<size_t>(kIdleSweep, sessions_.size()); ++i) {
    swept_ = swept_ + 1 < sessions_.size() ? swept_ + 1 : 0;
    Session& session = sessions_[swept_];
    if (session.in_use && time::elapsed(session.moved_at, now) > settings_.idle) {
      ++counters_.timed_out;
      engine_.close(session.id);
      end(swept_);
    }
  }
}

void NameServer::end(uint32_t number) {
  sessions_[number].in_use = false;
  --counters_.clients;
  free_.push_back(number);
}

}  // namespace weft::proxy
