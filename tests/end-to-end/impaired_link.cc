// SPDX-License-Identifier: Apache-2.0
/// @file A bad link between two interfaces, live: what comes in at one goes out at the other, through the paths that
/// the simulation of TCP uses (tests/simulation/tcp_path.h), one each way.
///
///   impaired-link A B --delay 20 --loss 1 --mtu 1300 …
///
/// Says "up" when it forwards. Ends with SIGTERM, and then says what became of the packets, as JSON. The interfaces'
/// offloads must be off (`ethtool -K … tx off gso off gro off tso off`), or checksums are not yet there that damage
/// would break. Only IP suffers: ARP comes through, at once.
#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <exception>
#include <map>

#include "packet/answer.h"
#include "packet/headers.h"
#include "packet/parse.h"
#include "packet_port.h"
#include "tcp_path.h"

namespace {

using namespace weft;
using simulation::Frame;
using simulation::Path;
using simulation::PathConfig;

time::Time now() {
  return std::chrono::steady_clock::now().time_since_epoch();
}

struct Counts {
  uint64_t packets = 0;
  uint64_t bytes = 0;
  uint64_t lost = 0;
  uint64_t duplicated = 0;
  uint64_t too_big = 0;
  uint64_t refused = 0;  ///< by the interface that they should leave by
};

/// One way.
class Direction {
 public:
  Direction(const PathConfig& config, uint64_t seed, link::PacketPort& to) : path_(config, seed), to_(to) {}

  /// @param back to whom it is told that a packet was too big
  void enter(std::span<const std::byte> frame, time::Time at, Direction& back) {
    const auto* ethernet = reinterpret_cast<const packet::EthernetHeader*>(frame.data());
    if (frame.size() < sizeof *ethernet || !is_ip(*ethernet)) {
      on_its_way_.emplace(at, Frame(frame.begin(), frame.end()));
      return;
    }
    ++counts_.packets;
    counts_.bytes += frame.size();
    const auto header = frame.first(sizeof *ethernet);
    const auto packet = frame.subspan(sizeof *ethernet);
    Path::Fate fate = path_.send({packet.begin(), packet.end()}, at);
    if (fate.too_big) {
      ++counts_.too_big;
      if (path_.config().tells_too_big) {
        back.tell_too_big(frame, path_.config().mtu, at);
      }
      return;
    }
    counts_.lost += fate.crossings.empty() ? 1 : 0;
    counts_.duplicated += fate.crossings.size() > 1 ? 1 : 0;
    for (Path::Crossing& crossing : fate.crossings) {
      crossing.frame.insert(crossing.frame.begin(), header.begin(), header.end());
      on_its_way_.emplace(crossing.at, std::move(crossing.frame));
    }
  }

  void deliver(time::Time at) {
    while (!on_its_way_.empty() && on_its_way_.begin()->first <= at) {
      counts_.refused += to_.send(on_its_way_.begin()->second) ? 0 : 1;
      on_its_way_.erase(on_its_way_.begin());
    }
  }

  time::Time next() const { return on_its_way_.empty() ? time::Time::max() : on_its_way_.begin()->first; }
  const Counts& counts() const { return counts_; }

 private:
  static bool is_ip(const packet::EthernetHeader& ethernet) {
    return ethernet.type == htons(ETH_P_IP) || ethernet.type == htons(ETH_P_IPV6);
  }

  /// As the router before the narrow part would (RFC 1191, RFC 8201). These errors are neither late nor lost.
  void tell_too_big(std::span<const std::byte> frame, uint32_t mtu, time::Time at) {
    packet::Parsed parsed;
    packet::parse(frame, parsed);
    if (parsed.kind != packet::Kind::transport) {
      return;
    }
    Frame answer(frame.begin(), frame.end());
    answer.resize(frame.size() + packet::kUnreachableRoom6);
    answer.resize(packet::answer_too_big(answer, parsed, static_cast<uint16_t>(mtu)));
    std::swap_ranges(answer.begin(), answer.begin() + 6, answer.begin() + 6);  // Ethernet's addresses
    on_its_way_.emplace(at + path_.config().delay, std::move(answer));
  }

