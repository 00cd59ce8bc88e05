// SPDX-License-Identifier: Apache-2.0
#include "resolver/forwarder.h"

#include <netinet/in.h>
#include <sodium/randombytes.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "dns/bytes.h"
#include "dns/relayed.h"

namespace weft::resolver {
namespace {

/// How long workers' queries may lie: they can't wake anybody.
constexpr int kTurnMillis = 1;
/// The same, after a second without any.
constexpr int kQuietTurnMillis = 5;
constexpr std::chrono::seconds kQuietAfter(1);
constexpr size_t kLength = 2;  ///< before a message over TCP
/// Servers that a query is put to, the same twice if there is but one: clients wait for 5 s as a rule.
constexpr uint32_t kMostTries = 3;
constexpr int kMostDatagrams = 8;   ///< to look at in a turn, as all but one are strange
constexpr uint32_t kMostAsks = 64;  ///< to take out of a ring in a turn
/// A server that is silent so often in a row is no more asked first, until it answers one of few queries.
constexpr uint32_t kMostSilent = 3;
constexpr std::chrono::seconds kAgainAfter(5);
/// Queries that a client may have under way, however few are free.
constexpr uint32_t kLeastOfClient = 4;
constexpr size_t kKeptCapacity = 4096;

struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t length = 0;
};

SocketAddress socket_address(const Server& server) {
  SocketAddress result;
  if (server.address.is_ipv4()) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = static_cast<uint16_t>(server.port);
    address.sin_addr.s_addr = static_cast<uint32_t>(server.address.ipv4());
    std::memcpy(&result.storage, &address, sizeof address);
    result.length = sizeof address;
  } else {
    sockaddr_in6 address{};
    address.sin6_family = AF_INET6;
    address.sin6_port = static_cast<uint16_t>(server.port);
    std::memcpy(&address.sin6_addr, server.address.ipv6().bytes.data(), sizeof address.sin6_addr);
    std::memcpy(&result.storage, &address, sizeof address);
    result.length = sizeof address;
  }
  return result;
}

/// A descriptor for each query under way, beside what the process has.
void allow_sockets(uint32_t wanted) {
  constexpr rlim_t kOthers = 1024;
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < wanted + kOthers) {
    limit.rlim_cur = std::min<rlim_t>(limit.rlim_max, wanted + kOthers);
    setrlimit(RLIMIT_NOFILE, &limit);
  }
}

}  // namespace

/// A query under way.
struct Forwarder::Exchange {
  uint32_t number = 0;
  uint32_t generation = 0;  ///< of the socket: what epoll says of an older one is void
  int socket = -1;
  bool in_use = false;
  dns::ForwardingRings* ring = nullptr;
  dns::Ask ask;
  dns::Query query;
  std::vector<std::byte> question;
  uint16_t id = 0;
  size_t server = 0;
  uint32_t tries = 0;
  Clock::time_point deadline;
  std::vector<std::byte> unsent;    ///< over TCP
  std::vector<std::byte> received;  ///< over TCP, with its length

  bool is_stream() const { return ask.transport == dns::Transport::tcp; }
};

tl::expected<std::unique_ptr<Forwarder>, std::string> Forwarder::start(const ForwarderConfig& config,
                                                                       std::vector<dns::ForwardingRings*> rings) {
  const int poll = epoll_create1(EPOLL_CLOEXEC);
  if (poll < 0) {
    return tl::unexpected(std::string("cannot wait for other name servers: epoll_create1: ") + std::strerror(errno));
  }
  allow_sockets(config.pending);
  std::unique_ptr<Forwarder> forwarder(new Forwarder(config, std::move(rings), poll));
  forwarder->thread_ = std::thread([raw = forwarder.get()] { raw->run(); });
  return forwarder;
}

Forwarder::Forwarder(const ForwarderConfig& config, std::vector<dns::ForwardingRings*> rings, int poll)
    : config_(config), rings_(std::move(rings)), poll_(poll), health_(config.servers.size()) {
  for (uint32_t number = 0; number < config.pending; ++number) {
    exchanges_.push_back(std::make_unique<Exchange>());
    exchanges_.back()->number = number;
    free_.push_back(number);
  }
}

Forwarder::~Forwarder() {
  stop_.store(true);
  if (thread_.joinable()) {
    thread_.join();
  }
  for (const auto& exchange : exchanges_) {
    close(*exchange);
  }
  ::close(poll_);
}

