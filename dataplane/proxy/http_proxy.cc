// SPDX-License-Identifier: Apache-2.0
#include "proxy/http_proxy.h"

#include <algorithm>

#include "proxy/batch.h"
#include "proxy/connection_user.h"

namespace weft::proxy {
namespace {

/// Slices of bodies that are kept: most exchanges need none, and each pins a buffer, of which there are about as many
/// as the engine has pieces.
uint32_t kept_slices(uint32_t exchanges, uint32_t pieces) {
  constexpr uint32_t kAnExchange = 4;
  return std::min(kAnExchange * exchanges, pieces / 8);
}

}  // namespace

HttpProxy::HttpProxy(tcp::Engine& engine, buffer::Pool& buffers, const HttpConfig& config, time::Time now)
    : engine_(engine),
      pool_(buffers),
      config_(config),
      heads_(engine, config.limits.head, config.gathered_heads - config.gathered_heads / 4),
      response_heads_(engine, config.limits.head, config.gathered_heads / 4),
      kept_(kept_slices(config.exchanges, engine.most_pieces())),
      writer_(buffers),
      upstreams_(config.upstreams, config.service_slots, config.endpoint_slots, time::to_millis(now)),
      own_protections_(
          config.protections != nullptr
              ? nullptr
              : std::make_unique<Protections>(config.service_slots, config.endpoint_slots, config.worker + 1)),
      protections_(config.protections != nullptr ? config.protections : own_protections_.get()),
      own_faults_(config.faults != nullptr ? nullptr : std::make_unique<lb::FaultBoard>(config.worker + 1)),
      faults_(config.faults != nullptr ? config.faults : own_faults_.get()),
      limiter_(protections_->rates, kLimited),
      balancer_(config.service_slots, config.endpoint_slots, config.seed, &protections_->outliers),
      clients_(config.clients),
      exchanges_(config.exchanges),
      delayed_(config.service_slots),
      client_wheel_(config.clients, time::to_millis(now)),
      exchange_wheel_(config.exchanges, time::to_millis(now)),
      random_(config.seed),
      seen_(std::min(2 * config.exchanges, InspectedBodies::kMost)) {
  const auto fill = [](std::vector<uint32_t>& free, uint32_t count) {
    free.reserve(count);
    for (uint32_t number = count; number-- > 0;) {
      free.push_back(number);
    }
  };
  fill(free_clients_, config.clients);
  fill(free_exchanges_, config.exchanges);
  again_.reserve(config.clients);
  later_.reserve(config.clients);
  calls_.reserve(config.upstreams);
  changes_.reserve(4 * size_t{config.upstreams} + 64);
  records_.reserve(kRecords);
}

HttpProxy::~HttpProxy() = default;

void HttpProxy::turn(const lb::Snapshot& snapshot, time::Time now) {
  turn_ = {&snapshot, now, time::to_millis(now)};
  scratch_ = &snapshot.scratches().of(config_.worker);
}

void HttpProxy::act(std::span<const tcp::Event> events, const lb::Snapshot& snapshot, time::Time now) {
  turn(snapshot, now);
  serve_again();
  while (!events.empty()) {
    const auto batch = events.first(std::min(events.size(), kBatch));
    prefetch(batch);
    for (const tcp::Event& event : batch) {
      const ConnectionUser user = ConnectionUser::of(event.user);
      if (user.role == Role::http_client && user.number < clients_.size()) {
        act_on_client(user.number, event);
      } else if (user.role == Role::http_upstream && user.number < upstreams_.capacity()) {
        act_on_upstream(user.number, event);
      }
    }
    events = events.subspan(batch.size());
  }
}

/// In their order, so many that what just came does not wait for long, and buffers last.
void HttpProxy::serve_again() {
  constexpr size_t kATurn = 32;
  if (served_ == later_.size()) {
    later_.clear();
    served_ = 0;
    later_.swap(again_);
  }
  for (const size_t end = std::min(served_ + kATurn, later_.size()); served_ < end; ++served_) {
    const uint32_t number = later_[served_];
    clients_[number].in_again = false;
    if (clients_[number].state == Client::State::reading) {
      read_requests(number);
    }
  }
}

/// Records, and then the connections that the bytes will go to, are on their way before they are asked for.
void HttpProxy::prefetch(std::span<const tcp::Event> events) const {
  for (const tcp::Event& event : events) {
    const ConnectionUser user = ConnectionUser::of(event.user);
    if (user.role == Role::http_client && user.number < clients_.size()) {
      __builtin_prefetch(&clients_[user.number], 1);
    } else if (user.role == Role::http_upstream && user.number < upstreams_.capacity()) {
      __builtin_prefetch(&upstreams_[user.number], 1);
    }
  }
}

HttpBooks HttpProxy::books() const {
  HttpBooks books = books_;
  books.clients = static_cast<uint32_t>(clients_.size() - free_clients_.size());
  books.exchanges = static_cast<uint32_t>(exchanges_.size() - free_exchanges_.size());
  books.upstreams = upstreams_.size();
  books.parked = upstreams_.parked();
  return books;
}

size_t HttpProxy::memory_bytes() const {
  return clients_.size() * (sizeof(Client) + 3 * sizeof(uint32_t)) +
         exchanges_.size() * (sizeof(Exchange) + sizeof(uint32_t)) + client_wheel_.memory_bytes() +
         exchange_wheel_.memory_bytes() + upstreams_.memory_bytes() + kept_.memory_bytes() + sources_.memory_bytes() +
         seen_.memory_bytes();
}

}  // namespace weft::proxy