  Path path_;
  link::PacketPort& to_;
  std::multimap<time::Time, Frame> on_its_way_;  // of those due at the same time, the first is the first
  Counts counts_;
};

void say(const char* name, const Direction& direction, link::PacketPort& from, const char* end) {
  const Counts& counts = direction.counts();
  std::printf(
      "\"%s\": {\"packets\": %lu, \"bytes\": %lu, \"lost\": %lu, \"duplicated\": %lu, \"too_big\": %lu, "
      "\"refused\": %lu, \"missed\": %lu}%s",
      name, counts.packets, counts.bytes, counts.lost, counts.duplicated, counts.too_big, counts.refused, from.missed(),
      end);
}

void watch(int poll, int fd) {
  epoll_event event{.events = EPOLLIN, .data = {.fd = fd}};
  epoll_ctl(poll, EPOLL_CTL_ADD, fd, &event);
}

void forward(const std::array<std::string, 2>& interfaces, const PathConfig& config, uint64_t seed) {
  std::array<link::PacketPort, 2> ports{link::PacketPort(interfaces[0]), link::PacketPort(interfaces[1])};
  // What enters at a port leaves by the other one.
  std::array<Direction, 2> directions{Direction(config, seed * 2, ports[1]), Direction(config, seed * 2 + 1, ports[0])};

  sigset_t ends;
  sigemptyset(&ends);
  sigaddset(&ends, SIGTERM);
  sigaddset(&ends, SIGINT);
  sigprocmask(SIG_BLOCK, &ends, nullptr);
  const int end = signalfd(-1, &ends, SFD_CLOEXEC);
  const int timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
  const int poll = epoll_create1(EPOLL_CLOEXEC);
  for (const int fd : {end, timer, ports[0].fd(), ports[1].fd()}) {
    watch(poll, fd);
  }
  std::puts("up");
  std::fflush(stdout);

  for (bool over = false; !over;) {
    std::array<epoll_event, 4> events{};
    const int count = epoll_wait(poll, events.data(), events.size(), -1);
    over = std::any_of(events.begin(), events.begin() + std::max(count, 0),
                       [&](const epoll_event& event) { return event.data.fd == end; });
    for (size_t i = 0; i < 2; ++i) {
      while (const auto frame = ports[i].receive()) {
        directions[i].enter(*frame, now(), directions[1 - i]);
      }
    }
    time::Time next = time::Time::max();
    for (Direction& direction : directions) {
      direction.deliver(now());
      next = std::min(next, direction.next());
    }
    // To set it clears that it has fired; zero sets none.
    const int64_t wake = next == time::Time::max() ? 0 : next.count();
    const itimerspec due{.it_interval = {},
                         .it_value = {.tv_sec = wake / 1'000'000'000, .tv_nsec = wake % 1'000'000'000}};
    timerfd_settime(timer, TFD_TIMER_ABSTIME, &due, nullptr);
  }
  std::printf("{");
  say(interfaces[0].c_str(), directions[0], ports[0], ", ");
  say(interfaces[1].c_str(), directions[1], ports[1], "}\n");
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app(
      "A link between two interfaces that delays, loses, repeats, reorders and damages packets, the same both ways.");
  std::array<std::string, 2> interfaces;
  double delay = 0;
  double jitter = 0;
  double held_up = 0;
  double rate = 0;
  uint32_t queue = 0;
  double loss = 0;
  double burst = 0;
  double duplicate = 0;
  double reorder = 0;
  double corrupt = 0;
  uint32_t mtu = UINT16_MAX;
  bool black_hole = false;
  uint64_t seed = 1;
  const CLI::Range percent(0.0, 100.0);
  app.add_option("interfaces", interfaces, "the two ends")->required();
  app.add_option("--delay", delay, "milliseconds, each way");
  app.add_option("--jitter", jitter, "milliseconds more, at most; packets stay in order");
  app.add_option("--rate", rate, "Mbit/s each way; 0: no bound");
  app.add_option("--queue", queue, "KiB that wait before a bounded rate; 0: no bound");
  app.add_option("--loss", loss, "percent, each packet by itself")->check(percent);
  app.add_option("--burst", burst,
                 "percent of packets that begin a burst, of three on average, in which nine of ten are lost")
      ->check(percent);
  app.add_option("--duplicate", duplicate, "percent")->check(percent);
  app.add_option("--reorder", reorder, "percent that are held up, so that others overtake them")->check(percent);
  app.add_option("--held-up", held_up, "milliseconds that they are held up, at most");
  app.add_option("--corrupt", corrupt, "percent in which a bit is flipped")->check(percent);
  app.add_option("--mtu", mtu, "bytes of an IP packet; who sends larger ones is told by ICMP")
      ->check(CLI::Range(576, 65535));
  app.add_flag("--black-hole", black_hole, "who sends larger ones is not told");
  app.add_option("--seed", seed, "the same seed and packets at the same times: the same fate");
  CLI11_PARSE(app, argc, argv);

  const auto milliseconds = [](double count) { return time::Time(static_cast<int64_t>(count * 1e6)); };
  const PathConfig config{.delay = milliseconds(delay),
                          .jitter = milliseconds(jitter),
                          .bits_per_second = static_cast<uint64_t>(rate * 1e6),
                          .queue_bytes = queue * 1024,
                          .loss = loss / 100,
                          .burst_begins = burst / 100,
                          .burst_ends = burst > 0 ? 1.0 / 3 : 1,
                          .duplication = duplicate / 100,
                          .reordering = reorder / 100,
                          .held_up = milliseconds(held_up),
                          .corruption = corrupt / 100,
                          .mtu = mtu,
                          .tells_too_big = !black_hole};
  try {
    forward(interfaces, config, seed);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "impaired-link: %s\n", error.what());
    return 1;
  }
  return 0;
}