ForwarderCounts Forwarder::counts() const {
  const auto get = [](const std::atomic<uint64_t>& counter) { return counter.load(std::memory_order_relaxed); };
  return {.asked = get(counts_.asked),
          .sent = get(counts_.sent),
          .answered = get(counts_.answered),
          .timed_out = get(counts_.timed_out),
          .failed = get(counts_.failed),
          .strange = get(counts_.strange),
          .gave_up = get(counts_.gave_up),
          .overflowed = get(counts_.overflowed),
          .lost = get(counts_.lost),
          .pending = get(counts_.pending)};
}

void Forwarder::run() {
  std::array<epoll_event, 64> events;
  Clock::time_point last_work = Clock::now();
  bool has_more = false;
  while (!stop_.load(std::memory_order_relaxed)) {
    const bool is_quiet = active_ == 0 && Clock::now() - last_work > kQuietAfter;
    const int patience = has_more ? 0 : is_quiet ? kQuietTurnMillis : kTurnMillis;
    const int count = epoll_wait(poll_, events.data(), static_cast<int>(events.size()), patience);
    for (int i = 0; i < count; ++i) {
      const uint64_t data = events[static_cast<size_t>(i)].data.u64;
      Exchange& exchange = *exchanges_[static_cast<uint32_t>(data)];
      if (exchange.in_use && exchange.socket >= 0 && exchange.generation == data >> 32) {
        go_on(exchange, events[static_cast<size_t>(i)].events);
      }
    }
    deliver_late();
    has_more = take_asks();
    expire();
    if (active_ > 0) {
      last_work = Clock::now();
    }
    counts_.pending.store(active_, std::memory_order_relaxed);
  }
}

/// A few of each, so that answers are looked at in between, and no worker waits for another's. @returns whether there
/// are more
bool Forwarder::take_asks() {
  bool has_more = false;
  first_ring_ = rings_.empty() ? 0 : (first_ring_ + 1) % rings_.size();
  for (size_t i = 0; i < rings_.size(); ++i) {
    dns::ForwardingRings& ring = *rings_[(first_ring_ + i) % rings_.size()];
    uint32_t taken = 0;
    for (auto written = ring.asks.front(); !written.empty(); written = ring.asks.front()) {
      dns::Ask ask;
      const std::span<const std::byte> message = dns::take_apart(written, ask);
      if (taken == kMostAsks) {
        has_more = true;
        break;
      }
      if (!begin(ring, ask, message)) {
        break;
      }
      ring.asks.pop();
      ++taken;
    }
  }
  return has_more;
}

/// A client may have a quarter of what is free beside what it has: one alone a fifth of all.
bool Forwarder::may_begin(const lb::Address& client) const {
  const auto known = by_client_.find(client);
  const uint32_t its = known == by_client_.end() ? 0 : known->second;
  return !free_.empty() && its < std::max<size_t>(kLeastOfClient, free_.size() / 4);
}

/// In the order of preference, the first that answers; but now and then one that did not.
size_t Forwarder::first_server() {
  const Clock::time_point now = Clock::now();
  for (size_t i = 0; i < health_.size(); ++i) {
    if (health_[i].silent < kMostSilent) {
      return i;
    }
    if (health_[i].again_at <= now) {
      health_[i].again_at = now + kAgainAfter;
      return i;
    }
  }
  return 0;
}

/// It was silent, or can't be reached.
void Forwarder::blame(size_t server) {
  if (++health_[server].silent == kMostSilent) {
    health_[server].again_at = Clock::now() + kAgainAfter;
  }
}

/// @returns false: nothing was done, as there is no room to tell of it
bool Forwarder::begin(dns::ForwardingRings& ring, const dns::Ask& ask, std::span<const std::byte> message) {
  if (!may_begin(ask.tuple.source)) {
    if (!refuse(ring, ask, message)) {
      return false;
    }
    count(counts_.asked);
    count(counts_.overflowed);
    return true;
  }
  count(counts_.asked);
  Exchange& exchange = *exchanges_[free_.back()];
  if (dns::read_query(message, exchange.query) != dns::Reading::good) {
    return true;  // a worker has read it before
  }
  free_.pop_back();
  ++active_;
  ++by_client_[ask.tuple.source];
  const std::span<const std::byte> question = dns::question_of(message, exchange.query);
  exchange.question.assign(question.begin(), question.end());
  exchange.in_use = true;
  exchange.ring = &ring;
  exchange.ask = ask;
  exchange.server = first_server();
  exchange.tries = 0;
  if (!send(exchange)) {
    blame(exchange.server);
    try_next(exchange);
  }
  return true;
}

