// SPDX-License-Identifier: Apache-2.0
#include "proxy/proxy.h"

#include <algorithm>

#include "proxy/connection_user.h"

namespace weft::proxy {
namespace {

constexpr size_t kSortedAtOnce = 256;

}  // namespace

Proxy::Proxy(tcp::Engine& engine, buffer::Pool& buffers, const ProxyConfig& config, time::Time now)
    : engine_(engine),
      relay_(engine, buffers, config.relay, time::to_millis(now)),
      http_(engine, buffers, config.http, now),
      names_(engine, buffers, config.names),
      detector_(engine, config.relay.sessions, config.detect) {
  relayed_.reserve(kSortedAtOnce);
  read_.reserve(kSortedAtOnce);
  named_.reserve(kSortedAtOnce);
}

void Proxy::act(std::span<const tcp::Event> events, const lb::Snapshot& snapshot, time::Time now) {
  const auto act_on_sorted = [&] {
    relay_.act(relayed_, time::to_millis(now));
    http_.act(read_, snapshot, now);
    names_.act(named_, snapshot, time::to_millis(now));
    relayed_.clear();
    read_.clear();
    named_.clear();
  };
  for (const tcp::Event& event : events) {
    if ((event.what & tcp::event::accepted) != 0) {
      accept(event, snapshot, now);
      continue;
    }
    switch (ConnectionUser::of(event.user).role) {
      case Role::relay_client:
      case Role::relay_endpoint:
        relayed_.push_back(event);
        break;
      case Role::undecided:
        detector_.act(event);
        break;
      case Role::http_client:
      case Role::http_upstream:
        read_.push_back(event);
        break;
      case Role::name_client:
        named_.push_back(event);
        break;
    }
    if (std::max({relayed_.size(), read_.size(), named_.size()}) == kSortedAtOnce) {
      act_on_sorted();
    }
  }
  act_on_sorted();
  settle_found(snapshot, now);
}

void Proxy::advance(const lb::Snapshot& snapshot, time::Time now) {
  detector_.advance(time::to_millis(now));
  settle_found(snapshot, now);
  http_.advance(snapshot, now);
  names_.advance(snapshot, time::to_millis(now));
  relay_.sweep(snapshot, now);
}

void Proxy::accept(const tcp::Event& event, const lb::Snapshot& snapshot, time::Time now) {
  const tcp::SocketPair* const pair = engine_.pair(event.id);
  if (pair == nullptr) {
    return;  // it came and went in one batch
  }
  const lb::Service* const service = snapshot.find(pair->local, pair->local_port, lb::Protocol::tcp);
  if (service != nullptr && service->answers_names) {
    return names_.begin(event.id, snapshot, time::to_millis(now));
  }
  if (service != nullptr && !engine_.join(event.id, service->slot)) [[unlikely]] {
    relay_.refuse_for_share(event.id, service->slot);
    return;
  }
  const lb::AppProtocol protocol =
      service == nullptr || service->http == nullptr ? lb::AppProtocol::opaque : service->http->protocol;
  if (protocol != lb::AppProtocol::detect) {
    settle(event.id, protocol == lb::AppProtocol::http ? Spoken::http : Spoken::opaque, snapshot, now);
  } else if (const auto spoken = detector_.begin(event.id, time::to_millis(now))) {
    settle(event.id, *spoken, snapshot, now);
  }
}

void Proxy::settle(tcp::ConnectionId id, Spoken spoken, const lb::Snapshot& snapshot, time::Time now) {
  if (spoken == Spoken::http) {
    http_.begin(id, snapshot, now);
  } else {
    relay_.begin(id, snapshot, now);
  }
}

void Proxy::settle_found(const lb::Snapshot& snapshot, time::Time now) {
  for (const Detector::Found& found : detector_.found()) {
    settle(found.id, found.spoken, snapshot, now);
  }
  detector_.found().clear();
}

}  // namespace weft::proxy
