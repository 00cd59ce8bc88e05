// SPDX-License-Identifier: Apache-2.0
#include "runtime/terminator.h"

#include <algorithm>
#include <cstring>

#include "packet/headers.h"
#include "packet/quote.h"
#include "runtime/mbuf_buffers.h"
#include "tcp/wire.h"

namespace weft::runtime {
namespace {

/// Packets between two turns: a burst of each port, and those that are handed over.
constexpr size_t kBatch = 1024;
/// Buffers at hand for what the proxy writes itself in a turn.
constexpr size_t kStock = 512;
constexpr uint32_t kTimersATurn = 512;
/// Segments that a turn may make in each of its rounds: what a port's queue has room for, and no window's worth more.
constexpr size_t kBudget = 512;
/// Of a packet's bytes, to prefetch: a processor asks for so many lines at once at most, and for the rest of a jumbo
/// frame by itself.
constexpr size_t kPrefetched = 1536;
/// Ports to try: those that are in TIME-WAIT towards the endpoint are passed over.
constexpr int kTries = 8;
/// Of relaying and sending in a turn: what is sent ends some connections, and their ends are sent, too.
constexpr int kRounds = 3;
/// Connections that a turn resets on leaving: as many segments as its budget.
constexpr uint32_t kLeaveATurn = kBudget;

using packet::kIpOffset;

/// The reply's tuple, as own ports are known by.
template <typename Key>
tcp::SocketPair pair_of(const Key& reply) {
  return {reply.destination, reply.source, reply.destination_port, reply.source_port};
}
template <typename Key>
Key reply_of(const tcp::SocketPair& pair) {
  using A = typename Key::Address;
  return Key::make(pair.remote.as<A>(), pair.remote_port, pair.local.as<A>(), pair.local_port, lb::Protocol::tcp);
}

/// Of destination unreachable: protocol, port; network, host, all administratively prohibited (RFC 1812, section
/// 5.2.7.1).
bool is_hard(uint8_t code) {
  return code == 2 || code == 3 || code == 9 || code == 10 || code == 13;
}

/// A sequence number and the ports lie in the eight bytes that every quote has.
tcp::Seq sequence_at(const std::byte* transport) {
  return tcp::Seq(packet::swap32(packet::view<packet::TcpHeader>(transport)->sequence));
}

}  // namespace

Terminator::Terminator(const TerminatorConfig& config, l4::OwnPorts& ports, l4::SlotCounters& counters,
                       l4::Unresolved& unresolved, time::Time now)
    : mempool_(config.buffers),
      ports_(ports),
      counters_(counters),
      unresolved_(unresolved),
      offloads_(config.offloads),
      engine_(config.tcp, config.secret, now),
      proxy_(engine_, stock_, config.proxy, now) {
  segments_.reserve(kBatch);
  frames_.reserve(kBatch);
  errors_.reserve(64);
  output_.segments.reserve(2 * kBatch);
  output_.slices.reserve(4 * kBatch);
  output_.events.reserve(kBatch);
  output_.refused.reserve(kBatch);
  departures_.reserve(2 * kBatch);
}

Terminator::~Terminator() {
  segments_.clear();
  frames_.clear();
  output_.clear();
}

Terminator::Packets::~Packets() {
  runtime::drain(*this, 0);
}

void Terminator::prefetch(rte_mbuf* packet) {
  constexpr size_t kLine = RTE_CACHE_LINE_SIZE;
  rte_prefetch0(buffer_of(packet));
  const auto* const at = rte_pktmbuf_mtod(packet, const std::byte*);
  const size_t end = std::min<size_t>(packet->data_len, kPrefetched);
  for (size_t offset = kLine; offset < end; offset += kLine) {  // the first line has been parsed
    rte_prefetch0(at + offset);
  }
}

l4::Verdict Terminator::deliver(rte_mbuf* packet, const l4::Burst& burst, uint32_t i) {
  buffer::Slice frame = slice_of(packet, pool_);
  const packet::Parsed& parsed = burst.parsed[i];
  if (parsed.kind == packet::Kind::icmp) {
    return deliver_error(frame, parsed);
  }
  tcp::Segment& segment = segments_.emplace_back();
  const bool is_right = (packet->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK) == RTE_MBUF_F_RX_L4_CKSUM_GOOD;
  if (!tcp::read_segment(frame, parsed, is_right ? tcp::Checksum::right : tcp::Checksum::unknown, segment)) {
    segments_.pop_back();
    return l4::Verdict::bad_transport_checksum;
  }
  segment.path = burst.ingress[i];
  static_assert(l4::Burst::kSilent == tcp::Segment::kSilent);
  segment.listener = burst.listeners[i];
  frames_.push_back(std::move(frame));
  return l4::Verdict::delivered;
}

/// The quoted segment is one of ours: turned round, it is one that would arrive here.
l4::Verdict Terminator::deliver_error(const buffer::Slice& frame, const packet::Parsed& parsed) {
  packet::Quote quote;
  if (errors_.size() == errors_.capacity() || !packet::parse_quote(frame.bytes(), parsed, quote) ||
      quote.kind != packet::Kind::transport) {
    return l4::Verdict::icmp;
  }
  tcp::NetworkError& error = errors_.emplace_back();
  const auto* icmp = packet::view<packet::IcmpHeader>(frame.data() + parsed.l4_offset);
  if (quote.family == lb::Family::ipv4) {
    error.pair = {quote.key4.source, quote.key4.destination, quote.key4.source_port, quote.key4.destination_port};
    const bool too_big = icmp->type == packet::icmp_type::unreachable && icmp->code == packet::kIcmpFragmentationNeeded;
    const bool hard = icmp->type == packet::icmp_type::unreachable && is_hard(icmp->code);
    error.kind = too_big ? tcp::NetworkError::Kind::too_big
                 : hard  ? tcp::NetworkError::Kind::hard
                         : tcp::NetworkError::Kind::soft;
    error.mtu = static_cast<uint16_t>(packet::swap32(icmp->rest));  // RFC 1191, section 4: the lower half
  } else {
    error.pair = {quote.key6.source, quote.key6.destination, quote.key6.source_port, quote.key6.destination_port};
    const bool hard = icmp->type == packet::icmpv6_type::unreachable && (icmp->code == 1 || icmp->code == 4);
    error.kind = icmp->type == packet::icmpv6_type::packet_too_big ? tcp::NetworkError::Kind::too_big
                 : hard                                            ? tcp::NetworkError::Kind::hard
                                                                   : tcp::NetworkError::Kind::soft;
    error.mtu = static_cast<uint16_t>(std::min<uint32_t>(packet::swap32(icmp->rest), UINT16_MAX));
  }
  error.sequence = sequence_at(frame.data() + quote.l4_offset);
  return l4::Verdict::delivered;
}

const std::vector<Terminator::Departure>& Terminator::work(const lb::Snapshot& snapshot,
                                                           const l4::Forwarding& forwarding, time::Time now) {
  departures_.clear();
  const time::Millis millis = time::to_millis(now);
  if (segments_.empty() && errors_.empty() && millis == last_millis_ && !has_more_) {
    return departures_;
  }
  refill();
  if (!segments_.empty()) {
    engine_.input(segments_, now, output_);
    segments_.clear();
    frames_.clear();
  }
  for (const tcp::NetworkError& error : errors_) {
    engine_.input(error, now, output_);
  }
  errors_.clear();
  if (millis != last_millis_ || timers_wait_) {
    timers_wait_ = engine_.advance(now, output_, kTimersATurn);
  }
  if (millis != last_millis_) {
    last_millis_ = millis;
    proxy_.advance(snapshot, now);
  }
  for (int round = 0; round < kRounds && (round == 0 || !output_.events.empty()); ++round) {
    act(snapshot, forwarding, now);
    has_more_ = engine_.flush(now, output_, kBudget) || proxy_.has_more() || timers_wait_;
  }
  depart(forwarding);
  runtime::drain(pool_, 0);
  return departures_;
}

/// Buffers for what the proxy writes. Not those that come back: a device may not have sent yet what lies in them.
void Terminator::refill() {
  while (stock_.size() < kStock) {
    rte_mbuf* packet = rte_pktmbuf_alloc(mempool_);
    if (packet == nullptr) {
      return;
    }
    buffer::Buffer* const buffer = buffer_of(packet);
    *buffer = {.bytes = static_cast<std::byte*>(packet->buf_addr), .pool = &pool_, .capacity = packet->buf_len};
    stock_.give_back(buffer);
  }
}

void Terminator::act(const lb::Snapshot& snapshot, const l4::Forwarding& forwarding, time::Time now) {
  proxy_.act(output_.events, snapshot, now);
  output_.events.clear();
  proxy_.work_off_calls(snapshot, now, [&](const proxy::Call& call) { return pair_for(call, forwarding, now); });
  proxy_.work_off_changes([this](const proxy::Change& change) { count(change); });
  for (std::vector<uint32_t>* refused : {&output_.refused, &proxy_.relay().refused()}) {
    for (const uint32_t slot : *refused) {
      counters_.service[slot].refused.add(1);
    }
    refused->clear();
  }
}

bool Terminator::leave() {
  if (engine_.connections() == 0) {
    return has_more_;
  }
  leave_at_ = engine_.abort_from(leave_at_, kLeaveATurn);
  has_more_ = true;
  return true;
}

flow::FlowInfo Terminator::info_of(const proxy::SessionInfo& session) {
  const auto state = !session.connected                                 ? flow::State::tcp_opening
                     : session.client_closed && session.endpoint_closed ? flow::State::tcp_closed
                     : session.client_closed                            ? flow::State::tcp_client_closed
                     : session.endpoint_closed                          ? flow::State::tcp_endpoint_closed
                                                                        : flow::State::tcp_established;
  const tcp::SocketPair& client = session.client;
  const tcp::SocketPair& endpoint = session.endpoint;
  return {.request = {client.remote, client.remote_port, client.local, client.local_port, lb::Protocol::tcp},
          .reply = {endpoint.remote, endpoint.remote_port, endpoint.local, endpoint.local_port, lb::Protocol::tcp},
          .created = session.began_at,
          .last_seen = session.moved_at,
          .service_slot = session.service_slot,
          .endpoint_slot = session.endpoint_slot,
          .bytes = {session.requested, session.replied},
          .state = state,
          .kind = session.is_read ? flow::Kind::http : flow::Kind::proxy};
}

std::optional<Terminator::Sighting> Terminator::find(const lb::Tuple& tuple) const {
  const auto look = [&](const tcp::SocketPair& pair, bool is_ours) -> std::optional<Sighting> {
    const auto id = engine_.connection_of(pair);
    const auto side = id ? proxy_.find(*id) : std::nullopt;
    if (!side) {
      return std::nullopt;
    }
    return Sighting{info_of(side->session),
                    side->is_client != is_ours ? flow::Direction::request : flow::Direction::reply};
  };
  if (auto found = look({tuple.destination, tuple.source, tuple.destination_port, tuple.source_port}, false)) {
    return found;
  }
  return look({tuple.source, tuple.destination, tuple.source_port, tuple.destination_port}, true);
}

TcpBooks Terminator::books() const {
  return {.counters = engine_.counters(),
          .connections = engine_.connections(),
          .half_open = engine_.half_open(),
          .time_waits = engine_.time_waits(),
          .pieces = engine_.pieces(),
          .sessions = proxy_.relay().size(),
          .idled = proxy_.relay().idled(),
          .unsent = unsent_,
          .http = proxy_.http().books()};
}

/// From a port whose replies come to this worker.
std::optional<tcp::SocketPair> Terminator::pair_for(const proxy::Call& call, const l4::Forwarding& forwarding,
                                                    time::Time now) {
  const l4::NextHop& hop = forwarding[forwarding.route(call.endpoint, call.path)];
  const l4::Landing& landing = forwarding.port(hop.port).landing;
  const auto with = [&](auto key) -> std::optional<tcp::SocketPair> {
    using Key = decltype(key);
    for (int tries = 0; tries < kTries; ++tries) {
      const auto reply = ports_.template take<Key>(call.endpoint.as<typename Key::Address>(), call.port,
                                                   lb::Protocol::tcp, landing, call.number);
      if (!reply) {
        break;
      }
      if (const tcp::SocketPair pair = pair_of(*reply); engine_.is_free(pair, now)) {
        return pair;
      }
      ports_.give_back(*reply);
    }
    return std::nullopt;
  };
  return call.endpoint.is_ipv4() ? with(lb::FlowKey4{}) : with(lb::FlowKey6{});
}

void Terminator::count(const proxy::Change& change) {
  l4::ServiceCounters& service = counters_.service[change.service_slot];
  if (change.what == proxy::Change::What::denied || change.what == proxy::Change::What::dry_run_denied) {
    (change.what == proxy::Change::What::denied ? service.denied : service.dry_run_denied).add(1);
    return;
  }
  l4::EndpointCounters& endpoint = counters_.endpoint[change.endpoint_slot];
  if (change.what == proxy::Change::What::began) {
    service.flows.add(1);
    service.active_flows.add(1);
    endpoint.flows.add(1);
    endpoint.active_flows.add(1);
    return;
  }
  endpoint.bytes[0].add(change.requested);
  endpoint.bytes[1].add(change.replied);
  if (change.what == proxy::Change::What::moved) {
    return;
  }
  service.active_flows.subtract(1);
  endpoint.active_flows.subtract(1);
  if (change.called && change.to_endpoint.remote.is_ipv4()) {
    ports_.give_back(reply_of<lb::FlowKey4>(change.to_endpoint));
  } else if (change.called) {
    ports_.give_back(reply_of<lb::FlowKey6>(change.to_endpoint));
  }
}

void Terminator::depart(const l4::Forwarding& forwarding) {
  for (std::span<const tcp::Transmission> left(output_.segments); !left.empty();) {
    const tcp::Transmission& first = left[0];
    const l4::NextHop& hop = forwarding[forwarding.route(first.pair.remote, first.path)];
    const TransmitOffload& offload = offloads_[hop.port];
    const size_t count = send(left.first(run_of(left, offload)), hop, offload);
    left = left.subspan(count);
  }
  output_.segments.clear();
  output_.slices.clear();
}

/// As one packet. @returns how many of the run have gone, or are lost
size_t Terminator::send(std::span<const tcp::Transmission> run, const l4::NextHop& hop,
                        const TransmitOffload& offload) {
  const tcp::Transmission& first = run[0];
  if (!hop.in_force()) {
    unresolved_.add(first.pair.remote);
    ++unsent_;
    return 1;
  }
  if (tcp::header_size(first) + first.payload_length > hop.mtu) [[unlikely]] {
    hear_too_big(first, hop.mtu);
    return 1;
  }
  const size_t slices = run.back().first_slice + run.back().slice_count - first.first_slice;
  rte_mbuf* packet =
      packet_of(run, std::span(output_.slices).subspan(first.first_slice, slices), hop, offload, mempool_);
  if (packet == nullptr) {
    unsent_ += run.size();
  } else {
    departures_.push_back({packet, hop.port});
  }
  return run.size();
}

/// As if the first router had said it: the route's MTU is smaller than the ports'.
void Terminator::hear_too_big(const tcp::Transmission& transmission, uint16_t mtu) {
  ++unsent_;
  if (errors_.size() < errors_.capacity()) {
    errors_.push_back({.pair = transmission.pair,
                       .sequence = transmission.sequence,
                       .kind = tcp::NetworkError::Kind::too_big,
                       .mtu = mtu});
  }
}

}  // namespace weft::runtime