/// By a socket of its own, whose port the kernel picks at random. @returns false: that server can't be reached
bool Forwarder::send(Exchange& exchange) {
  const SocketAddress to = socket_address(config_.servers[exchange.server]);
  const int kind = exchange.is_stream() ? SOCK_STREAM : SOCK_DGRAM;
  exchange.socket = socket(to.storage.ss_family, kind | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  ++exchange.tries;
  ++exchange.generation;
  exchange.deadline = Clock::now() + config_.timeout;
  due_.push_back({exchange.deadline, exchange.number, exchange.generation});
  if (exchange.socket < 0) {
    return false;
  }
  const int connected = connect(exchange.socket, reinterpret_cast<const sockaddr*>(&to.storage), to.length);
  if (connected != 0 && errno != EINPROGRESS) {
    return false;
  }
  randombytes_buf(&exchange.id, sizeof exchange.id);
  std::array<std::byte, kLength + dns::kMostForwarded> message;
  const size_t length = dns::write_forwarded(exchange.query, exchange.question, exchange.id, exchange.ask.most,
                                             std::span(message).subspan(kLength));
  epoll_event event{};
  event.events = exchange.is_stream() ? EPOLLIN | EPOLLOUT : EPOLLIN;
  event.data.u64 = exchange.number | uint64_t{exchange.generation} << 32;
  if (epoll_ctl(poll_, EPOLL_CTL_ADD, exchange.socket, &event) != 0) {
    return false;
  }
  count(counts_.sent);
  if (exchange.is_stream()) {
    dns::put16(message.data(), static_cast<uint16_t>(length));
    exchange.unsent.assign(message.begin(), message.begin() + static_cast<std::ptrdiff_t>(kLength + length));
    exchange.received.clear();
    return true;
  }
  return ::send(exchange.socket, message.data() + kLength, length, MSG_NOSIGNAL) == static_cast<ssize_t>(length);
}

void Forwarder::go_on(Exchange& exchange, uint32_t events) {
  if (!exchange.is_stream()) {
    return receive_datagrams(exchange);
  }
  if (!exchange.unsent.empty() && (events & (EPOLLOUT | EPOLLERR | EPOLLHUP)) != 0 && !send_stream(exchange)) {
    count(counts_.failed);
    blame(exchange.server);
    return try_next(exchange);
  }
  if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) {
    receive_stream(exchange);
  }
}

bool Forwarder::send_stream(Exchange& exchange) {
  const ssize_t sent = ::send(exchange.socket, exchange.unsent.data(), exchange.unsent.size(), MSG_NOSIGNAL);
  if (sent < 0) {
    return errno == EAGAIN || errno == EINTR;
  }
  exchange.unsent.erase(exchange.unsent.begin(), exchange.unsent.begin() + sent);
  if (exchange.unsent.empty()) {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u64 = exchange.number | uint64_t{exchange.generation} << 32;
    epoll_ctl(poll_, EPOLL_CTL_MOD, exchange.socket, &event);
  }
  return true;
}

void Forwarder::receive_datagrams(Exchange& exchange) {
  std::array<std::byte, 4096> message;
  for (int i = 0; i < kMostDatagrams; ++i) {
    const ssize_t length = recv(exchange.socket, message.data(), message.size(), 0);
    if (length < 0 && (errno == EAGAIN || errno == EINTR)) {
      return;
    }
    if (length < 0) {  // nobody is there: ICMP said so
      count(counts_.failed);
      blame(exchange.server);
      return try_next(exchange);
    }
    const std::span<std::byte> received = std::span(message).first(static_cast<size_t>(length));
    if (dns::answers(received, exchange.id, exchange.question)) {
      return take(exchange, received);
    }
    count(counts_.strange);
  }
}

void Forwarder::receive_stream(Exchange& exchange) {
  std::array<std::byte, 4096> bytes;
  const ssize_t length = recv(exchange.socket, bytes.data(), bytes.size(), 0);
  if (length < 0 && (errno == EAGAIN || errno == EINTR)) {
    return;
  }
  if (length <= 0) {
    count(counts_.failed);
    blame(exchange.server);
    return try_next(exchange);
  }
  exchange.received.insert(exchange.received.end(), bytes.begin(), bytes.begin() + length);
  if (exchange.received.size() < kLength) {
    return;
  }
  const size_t whole = kLength + dns::get16(exchange.received.data());
  if (exchange.received.size() < whole) {
    return;
  }
  const std::span<std::byte> message = std::span(exchange.received).first(whole).subspan(kLength);
  if (!dns::answers(message, exchange.id, exchange.question)) {
    count(counts_.strange);
    return try_next(exchange);
  }
  take(exchange, message);
}

