// SPDX-License-Identifier: Apache-2.0
#include "proxy/relay.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "lb/decision.h"
#include "proxy/batch.h"
#include "proxy/proxy_header.h"

namespace weft::proxy {
namespace {

/// To look at in a call of sweep(): all of 65,536 in a minute at a call a millisecond; more of them while endpoints are
/// to be left.
constexpr uint32_t kIdleACall = 1;
constexpr uint32_t kFatesACall = 64;

/// A connection knows its session and its side of it.
constexpr uint32_t user_of(uint32_t session, bool is_client) {
  return ConnectionUser{is_client ? Role::relay_client : Role::relay_endpoint, session}.value();
}

bool is_of_client(const tcp::Event& event) {
  return ConnectionUser::of(event.user).role == Role::relay_client;
}

lb::Tuple tuple_of(const tcp::SocketPair& client) {
  return {client.remote, client.remote_port, client.local, client.local_port, lb::Protocol::tcp};
}

}  // namespace

Relay::Relay(tcp::Engine& engine, buffer::Pool& buffers, const RelayConfig& config, time::Millis now)
    : engine_(engine),
      buffers_(buffers),
      config_(config),
      sessions_(config.sessions),
      late_(config.sessions, now),
      random_(config.seed) {
  free_.reserve(config.sessions);
  for (uint32_t session = config.sessions; session-- > 0;) {
    free_.push_back(session);
  }
  calls_.reserve(config.sessions);
  changes_.reserve(2 * size_t{config.sessions});
  untold_.reserve(config.sessions);
  refused_.reserve(config.sessions);
  outcomes_.reserve(2 * size_t{config.sessions});
}

bool Relay::is_of_session(const tcp::Event& event) const {
  const ConnectionUser user = ConnectionUser::of(event.user);
  return (user.role == Role::relay_client || user.role == Role::relay_endpoint) && user.number < sessions_.size();
}

void Relay::act(std::span<const tcp::Event> events, time::Millis now) {
  introduce_late(now);
  while (!events.empty()) {
    const auto batch = events.first(std::min(events.size(), kBatch));
    prefetch(batch);
    act_on(batch, now);
    events = events.subspan(batch.size());
  }
}

/// Sessions, and then the connections that the bytes will go to, are on their way before they are asked for.
void Relay::prefetch(std::span<const tcp::Event> events) const {
  for (const tcp::Event& event : events) {
    if (is_of_session(event)) {
      const auto* lines = reinterpret_cast<const std::byte*>(&sessions_[ConnectionUser::of(event.user).number]);
      __builtin_prefetch(lines, 1);
      __builtin_prefetch(lines + 64, 1);
    }
  }
  for (const tcp::Event& event : events) {
    if (is_of_session(event)) {
      const Session& session = sessions_[ConnectionUser::of(event.user).number];
      engine_.prefetch(is_of_client(event) ? session.endpoint.id : session.client.id);
    }
  }
}

void Relay::act_on(std::span<const tcp::Event> events, time::Millis now) {
  for (const tcp::Event& event : events) {
    if (!is_of_session(event)) {
      continue;
    }
    const uint32_t number = ConnectionUser::of(event.user).number;
    Session& session = sessions_[number];
    const bool is_client = is_of_client(event);
    if (!session.in_use || (is_client ? session.client : session.endpoint).id != event.id) {
      continue;
    }
    if ((event.what & tcp::event::connected) != 0) {
      note_outcome(session, Came::success);
      if (session.tells_client && !introduce(session)) {
        untold_.push_back({number, event.id});
      }
    }
    pump(session, now);
    if ((event.what & (tcp::event::closed | tcp::event::reset | tcp::event::timed_out)) != 0) {
      over(number, is_client, event.what);
    }
  }
}

void Relay::begin(tcp::ConnectionId id, const lb::Snapshot& snapshot, time::Time time) {
  const time::Millis now = time::to_millis(time);
  const tcp::SocketPair* client = engine_.pair(id);
  if (client == nullptr) {
    return;  // it came and went in one batch
  }
  const lb::Tuple tuple = tuple_of(*client);
  uint64_t hash = lb::hash_of(tuple, snapshot.seed());
  lb::Decision decision = lb::decide(snapshot, tuple, hash);
  if (decision.service != nullptr && decision.service->policy.affinity_s > 0) {  // all of a client's go the same way
    hash = lb::hash_of(client->remote, snapshot.seed());
    decision = lb::decide(snapshot, tuple, hash);
  }
  const lb::Judgement judgement =
      decision.service == nullptr ? lb::Judgement() : lb::judge_connection(snapshot, *decision.service, client->remote);
  if (judgement.denied || judgement.dry_run_denied) {
    note(judgement.denied ? Change::What::denied : Change::What::dry_run_denied, decision.service->slot);
  }
  lb::Injection injection;
  if (decision.service != nullptr && decision.service->faults != nullptr && !judgement.denied) [[unlikely]] {
    injection = suffer(*decision.service, client->remote, snapshot, time);
    if (is_reset_at_once(id, injection)) {
      return;
    }
  }
  bool is_probe = false;
  if (decision.target != nullptr && !judgement.denied && !free_.empty()) {
    decision.target = pass_over(*decision.service, *decision.target, hash, now, is_probe);
  }
  uint32_t caller = UINT32_MAX;
  if (judgement.denied || decision.target == nullptr || free_.empty() ||
      !admit_caller(snapshot, *decision.service, client->remote, caller) ||
      !admit(*decision.service, *decision.target, caller)) {
    if (is_probe) {
      config_.protections->outliers.abandon(decision.target->slot, now);
    }
    if (decision.service != nullptr) {
      refused_.push_back(decision.service->slot);
    }
    engine_.abort(id);
    return;
  }
  const uint32_t number = free_.back();
  free_.pop_back();
  const uint32_t generation = sessions_[number].generation + 1;
  sessions_[number] = {
      .client = {.id = id, .open = true},
      .to_endpoint = {.remote = decision.target->address, .remote_port = decision.target->port},
      .service_slot = decision.service->slot,
      .endpoint_slot = decision.target->slot,
      .caller = caller,
      .in_use = true,
      .tells_client = decision.service->policy.proxy_protocol,
      .is_watched = config_.protections != nullptr && (is_probe || decision.service->request_policy().outlier.enabled),
      .is_probe = is_probe,
      .generation = generation,
      .moved_at = now,
      .began_at = now};
  engine_.set_user(id, user_of(number, true));
  changes_.push_back(
      {.what = Change::What::began, .service_slot = decision.service->slot, .endpoint_slot = decision.target->slot});
  if (injection.delayed_by != nullptr) [[unlikely]] {
    late_.arm(number, delay(number, injection, now));
  } else if (decision.service->faults == nullptr) [[likely]] {
    call(number);
  } else if (const std::optional<time::Millis> gives_up = go_on(number, snapshot, time)) {
    late_.arm(number, *gives_up);
  }
}

void Relay::call(uint32_t number) {
  const Session& session = sessions_[number];
  const tcp::Connection* const client = engine_.look(session.client.id);
  calls_.push_back({.number = number,
                    .generation = session.generation,
                    .endpoint = session.to_endpoint.remote,
                    .port = session.to_endpoint.remote_port,
                    .path = client == nullptr ? uint8_t{0} : client->path});
}

bool Relay::awaits(const Call& call) const {
  const Session& session = sessions_[call.number];
  return session.in_use && session.generation == call.generation && !session.called;
}

void Relay::connect(const Call& call, const tcp::SocketPair& pair, time::Time now, uint8_t path) {
  const uint32_t number = call.number;
  Session& session = sessions_[number];
  session.to_endpoint = pair;
  session.called = true;
  const auto id = engine_.connect(pair, user_of(number, false), now, path);
  if (!id) {
    return abandon(number);
  }
  engine_.assign(*id, session.service_slot);  // admit() has asked
  session.endpoint = {.id = *id, .open = true};
  if (!session.tells_client) {
    pump(session, time::to_millis(now));
  }
}

void Relay::give_up(const Call& call) {
  abandon(call.number);
}

void Relay::abandon(uint32_t number) {
  refused_.push_back(sessions_[number].service_slot);
  engine_.abort(sessions_[number].client.id);
  end(number);
}

void Relay::sweep(const lb::Snapshot& snapshot, time::Time time) {
  const time::Millis now = time::to_millis(time);
  report_outcomes(snapshot, now);
  constexpr uint32_t kLateACall = 256;
  late_.advance(now, kLateACall, [&](uint32_t number) { return fire(number, snapshot, time); });
  if (snapshot.epoch() != epoch_) {
    epoch_ = snapshot.epoch();
    to_sweep_ = static_cast<uint32_t>(sessions_.size());
    if (snapshot.authorized_since() != authorized_since_) {
      authorized_since_ = snapshot.authorized_since();
      to_judge_ = to_sweep_;
    }
  }
  const uint32_t count = to_sweep_ == 0 && snapshot.resets().empty() ? kIdleACall : kFatesACall;
  for (uint32_t i = 0; i < std::min<size_t>(count, sessions_.size()); ++i) {
    const bool is_new = to_sweep_ > 0;
    to_sweep_ -= is_new ? 1 : 0;
    const bool is_to_be_judged = to_judge_ > 0;
    to_judge_ -= is_to_be_judged ? 1 : 0;
    swept_ = swept_ + 1 < sessions_.size() ? swept_ + 1 : 0;
    Session& session = sessions_[swept_];
    if (!session.in_use) {
      continue;
    }
    tell_moved(session);
    if (is_idle(session, now)) {
      ++idled_;
      reset(swept_);
    } else if (snapshot.fate_of(session.endpoint_slot) == lb::Fate::reset || (is_new && is_orphan(session, snapshot))) {
      reset(swept_);
    } else if (is_to_be_judged && is_forbidden(session, snapshot)) {
      note(Change::What::denied, session.service_slot);
      reset(swept_);
    }
  }
}

/// Its service has gone, or works another way now: the client's packets do not come here any more.
bool Relay::is_orphan(const Session& session, const lb::Snapshot& snapshot) const {
  const tcp::SocketPair* client = engine_.pair(session.client.id);
  if (client == nullptr) {
    return false;
  }
  const lb::Service* service = snapshot.find(client->local, client->local_port, lb::Protocol::tcp);
  return service == nullptr || service->policy.mode != lb::Mode::proxy;
}

bool Relay::is_forbidden(const Session& session, const lb::Snapshot& snapshot) const {
  const tcp::SocketPair* client = engine_.pair(session.client.id);
  const lb::Service* service = snapshot.service_at(session.service_slot);
  return client != nullptr && service != nullptr && lb::judge_connection(snapshot, *service, client->remote).denied;
}

/// Of what there is always room for; this counts for nothing else.
void Relay::note(Change::What what, uint32_t service_slot) {
  if (changes_.size() < changes_.capacity()) {
    changes_.push_back({.what = what, .service_slot = service_slot});
  }
}

bool Relay::is_idle(const Session& session, time::Millis now) const {
  const bool half_closed = session.client.ended || session.endpoint.ended;
  return time::elapsed(session.moved_at, now) > (half_closed ? config_.half_closed : config_.idle);
}

void Relay::reset(uint32_t number) {
  engine_.abort(sessions_[number].client.id);
  engine_.abort(sessions_[number].endpoint.id);
  end(number);
}

void Relay::pump(Session& session, time::Millis now) {
  if (!session.endpoint.open && !session.called) {
    return;  // nobody to relay to yet
  }
  const size_t moved =
      (session.tells_client ? 0 : pump(session.client, session.endpoint)) + pump(session.endpoint, session.client);
  if (moved > 0) {
    session.moved_at = now;
  }
}

/// @returns bytes
size_t Relay::pump(Side& from, Side& to) {
  const size_t moved = engine_.relay(from.id, to.id, SIZE_MAX);
  to.sent += moved;
  to.in_all += moved;
  if (from.open && !to.ended && engine_.is_open(from.id) && engine_.is_at_end(from.id)) {
    to.ended = true;
    engine_.shutdown(to.id);
  }
  return moved;
}

/// Of a long session, bytes are counted while it lasts.
void Relay::tell_moved(Session& session) {
  if (session.endpoint.sent + session.client.sent > 0 && changes_.size() < changes_.capacity()) {
    changes_.push_back({.what = Change::What::moved,
                        .service_slot = session.service_slot,
                        .endpoint_slot = session.endpoint_slot,
                        .requested = std::exchange(session.endpoint.sent, 0),
                        .replied = std::exchange(session.client.sent, 0)});
  }
}

/// One side's connection has ended.
void Relay::over(uint32_t number, bool is_client, uint16_t what) {
  Session& session = sessions_[number];
  Side& side = is_client ? session.client : session.endpoint;
  Side& other = is_client ? session.endpoint : session.client;
  side.open = false;
  if ((what & (tcp::event::reset | tcp::event::timed_out)) != 0) {
    if (!is_client) {
      note_outcome(session, Came::failure);  // unless it had connected
    }
    engine_.abort(other.id);
    other.open = false;
  } else if (!other.ended) {  // all that it said has been relayed, or is queued
    other.ended = true;
    engine_.shutdown(other.id);
  }
  if (!other.open) {
    end(number);
  }
}

void Relay::end(uint32_t number) {
  Session& session = sessions_[number];
  end_charges(session);
  changes_.push_back({.what = Change::What::ended,
                      .service_slot = session.service_slot,
                      .endpoint_slot = session.endpoint_slot,
                      .called = session.called,
                      .to_endpoint = session.to_endpoint,
                      .requested = session.endpoint.sent,
                      .replied = session.client.sent});
  late_.disarm(number);
  session.in_use = false;
  free_.push_back(number);
}

/// Those for which there was no buffer, or no piece: nothing goes to their endpoints before.
void Relay::introduce_late(time::Millis now) {
  size_t left = 0;
  for (const Untold& untold : untold_) {
    Session& session = sessions_[untold.session];
    if (!session.in_use || session.endpoint.id != untold.endpoint) {
      continue;
    }
    if (introduce(session)) {
      pump(session, now);
    } else {
      untold_[left++] = untold;
    }
  }
  untold_.resize(left);
}

/// The first bytes to the endpoint say who the client is. @returns false: no buffer is left
bool Relay::introduce(Session& session) {
  const tcp::SocketPair* client = engine_.pair(session.client.id);
  buffer::Buffer* buffer = client == nullptr ? nullptr : buffers_.take();
  if (buffer == nullptr) {
    return false;
  }
  std::array<std::byte, kMaxProxyHeader> bytes;
  const auto size = static_cast<uint16_t>(write_proxy_header(*client, bytes));
  constexpr uint16_t kHeadroom = 192;  // for the headers of its segment
  buffer::Slice slice(buffer, kHeadroom, size);
  std::memcpy(slice.writable().data(), bytes.data(), size);
  session.tells_client = !engine_.write(session.endpoint.id, std::move(slice));
  return !session.tells_client;
}

}  // namespace weft::proxy