void Forwarder::take(Exchange& exchange, std::span<std::byte> message) {
  health_[exchange.server].silent = 0;  // whatever it says of this name
  const dns::Rcode rcode = dns::rcode_of(message);
  const bool is_failure = rcode == dns::Rcode::server_failure || rcode == dns::Rcode::refused;
  if (is_failure && exchange.tries < std::min<size_t>(kMostTries, config_.servers.size())) {
    count(counts_.failed);
    return try_next(exchange);
  }
  count(counts_.answered);
  const size_t most = std::max<size_t>(exchange.ask.most, dns::kPlainUdp);
  finish(exchange, message.first(dns::adopt(message, exchange.query, exchange.question, most)));
}

void Forwarder::try_next(Exchange& exchange) {
  for (;;) {
    close(exchange);
    if (exchange.tries >= std::clamp<size_t>(config_.servers.size(), 2, kMostTries)) {
      return give_up(exchange);
    }
    exchange.server = (exchange.server + 1) % config_.servers.size();
    if (send(exchange)) {
      return;
    }
    blame(exchange.server);
  }
}

void Forwarder::close(Exchange& exchange) {
  if (exchange.socket >= 0) {
    ::close(exchange.socket);  // which takes it out of epoll, too
    exchange.socket = -1;
  }
}

void Forwarder::give_up(Exchange& exchange) {
  count(counts_.gave_up);
  std::array<std::byte, dns::kPlainUdp> message{};
  dns::put16(message.data(), exchange.query.id);
  std::memcpy(message.data() + dns::kHeader, exchange.question.data(), exchange.question.size());
  finish(exchange,
         std::span(message).first(dns::respond_with(dns::Rcode::server_failure, message, exchange.query, true)));
}

void Forwarder::finish(Exchange& exchange, std::span<const std::byte> message) {
  close(exchange);
  if (!dns::put(exchange.ring->answers, exchange.ask, message)) {
    if (exchange.is_stream()) {  // its connection waits for an answer, and would for ever
      std::vector<std::byte> kept(message.begin(), message.end());
      exchange.received = std::move(kept);
      late_.push_back(exchange.number);
      return;
    }
    count(counts_.lost);
  }
  release(exchange);
}

void Forwarder::release(Exchange& exchange) {
  if (exchange.received.capacity() > kKeptCapacity) {
    exchange.received = {};
  }
  exchange.in_use = false;
  --active_;
  free_.push_back(exchange.number);
  const auto client = by_client_.find(exchange.ask.tuple.source);
  if (--client->second == 0) {
    by_client_.erase(client);
  }
}

void Forwarder::deliver_late() {
  std::erase_if(late_, [this](uint32_t number) {
    Exchange& exchange = *exchanges_[number];
    const bool is_told = dns::put(exchange.ring->answers, exchange.ask, exchange.received);
    if (is_told) {
      release(exchange);
    }
    return is_told;
  });
}

/// @returns false: there is no room
bool Forwarder::refuse(dns::ForwardingRings& ring, const dns::Ask& ask, std::span<const std::byte> message) {
  std::array<std::byte, dns::kMostUdp> answer{};
  dns::Query query;
  if (message.size() > answer.size() || dns::read_query(message, query) != dns::Reading::good) {
    return true;  // a worker has read it before
  }
  std::memcpy(answer.data(), message.data(), message.size());
  const size_t length = dns::respond_with(dns::Rcode::server_failure, answer, query, true);
  return dns::put(ring.answers, ask, std::span(answer).first(length));
}

void Forwarder::expire() {
  const Clock::time_point now = Clock::now();
  while (!due_.empty() && due_.front().deadline <= now) {
    const Due due = due_.front();
    due_.pop_front();
    Exchange& exchange = *exchanges_[due.number];
    if (exchange.in_use && exchange.generation == due.generation && exchange.socket >= 0) {
      count(counts_.timed_out);
      blame(exchange.server);
      try_next(exchange);
    }
  }
}

}  // namespace weft::resolver
